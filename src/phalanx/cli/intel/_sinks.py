"""`phalanx intel sinks` and `phalanx intel sources`: who is told, where events come from, and how it goes."""

import datetime as dt
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._exits import Exit
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.core import InvalidInput, how_long, per_second

_ERROR_CHARS = 60
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SINKS: list[Column] = [
    ("name", lambda row: row["name"]),
    ("product", lambda row: row["product"]),
    ("state", lambda row: row["state"]),
    ("told", lambda row: f"{row['delivered']:,}"),
    ("per s", lambda row: per_second(row["items_per_s"])),
    ("waiting", lambda row: f"{row['waiting']:,}"),
    ("lag", lambda row: how_long(row["lag_s"])),
    ("dead", lambda row: str(row["dead_letters"])),
    ("lost", lambda row: str(row["lost"])),
    ("last error", lambda row: _last_error(row, "last_delivered_at_ns")),
]
_SOURCES: list[Column] = [
    ("name", lambda row: row["name"]),
    ("product", lambda row: row["product"]),
    ("state", lambda row: row["state"]),
    ("events", lambda row: f"{row['events']:,}"),
    ("per s", lambda row: per_second(row["events_per_s"])),
    ("waiting", lambda row: f"{row['waiting']:,} {row['waiting_unit']}" if row["waiting"] >= 0 else "–"),
    ("gaps", lambda row: str(row["gaps"])),
    ("refused", lambda row: str(row["refused"])),
    ("last error", lambda row: _last_error(row, "last_drawn_at_ns")),
]


@click.group(cls=Group, short_help="Who is told what was found: SIEM, SOAR, brokers, webhooks.")
def sinks() -> None:
    """Who is told what was found: SIEM, SOAR, brokers, webhooks. They are configured as `[[sinks]]`."""


@sinks.command("list")
@client_options
@json_option
def list_sinks(client: NodeClient, as_json: bool) -> None:
    """Every sink: throughput, lag, what was refused or lost, and the last error: when, and whether it is over."""
    rows = client.get("/v1/sinks")["items"]
    print_json(rows) if as_json else print_table("Sinks", rows, _SINKS, empty="no sinks; add [[sinks]] to the settings")


@sinks.command()
@click.argument("name")
@client_options
def show(name: str, client: NodeClient) -> None:
    """Everything about the sink NAME, as JSON."""
    print_json(client.get(_sink(name)))


@sinks.command()
@click.argument("name")
@client_options
@json_option
@click.pass_context
def test(ctx: click.Context, name: str, client: NodeClient, as_json: bool) -> None:
    """Send a marked probe to the sink NAME. Exits with 1 if it is not accepted."""
    told = client.post(f"{_sink(name)}/test")
    if as_json:
        print_json(told)
    elif told["taken"]:
        click.echo(f"taken after {told['took_ms']:.1f} ms, under the id {told['item']}")
    else:
        click.echo(f"not taken: {told['problem']}")
    if not told["taken"]:
        ctx.exit(Exit.FAILED)


@sinks.command()
@click.argument("name")
@client_options
def pause(name: str, client: NodeClient) -> None:
    """Send nothing to the sink NAME until it is resumed; what it would receive waits."""
    done = client.post(f"{_sink(name)}/pause")
    click.echo(f"{name} is {done['state']}; {done['waiting']} waiting")


@sinks.command()
@click.argument("name")
@client_options
def resume(name: str, client: NodeClient) -> None:
    """Resume the sink NAME from its position."""
    done = client.post(f"{_sink(name)}/resume")
    click.echo(f"{name} is {done['state']}; {done['waiting']} waiting")


@sinks.command()
@click.argument("name")
@click.option("--since", required=True, help="A time (2026-09-01T06:00Z), how long ago (90m, 24h, 7d), or `all`.")
@client_options
def replay(name: str, since: str, client: NodeClient) -> None:
    """Send the sink NAME again what was recorded since a moment, even from before the sink existed."""
    done = client.post_json(f"{_sink(name)}/replay", {"since_ns": since_ns(since, now_ns=time.time_ns())})
    click.echo(f"{name} is {done['state']}")


