"""`phalanx intel hunts`: saved queries, following a finding through the archive, and checking old events for new
knowledge.
"""

from pathlib import Path
from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import read_text_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable
from phalanx.cli.intel._search import show, stamp
from phalanx.core import counted

_DAY_S = 86_400.0
_days = click.FloatRange(min=0, max=36_500)


@click.group(cls=Group, short_help="Hunts in the archive, once or repeatedly.")
def hunts() -> None:
    """Hypotheses as saved queries on the archive, run on demand or repeatedly; and one-time hunts: following a
    finding, and checking old events against new rules.
    """


@hunts.command(name="list")
@client_options
@json_option
def list_hunts(client: NodeClient, as_json: bool) -> None:
    """Saved hunts, and what each found when it last ran."""
    found = client.get("/v1/hunts/saved")["items"]
    if as_json:
        print_json({"hunts": found})
        return
    columns: list[Column] = [
        ("name", lambda row: row["id"]), ("query", lambda row: printable(row["query"])),
        ("every", lambda row: f"{row['every_s']:g} s" if row["every_s"] else "when asked"),
        ("asked", lambda row: stamp(row["ran_at_ns"]) if row["ran_at_ns"] else "never"),
        ("events", lambda row: str(row["total"])),
    ]  # fmt: skip
    print_table("Saved hunts", found, columns, empty="no hunt is saved")


@hunts.command()
@click.argument("name")
@click.argument("query")
@click.option("--about", default="", help="The hypothesis, in words.")
@click.option("--technique", "techniques", multiple=True, help="ATT&CK technique it is about; repeatable.")
@click.option("--every", "every_s", default=0.0, type=click.FloatRange(min=0), help="Run it every so many seconds.")
@client_options
@json_option
def save(
    client: NodeClient, name: str, query: str, about: str, techniques: tuple[str, ...], every_s: float, as_json: bool
) -> None:
    """Save QUERY as the hunt NAME, replacing any hunt of that name."""
    wanted = {"name": name, "query": query, "about": about, "techniques": techniques, "every_s": every_s}
    made = client.post_json("/v1/hunts/saved", wanted)
    print_json(made) if as_json else click.echo(printable(f"saved: {made['id']}"))


@hunts.command()
@click.argument("name")
@client_options
@json_option
def run(client: NodeClient, name: str, as_json: bool) -> None:
    """Run the saved hunt NAME now."""
    found = client.post(f"/v1/hunts/saved/{name}/run")
    print_json(found) if as_json else show(found)


@hunts.command()
@click.argument("name")
@client_options
@json_option
def remove(client: NodeClient, name: str, as_json: bool) -> None:
    """Delete the saved hunt NAME."""
    client.delete(f"/v1/hunts/saved/{name}")
    print_json({"removed": name}) if as_json else click.echo(printable(f"removed: {name}"))


@hunts.command()
@click.argument("finding")
@click.option("--back", default=30.0, show_default=True, type=_days, help="Days before the finding to search.")
@click.option("--on", "on_days", default=1.0, show_default=True, type=_days, help="Days after the finding to search.")
@click.option("--hops", default=1, show_default=True, type=click.IntRange(1, 3), help="How many hops to follow.")
@client_options
@json_option
def expand(client: NodeClient, finding: str, back: float, on_days: float, hops: int, as_json: bool) -> None:
    """Follow FINDING through the archive: what it names, and its processes, logons and connections.

    What is found belongs to the finding's case and ties it to others; `phalanx incidents` shows it.
    """
    wanted = {"finding": finding, "back_s": back * _DAY_S, "on_s": on_days * _DAY_S, "hops": hops}
    _shown(client.post_json("/v1/hunts/expand", wanted), as_json=as_json)


@hunts.command()
@click.option("--technique", "techniques", multiple=True, help="ATT&CK technique whose rules to run; repeatable.")
@click.option(
    "--rule",
    "rules",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A Sigma rule; repeatable.",
)
@click.option("--indicators", is_flag=True, help="All current indicators.")
@click.option("--finding", default="", help="Use this finding's techniques; results belong to its case.")
@click.option("--back", default=30.0, show_default=True, type=_days, help="Days to look back.")
@client_options
@json_option
def retro(
    client: NodeClient, techniques: tuple[str, ...], rules: tuple[Path, ...], indicators: bool, finding: str,
    back: float, as_json: bool,
) -> None:  # fmt: skip
    """Check stored events for what was not known when they came: rules of techniques, new rules, indicators.

    At most 100 rules of techniques are run: those of the exact technique first, and the most severe.
    """
    wanted = {
        "techniques": techniques, "rules": [read_text_file(rule) for rule in rules],
        "indicators": indicators, "finding": finding, "back_s": back * _DAY_S,
    }  # fmt: skip
    _shown(client.post_json("/v1/hunts/retro", wanted), as_json=as_json)


@hunts.command()
@click.argument("hunt", default="")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Maximum number of hunts.")
@client_options
@json_option
def done(client: NodeClient, hunt: str, limit: int, as_json: bool) -> None:
    """Completed hunts, by hunters and by people, newest first; or everything HUNT found."""
    if hunt:
        _shown(client.get(f"/v1/hunts/{hunt}"), as_json=as_json)
        return
    found = client.get("/v1/hunts", limit=limit)["items"]
    if as_json:
        print_json({"hunts": found})
        return
    columns: list[Column] = [
        ("hunt", lambda row: row["id"]), ("when", lambda row: stamp(row["at_ns"])), ("by", lambda row: row["by"]),
        ("kind", lambda row: row["skill"]), ("finding", lambda row: row["finding"] or "–"),
        ("found", lambda row: str(len(row["hits"]))), ("of events", lambda row: str(row["events"] + row["archived"])),
    ]  # fmt: skip
    print_table("Hunts", found, columns, empty="no hunt was done")


def _shown(hunt: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(hunt)
        return
    rules = f", asked {counted(len(hunt['queries']), 'rule')}" if hunt["queries"] else ""
    click.echo(f"hunt {hunt['id']} of {counted(hunt['events'] + hunt['archived'], 'event')}{rules}")
    for link in hunt["links"]:
        if hunt["skill"] == "expand":
            rest = "" if link["followed"] else ", too common to follow"
            click.echo(printable(f"  {link['name']}: {counted(link['events'], 'event')}{rest}"))
    columns: list[Column] = [
        ("time", lambda row: stamp(row["time_ns"])), ("event", lambda row: row["event"]),
        ("because of", lambda row: printable(row["why"])),
        ("names", lambda row: printable(", ".join(f"{one['type']}:{one['value']}" for one in row["names"][:4]))),
    ]  # fmt: skip
    print_table(f"{counted(len(hunt['hits']), 'event')} found", hunt["hits"], columns, empty="nothing is found")
    if hunt["entities"]:
        named = ", ".join(f"{one['type']}:{one['value']}" for one in hunt["entities"])
        click.echo(printable(f"they name besides: {named}"))
    if not hunt["complete"]:
        click.echo(
            "not everything was looked at: time was up (look back less far), or files of the archive cannot be read"
        )
