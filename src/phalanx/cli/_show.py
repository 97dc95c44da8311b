"""Looking at what a running node knows: one short command per kind of record."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, Refused, client_options
from phalanx.cli._output import Column, json_option, print_json, print_table, time_of
from phalanx.core import NotFound

limit_option = click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1), help="Show at most this many."
)

# What groups of commands call their listing is understood here as well: `phalanx findings list`.
list_word = click.argument("word", metavar="[list]", required=False, type=click.Choice(["list"]), expose_value=False)


def _listing(
    path: str, title: str, columns: list[Column], *, client: NodeClient, limit: int, as_json: bool, **params: Any
) -> None:
    rows = list(client.pages(path, limit=limit, **params))
    if as_json:
        print_json(rows)
    else:
        rows.sort(key=lambda row: row.get("first_seen_ns") or row.get("at_ns") or 0)
        print_table(title, rows, columns, empty=f"no {title.lower()} yet")


def _text(name: str) -> Any:
    return lambda row: str(row.get(name, ""))


def _percent(name: str) -> Any:
    return lambda row: f"{row[name]:.0%}"


@click.command(short_help="What the detectors saw.")
@list_word
@client_options
@limit_option
@click.option("--case", default="", help="Only this case.")
@json_option
def findings(client: NodeClient, limit: int, case: str, as_json: bool) -> None:
    """What the detectors saw, newest last. `phalanx trace ID` tells the rest of the story."""
    columns: list[Column] = [
        ("first seen", time_of("first_seen_ns")),
        ("severity", lambda row: ("", "info", "low", "medium", "high", "critical")[row["severity"]]),
        ("what", _text("title")),
        ("about", lambda row: ", ".join(f"{e['type']}:{e['value']}" for e in row["entities"])),
        ("hits", _text("hits")),
        ("technique", lambda row: " ".join(row["techniques"])),
        ("trace", _text("trace")),
    ]
    _listing("/v1/findings", "Findings", columns, client=client, limit=limit, as_json=as_json, case=case)


@click.command(short_help="What the agents were asked to do, and how it went.")
@list_word
@client_options
@limit_option
@json_option
def missions(client: NodeClient, limit: int, as_json: bool) -> None:
    """What the agents were asked to do, and how it went."""
    columns: list[Column] = [
        ("since", time_of("at_ns")),
        ("skill", _text("skill")),
        ("status", _text("status")),
        ("agent", _text("agent")),
        ("attempts", _text("attempts")),
        ("note", _text("note")),
    ]
    _listing("/v1/missions", "Missions", columns, client=client, limit=limit, as_json=as_json)


@click.command(short_help="What the analyses concluded, with interval and provenance.")
@list_word
@client_options
@limit_option
@json_option
def assessments(client: NodeClient, limit: int, as_json: bool) -> None:
    """What the analyses concluded, with interval and provenance."""

    def origin(row: Mapping[str, Any]) -> str:
        parts = [f"{p['origin']} on {p['device']}" for p in row["provenance"]]
        return "; ".join(parts) or f"classical ({row['degraded']})"

    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("about", lambda row: f"{row['subject']['type']}:{row['subject']['value']}"),
        ("verdict", _text("verdict")),
        ("probability", lambda row: f"{row['probability']:.2f} [{row['interval'][0]:.2f}, {row['interval'][1]:.2f}]"),
        ("confidence", _percent("confidence")),
        ("quantum step", origin),
        ("trace", _text("trace")),
    ]
    _listing("/v1/assessments", "Assessments", columns, client=client, limit=limit, as_json=as_json)


@click.command(short_help="Which actions were approved or refused, by what policy and why.")
@list_word
@client_options
@limit_option
@json_option
def decisions(client: NodeClient, limit: int, as_json: bool) -> None:
    """Which actions were approved or refused, by what policy and why."""

    @cache
    def proposal(about: str) -> Mapping[str, Any]:
        """What was decided about; empty where that is no action."""
        try:
            found: Mapping[str, Any] = client.get(f"/v1/proposals/{quote(about, safe='')}")
        except Refused as refused:
            if refused.code != NotFound.code:
                raise
            return {}
        return found

    def target(row: Mapping[str, Any]) -> str:
        of = proposal(row["about"]).get("target")
        return f"{of['type']}:{of['value']}" if of else "–"

    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("outcome", _text("outcome")),
        ("action", lambda row: proposal(row["about"]).get("action", "–")),
        ("target", target),
        ("authority", _text("authority")),
        ("reasons", lambda row: "; ".join(row["reasons"])),
        ("trace", _text("trace")),
    ]
    _listing("/v1/decisions", "Decisions", columns, client=client, limit=limit, as_json=as_json)


@click.command(short_help="What the node wants a person to know of itself.")
@list_word
@client_options
@json_option
def alerts(client: NodeClient, as_json: bool) -> None:
    """What the node wants a person to know of itself: storage full, a service restarted, a plug-in left out."""
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("level", _text("level")),
        ("room", _text("room")),
        ("what", _text("text")),
        ("context", lambda row: " ".join(f"{name}={value}" for name, value in row["context"].items())),
    ]
    _listing("/v1/alerts", "Alerts", columns, client=client, limit=1_000, as_json=as_json)


@click.command(short_help="The whole way of one event, from intake to ledger.")
@click.argument("trace_id")
@client_options
@json_option
def trace(trace_id: str, client: NodeClient, as_json: bool) -> None:
    """The whole way of one event, from intake to ledger.

    TRACE_ID is the id of an event, or the trace of anything that followed from it.
    """
    story = client.get(f"/v1/traces/{quote(trace_id, safe='')}")
    if as_json:
        print_json(story)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("room", _text("room")),
        ("stage", _text("stage")),
        ("what", _text("summary")),
    ]
    print_table(f"Trace {trace_id}", story["waypoints"], columns, empty=f"nothing followed from {trace_id}")
