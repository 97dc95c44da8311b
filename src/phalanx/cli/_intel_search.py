"""`phalanx intel search` and `phalanx intel hunts`: asking the archive of events of a running node."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable

_SHOWN_FIELDS = 6
_BAR_LETTERS = 50


@click.command(short_help="Search the archive of events.")
@click.argument("query", default="")
@click.option("--last", default="", help="Only so long a time back, such as 24h or 7d.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(0, 1000), help="Events at most.")
@click.option("--after", default="", help="Where the page before ended: its `next`.")
@click.option("--bars", default="", help="A histogram of this span beside the events, such as 1h.")
@click.option(
    "--timeout", "timeout_s", default=10.0, show_default=True, type=click.FloatRange(0.001, 120), help="Seconds."
)
@click.option(
    "--rule",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Ask this Sigma rule instead of a query.",
)
@click.option("--explain", is_flag=True, help="Say how the question is understood, and how much was looked at.")
@client_options
@json_option
def search(
    client: NodeClient, query: str, last: str, limit: int, after: str, bars: str, timeout_s: float, rule: Path | None,
    explain: bool, as_json: bool,
) -> None:  # fmt: skip
    """Search the events that a node keeps, newest first.

    QUERY is words and fields, joined by AND, OR and NOT: `host:web-1 AND process:powershell* AND last:24h "free text"`,
    and what is wanted of the events: `| count by host`, `| top 10 dst_ip`, `| timeline 1h`. Without it: everything.
    """
    wanted: dict[str, Any] = {
        "query": query, "last": last, "limit": limit, "after": after, "bars": bars, "timeout_s": timeout_s,
    }  # fmt: skip
    if rule is not None:
        wanted["rule"] = rule.read_text(encoding="utf-8")
    found = client.post("/v1/events/search", content=json.dumps(wanted).encode(), headers={})
    if as_json:
        print_json(found)
        return
    if explain:
        click.echo(printable(f"understood as: {found['query']}"))
        click.echo(
            f"{found['segments']} segments looked at, {found['skipped']} skipped by their times, "
            f"{found['took_ms']:.1f} ms"
        )
    show(found)


def show(found: dict[str, Any]) -> None:
    """Print an answer."""
    if found["groups"]:
        columns: list[Column] = [
            ("events", lambda row: str(row["events"])),
            ("values", lambda row: printable(" · ".join(row["values"]) or "–"))
        ]  # fmt: skip
        print_table(f"{found['total']} events", found["groups"], columns, empty="nothing")
    if found["bars"]:
        most = max(bar["events"] for bar in found["bars"])
        for bar in found["bars"]:
            length = max(1, bar["events"] * _BAR_LETTERS // most)
            click.echo(f"{_stamp(bar['start_ns'])}  {'█' * length} {bar['events']}")
    if found["items"] or not (found["groups"] or found["bars"]):
        shown: list[Column] = [
            ("time", lambda row: _stamp(row["time_ns"])), ("event", lambda row: row["id"]),
            ("source", lambda row: printable(row["log_source"])),
            ("fields", lambda row: printable(_some(row["fields"]))),
        ]  # fmt: skip
        print_table(f"{found['total']} events", found["items"], shown, empty="nothing is found")
    if not found["complete"]:
        click.echo("time was up before everything was looked at; ask for a shorter time, or give it --timeout")
    if found["next"]:
        click.echo(f"there is more: --after {found['next']}")


def _some(fields: dict[str, Any]) -> str:
    some = list(fields.items())[:_SHOWN_FIELDS]
    more = f" +{len(fields) - len(some)}" if len(fields) > len(some) else ""
    return ", ".join(f"{name}={str(value)[:60]}" for name, value in some) + more


def _stamp(time_ns: int) -> str:
    moment = dt.datetime.fromtimestamp(time_ns / 1e9, tz=dt.UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


@click.group(cls=Group, short_help="Saved hunts: list, save, run, remove.")
def hunts() -> None:
    """Hypotheses as saved queries over the archive, asked when wanted or again and again."""


@hunts.command(name="list")
@client_options
@json_option
def list_hunts(client: NodeClient, as_json: bool) -> None:
    """Saved hunts, and what each found when it was last asked."""
    found = client.get("/v1/hunts/saved")["items"]
    if as_json:
        print_json({"hunts": found})
        return
    columns: list[Column] = [
        ("name", lambda row: row["id"]), ("query", lambda row: printable(row["query"])),
        ("every", lambda row: f"{row['every_s']:g} s" if row["every_s"] else "when asked"),
        ("asked", lambda row: _stamp(row["ran_at_ns"]) if row["ran_at_ns"] else "never"),
        ("events", lambda row: str(row["total"])),
    ]  # fmt: skip
    print_table("Saved hunts", found, columns, empty="no hunt is saved")


@hunts.command()
@click.argument("name")
@click.argument("query")
@click.option("--about", default="", help="The hypothesis, in words.")
@click.option("--technique", "techniques", multiple=True, help="ATT&CK technique that it is about; several may be.")
@click.option("--every", "every_s", default=0.0, type=click.FloatRange(min=0), help="Ask it every so many seconds.")
@client_options
@json_option
def save(
    client: NodeClient, name: str, query: str, about: str, techniques: tuple[str, ...], every_s: float, as_json: bool
) -> None:
    """Save QUERY as the hunt NAME, in place of one of that name."""
    wanted = {"name": name, "query": query, "about": about, "techniques": techniques, "every_s": every_s}
    made = client.post("/v1/hunts/saved", content=json.dumps(wanted).encode(), headers={})
    print_json(made) if as_json else click.echo(printable(f"saved: {made['id']}"))


@hunts.command()
@click.argument("name")
@client_options
@json_option
def run(client: NodeClient, name: str, as_json: bool) -> None:
    """Ask the saved hunt NAME now."""
    found = client.post(f"/v1/hunts/saved/{name}/run", content=b"", headers={})
    print_json(found) if as_json else show(found)
