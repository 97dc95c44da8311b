"""`phalanx intel search`: searching the event archive of a running node."""

import datetime as dt
from pathlib import Path
from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import read_text_file
from phalanx.cli._output import Column, json_option, print_json, print_table, printable
from phalanx.core import counted

_SHOWN_FIELDS = 6
# What tells most of an event, as sources call it: who, where from, where to, what was run. Shown before all else.
_TELLING = (
    "Hostname", "hostname", "host", "User", "user", "TargetUserName", "SubjectUserName", "AccountName", "src_ip",
    "SourceIp", "IpAddress", "id.orig_h", "dst_ip", "DestinationIp", "id.resp_h", "DestinationPort", "id.resp_p",
    "query", "QueryName", "Image", "NewProcessName", "program", "process", "CommandLine", "ScriptBlockText",
    "TargetFilename", "TargetObject", "TargetImage", "message",
)  # fmt: skip
# Said of an event elsewhere in the row, or of every event of its kind.
_LAST = frozenset({"Channel", "EventTime", "UtcTime", "ProviderName", "SourceName", "Keywords", "Opcode", "RuleName"})
_NOTHING = frozenset({"", "-"})
_BAR_LETTERS = 50


@click.command(short_help="Search the event archive.")
@click.argument("query", default="")
@click.option("--last", default="", help="Only this far back, such as 24h or 7d.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(0, 1000), help="Maximum number of events.")
@click.option("--after", default="", help="Where the previous page ended: its `next`.")
@click.option("--bars", default="", help="A histogram with this interval beside the events, such as 1h.")
@click.option(
    "--timeout", "timeout_s", default=10.0, show_default=True, type=click.FloatRange(0.001, 120), help="Seconds."
)
@click.option(
    "--rule",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Run this Sigma rule instead of a query.",
)
@click.option("--explain", is_flag=True, help="Say how the query is understood, and how much was searched.")
@client_options
@json_option
def search(
    client: NodeClient, query: str, last: str, limit: int, after: str, bars: str, timeout_s: float, rule: Path | None,
    explain: bool, as_json: bool,
) -> None:  # fmt: skip
    """Search the events that a node stores, newest first.

    QUERY is words and fields, joined by AND, OR and NOT: `host:web-1 AND process:powershell* AND last:24h "free
    text"`, and what to return instead of events: `| count by host`, `| top 10 dst_ip`, `| timeline 1h`. Without it:
    everything.
    """
    wanted: dict[str, Any] = {
        "query": query, "last": last, "limit": limit, "after": after, "bars": bars, "timeout_s": timeout_s,
    }  # fmt: skip
    if rule is not None:
        wanted["rule"] = read_text_file(rule)
    found = client.post_json("/v1/events/search", wanted)
    if as_json:
        print_json(found)
        return
    if last and not found["total"]:
        outside = client.post_json("/v1/events/search", {**wanted, "last": "", "limit": 0, "bars": "", "after": ""})
        if outside["total"]:
            noun = counted(outside["total"], "event")
            click.echo(f"nothing in the last {last}; {noun} of other times: ask without --last")
            return
    if explain:
        click.echo(printable(f"understood as: {found['query']}"))
        click.echo(
            f"{counted(found['segments'], 'segment')} looked at, {found['skipped']} skipped by their times, "
            f"{found['took_ms']:.1f} ms"
        )
    show(found)


def show(found: dict[str, Any]) -> None:
    """Show an answer."""
    if found["groups"]:
        columns: list[Column] = [
            ("events", lambda row: str(row["events"])),
            ("values", lambda row: printable(" · ".join(row["values"]) or "–"))
        ]  # fmt: skip
        print_table(counted(found["total"], "event"), found["groups"], columns, empty="nothing")
    if found["bars"]:
        most = max(bar["events"] for bar in found["bars"])
        for bar in found["bars"]:
            length = max(1, bar["events"] * _BAR_LETTERS // most)
            click.echo(f"{stamp(bar['start_ns'])}  {'█' * length} {bar['events']}")
    if found["items"] or not (found["groups"] or found["bars"]):
        shown: list[Column] = [
            ("time", lambda row: stamp(row["time_ns"])), ("event", lambda row: row["id"]),
            ("source", lambda row: printable(row["log_source"])),
            ("fields", lambda row: printable(_some(row["fields"]))),
        ]  # fmt: skip
        print_table(counted(found["total"], "event"), found["items"], shown, empty="nothing is found")
    for one in found.get("unknown", ()):
        near = f"; did you mean {' or '.join(one['near'])}?" if one["near"] else ""
        click.echo(printable(f"no event that was looked at has a field {one['name']}{near}"))
    if found.get("rough"):
        click.echo("there are more different values than are counted: of those shown there are at least so many")
    if lost := found.get("unreadable", 0):
        click.echo(f"{counted(lost, 'event')} could not be looked at: files of the archive are damaged or gone")
    elif not found["complete"]:
        click.echo("time was up before everything was looked at; ask for a shorter time, or give it --timeout")
    if left := found.get("left", 0):
        click.echo(f"{counted(left, 'chunk')} from before the node started cannot be searched yet; ask again")
    if found["next"]:
        click.echo(f"there is more: --after {found['next']}")


def _some(fields: dict[str, Any]) -> str:
    """The most informative fields first, and no empty ones."""
    told = [(name, value) for name, value in fields.items() if str(value).strip() not in _NOTHING]
    place = {name: at for at, name in enumerate(_TELLING)}
    told.sort(key=lambda one: (one[0] in _LAST, place.get(one[0], len(place))))
    some, fields = told[:_SHOWN_FIELDS], dict(told)
    more = f" +{len(fields) - len(some)}" if len(fields) > len(some) else ""
    return ", ".join(f"{name}={str(value)[:60]}" for name, value in some) + more


def stamp(time_ns: int) -> str:
    moment = dt.datetime.fromtimestamp(time_ns / 1e9, tz=dt.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
