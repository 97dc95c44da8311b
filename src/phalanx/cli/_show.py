"""Looking at what a running node knows: one short command per kind of record."""

from collections.abc import Mapping
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, Refused, client_options
from phalanx.cli._output import Column, json_option, print_json, print_table, time_of
from phalanx.core import NotFound

_SEVERITIES = ("info", "low", "medium", "high", "critical")
# Findings that are looked through for those that were asked for, and entities that a line of the list names.
MAX_LOOKED_THROUGH = 10_000
MAX_NAMED = 3

# More than anybody reads, and less than a machine fails at.
_MOST = 1_000_000
limit_option = click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, _MOST), help="Show at most this many."
)

# What groups of commands call their listing is understood here as well: `phalanx findings list`.
list_word = click.argument("word", metavar="[list]", required=False, type=click.Choice(["list"]), expose_value=False)


def _listing(
    path: str, title: str, columns: list[Column], *, client: NodeClient, limit: int, as_json: bool, **params: Any
) -> None:
    rows = list(client.pages(path, limit=limit, **params))
    _print_listing(title, rows, columns, as_json=as_json, empty=f"no {title.lower()} yet")


def _print_listing(
    title: str, rows: list[dict[str, Any]], columns: list[Column], *, as_json: bool, empty: str
) -> None:  # fmt: skip
    if as_json:
        print_json(rows)
        return
    rows.sort(key=lambda row: row.get("first_seen_ns") or row.get("at_ns") or 0)
    print_table(title, rows, columns, empty=empty)


def _text(name: str) -> Any:
    return lambda row: str(row.get(name, ""))


def _percent(name: str) -> Any:
    return lambda row: f"{row[name]:.0%}"


@click.command(short_help="What the detectors found.")
@list_word
@client_options
@limit_option
@click.option("--case", default="", help="Only findings of this case.")
@click.option("--severity", type=click.Choice(_SEVERITIES), help="Only findings of at least this severity.")
@click.option(
    "--like", default="", help="Only findings that contain this text in their title, rule, techniques or entities."
)
@json_option
def findings(
    client: NodeClient, limit: int, case: str, severity: str | None, like: str, as_json: bool
) -> None:  # fmt: skip
    """What the detectors found, newest last. `phalanx trace ID` tells the rest of the story.

    With --severity or --like the newest 10,000 are searched.
    """
    columns: list[Column] = [
        ("first seen", time_of("first_seen_ns")),
        ("severity", lambda row: ("", *_SEVERITIES)[row["severity"]]),
        ("what", _text("title")),
        ("about", _about),
        ("hits", _text("hits")),
        ("technique", lambda row: " ".join(row["techniques"])),
        ("id", _text("id")),
    ]

    def wanted(row: Mapping[str, Any]) -> bool:
        severe = severity is None or row["severity"] > _SEVERITIES.index(severity)
        return severe and (not like or like.casefold() in _words(row))

    narrowed = severity is not None or bool(like)
    most = MAX_LOOKED_THROUGH if narrowed else limit
    rows = islice(filter(wanted, client.pages("/v1/findings", limit=most, case=case)), limit)
    empty = "no findings of that kind" if narrowed or case else "no findings yet"
    _print_listing("Findings", list(rows), columns, as_json=as_json, empty=empty)


def _words(row: Mapping[str, Any]) -> str:
    """The texts by which a finding can be searched."""
    named = [f"{one['type']}:{one['value']}" for one in row["entities"]]
    return "\n".join([row["title"], row["rule"], *row["techniques"], *named]).casefold()


def _about(row: Mapping[str, Any]) -> str:
    """What a finding is about, short enough for one line: programs by their names, and how many more there are."""
    named = []
    for one in row["entities"]:
        value = str(one["value"])
        if one["type"] == "process":
            value = value.replace("\\", "/").rpartition("/")[2] or value
        named.append(f"{one['type']}:{value}")
    short = list(dict.fromkeys(named))
    more = [f"{len(short) - MAX_NAMED} more"] if len(short) > MAX_NAMED else []
    return ", ".join(short[:MAX_NAMED] + more)


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
        """What was decided about; empty if that is not an action."""
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


@click.command(short_help="What the node has to tell a person about itself.")
@list_word
@client_options
@json_option
def alerts(client: NodeClient, as_json: bool) -> None:
    """What the node has to tell a person about itself: storage full, a service restarted, a plug-in left out."""
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("level", _text("level")),
        ("room", _text("room")),
        ("what", _text("text")),
        ("context", lambda row: " ".join(f"{name}={value}" for name, value in row["context"].items())),
    ]
    _listing("/v1/alerts", "Alerts", columns, client=client, limit=1_000, as_json=as_json)


@click.command(short_help="The whole path of one event, from intake to ledger.")
@click.argument("trace_id")
@client_options
@json_option
def trace(trace_id: str, client: NodeClient, as_json: bool) -> None:
    """The whole path of one event, from intake to ledger.

    TRACE_ID is the id of an event or of a finding, or the trace of anything that followed from it.
    """
    story = _story(client, trace_id)
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


def _story(client: NodeClient, ident: str) -> Any:
    """The story under that trace, or of the finding with that id: someone reading a list of findings has only ids."""
    try:
        return client.get(f"/v1/traces/{quote(ident, safe='')}")
    except Refused as refused:
        if refused.code != NotFound.code:
            raise
        try:
            found = client.get(f"/v1/findings/{quote(ident, safe='')}")
        except Refused:
            raise refused from None
        return client.get(f"/v1/traces/{quote(found['trace'], safe='')}")