@sinks.command("dead-letters")
@click.argument("name")
@click.option("--replay", "replay_id", default="", help="Send this one again; `all` sends all of them.")
@click.option("--discard", default="", help="Delete this one.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@client_options
@json_option
@click.pass_context
def dead_letters(
    ctx: click.Context, name: str, replay_id: str, discard: str, limit: int, client: NodeClient, as_json: bool
) -> None:
    """What the peer of the sink NAME refuses for good, and why; inspect it, send it again or delete it."""
    path = f"{_sink(name)}/dead-letters"
    if discard:
        client.post(f"{path}/{quote(discard, safe='')}/discard")
        click.echo("forgotten")
        return
    rows = [] if replay_id not in {"", "all"} else list(client.pages(path, limit=limit))
    if replay_id:
        wanted = [row["id"] for row in rows] if replay_id == "all" else [replay_id]
        results = [client.post(f"{path}/{quote(one, safe='')}/replay") for one in wanted]
        if as_json:
            print_json(results)
        else:
            click.echo(f"{sum(one['taken'] for one in results)} of {len(results)} were taken")
        if not all(one["taken"] for one in results):
            ctx.exit(Exit.FAILED)
        return
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("id", lambda row: row["id"]),
        ("when", time_of("at_ns")),
        ("kind", lambda row: row["item"]["kind"]),
        ("title", lambda row: row["item"]["title"]),
        ("why", lambda row: row["reason"]),
    ]
    print_table("Dead letters", rows, columns, empty="the peer refused nothing")


@click.group(cls=Group, short_help="Where events are drawn from: files, APIs, brokers.")
def sources() -> None:
    """Where events are drawn from: files, APIs, brokers. They are configured as `[[sources]]`."""


@sources.command("list")
@client_options
@json_option
def list_sources(client: NodeClient, as_json: bool) -> None:
    """Every source: throughput, what waits there, gaps, and the last error: when, and whether it is over."""
    rows = client.get("/v1/sources")["items"]
    if as_json:
        print_json(rows)
        return
    print_table("Sources", rows, _SOURCES, empty="no sources; add [[sources]] to the settings")


@sources.command("pause")
@click.argument("name")
@client_options
def pause_source(name: str, client: NodeClient) -> None:
    """Draw nothing from the source NAME until it is resumed."""
    done = client.post(f"/v1/sources/{quote(name, safe='')}/pause")
    click.echo(f"{name} is {done['state']}")


@sources.command("resume")
@click.argument("name")
@client_options
def resume_source(name: str, client: NodeClient) -> None:
    """Resume drawing from the source NAME at its position."""
    done = client.post(f"/v1/sources/{quote(name, safe='')}/resume")
    click.echo(f"{name} is {done['state']}")


@sources.command("rewind")
@click.argument("name")
@click.option("--to", "position", required=True, help="A position as `sources list --json` shows it, or `start`.")
@client_options
def rewind_source(name: str, position: str, client: NodeClient) -> None:
    """Draw from the source NAME again, from an earlier position. Events accepted from there come once more."""
    wanted = {"position": "" if position == "start" else position}
    done = client.post_json(f"/v1/sources/{quote(name, safe='')}/rewind", wanted)
    click.echo(f"{name} is {done['state']} and goes on from {done['position'] or 'the start'}")


def _last_error(row: Mapping[str, Any], worked_field: str) -> str:
    """The last error with its time, and since when it works again."""
    if not row["last_error"]:
        return "–"
    told = f"{time_of('last_error_at_ns')(row)}: {row['last_error'][:_ERROR_CHARS]}"
    if row["state"] == "failing":
        return told
    worked = row[worked_field] > row["last_error_at_ns"]
    return f"{told} (over: it worked at {time_of(worked_field)(row)})" if worked else told


def since_ns(text: str, *, now_ns: int) -> int:
    """A moment, as a person writes it. Raises ``InvalidInput``."""
    if text == "all":
        return 0
    ago = re.fullmatch(r"(\d{1,9})([smhdw])", text)
    if ago is not None:
        return max(0, now_ns - int(ago[1]) * _UNITS_S[ago[2]] * 1_000_000_000)
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("--since", f"{text!r} is neither a time nor how long ago") from error
    if at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    return max(0, int(at.timestamp() * 1_000_000) * 1_000)


def _sink(name: str) -> str:
    return f"/v1/sinks/{quote(name, safe='')}"
