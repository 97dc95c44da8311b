"""`phalanx agents missions|succession|disown`: what agents were asked to do, and which node takes over for which."""

from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, json_option, print_json, print_table, time_of, time_of_id

_STATUSES = ("pending", "assigned", "done", "failed", "taken-over")


def _text(name: str) -> Any:
    return lambda row: str(row.get(name, "")) or "–"


@click.command("missions")
@click.argument("mission", required=False)
@click.option("--status", type=click.Choice(_STATUSES), help="Only missions with this status.")
@click.option("--taken", is_flag=True, help="Only missions taken over from other nodes.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="How many.")
@client_options
@json_option
def missions(
    mission: str | None, status: str | None, taken: bool, limit: int, client: NodeClient, as_json: bool
) -> None:
    """What agents were asked to do, by the time of what led to it, newest first.

    With MISSION, everything that happened to it: who had it, when, and who took over.
    """
    if mission is not None:
        rows = client.get(f"/v1/agents/missions/{quote(mission, safe='')}/history")["items"]
        if as_json:
            print_json(rows)
            return
        steps: list[Column] = [
            ("when", time_of("at_ns")), ("stage", _text("stage")),
            ("agent", lambda row: row["detail"].get("agent") or "–"), ("what", _text("summary")),
        ]  # fmt: skip
        print_table(f"Mission {mission}", rows, steps, empty="nothing is on record of it")
        return
    found = client.get("/v1/agents/missions", status=status, taken="true" if taken else "", limit=limit)["items"]
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("led to it", time_of_id("id")), ("since", time_of("at_ns")), ("mission", _text("id")),
        ("skill", _text("skill")), ("status", _text("status")), ("agent", _text("agent")),
        ("attempts", _text("attempts")), ("from", _text("origin")), ("to", _text("taken_by")), ("note", _text("note")),
    ]  # fmt: skip
    print_table("Missions", found, columns, empty="nothing has been asked of the agents yet")


@click.command("succession")
@client_options
@json_option
def succession(client: NodeClient, as_json: bool) -> None:
    """Which nodes would continue this node's missions, and whose missions it would continue."""
    view = client.get("/v1/agents/succession")
    if as_json:
        print_json(view)
        return
    click.echo(f"{view['process']} hears {', '.join(view['present']) or 'nobody'}")
    names = sorted({*view["heirs"], *view["owners"], *view["present"]})
    rows = [{"node": name, "ours": view["heirs"].get(name, 0), "theirs": view["owners"].get(name, 0)} for name in names]
    columns: list[Column] = [
        ("node", _text("node")), ("has of ours", _text("ours")), ("we have of its", _text("theirs")),
    ]  # fmt: skip
    print_table("Nodes", rows, columns, empty="no other node was heard yet")
    if view["taken"]:
        click.echo(f"taken over since the start: {len(view['taken'])}; `phalanx agents missions --taken` lists them")


@click.command("disown")
@click.argument("node")
@client_options
@json_option
def disown(node: str, client: NodeClient, as_json: bool) -> None:
    """Continue without NODE, which has copies of missions and will never come back; if it did, it would repeat them."""
    freed = client.post(f"/v1/agents/succession/{quote(node, safe='')}/disown")
    n = freed["missions"]
    going = "1 mission goes" if n == 1 else f"{n} missions go"
    print_json(freed) if as_json else click.echo(f"{going} on without {freed['node']}")
