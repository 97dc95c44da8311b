"""`phalanx intel thresholds`, `phalanx intel feedback`: thresholds that adapt, and what people said about findings."""

import shlex
from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of


@click.group(cls=Group, short_help="Thresholds that follow what is usual: list, history, pin.")
def thresholds() -> None:
    """Thresholds that follow what is usual, between a floor and a ceiling. Every move is in the ledger."""


@thresholds.command(name="list")
@client_options
@json_option
def list_thresholds(client: NodeClient, as_json: bool) -> None:
    """The current value of each threshold, and who or what set it."""
    found = client.get("/v1/thresholds")["items"]
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("threshold", lambda row: row["id"]), ("detector", lambda row: row["detector"]),
        ("stands at", lambda row: f"{row['value']:.2f}"), ("by", lambda row: row["set_by"]),
        ("floor", lambda row: f"{row['floor']:.2f}"), ("ceiling", lambda row: f"{row['ceiling']:.2f}"),
        ("raised", lambda row: f"{row['raised']:.2f}"), ("moves", lambda row: str(row["moves"])),
        ("since", time_of("at_ns")),
    ]  # fmt: skip
    print_table("Thresholds", found, columns, empty="no detector has seen anything yet")


@thresholds.command()
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many moves.")
@client_options
@json_option
def history(limit: int, client: NodeClient, as_json: bool) -> None:
    """How thresholds moved, newest first."""
    found = list(client.pages("/v1/thresholds/history", limit=limit))
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("time", time_of("at_ns")), ("threshold", lambda row: row["threshold"]),
        ("from", lambda row: f"{row['steps'][0]['before']:.2f}"),
        ("to", lambda row: f"{row['steps'][-1]['after']:.2f}"),
        ("by", lambda row: row["steps"][-1]["set_by"]), ("usual", lambda row: f"{row['steps'][-1]['usual']:.2f}"),
        ("of scores", lambda row: str(row["steps"][-1]["scores"])),
        ("in the ledger", lambda row: "yes" if row["recorded"] else "soon"),
    ]  # fmt: skip
    print_table("Moves", found, columns, empty="no threshold has moved yet")


@thresholds.command()
@click.argument("threshold")
@click.argument("value", type=float)
@click.option("--reason", required=True, help="The reason; it goes into the ledger.")
@client_options
@json_option
def pin(threshold: str, value: float, reason: str, client: NodeClient, as_json: bool) -> None:
    """Pin THRESHOLD at VALUE, between its floor and its ceiling."""
    _pin(client, threshold, {"value": value, "reason": reason}, as_json=as_json)


@thresholds.command()
@click.argument("threshold")
@click.option("--reason", required=True, help="The reason; it goes into the ledger.")
@client_options
@json_option
def unpin(threshold: str, reason: str, client: NodeClient, as_json: bool) -> None:
    """Let THRESHOLD follow what is usual again."""
    _pin(client, threshold, {"reason": reason}, as_json=as_json)


def _pin(client: NodeClient, threshold: str, wanted: dict[str, Any], *, as_json: bool) -> None:
    made = client.post_json(f"/v1/thresholds/{threshold}/pin", wanted)
    if as_json:
        print_json(made)
        return
    told = "follows again" if made["value"] is None else f"is held at {made['value']:.2f}"
    click.echo(printable(f"{made['id']} {told}, from the next events on"))


@click.command()
@client_options
@json_option
def feedback(client: NodeClient, as_json: bool) -> None:
    """What people said about findings, by rule: how many were wrong, and what follows.

    Judge findings with `phalanx intel judge`. Where more than half of a rule's findings are conclusively wrong, its
    threshold rises in steps. A suppression is only advised: making one is up to you.
    """
    found = client.get("/v1/feedback")["items"]
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("what", lambda row: row["title"]), ("rule", lambda row: row["rule"]), ("right", lambda row: str(row["right"])),
        ("wrong", lambda row: str(row["wrong"])), ("duplicate", lambda row: str(row["duplicate"])),
        ("false", lambda row: f"{row['false_share']:.0%} ({row['false_share_low']:.0%}-{row['false_share_high']:.0%})"),
        ("raises its threshold by", lambda row: f"{row['raised']:.2f}"),
    ]  # fmt: skip
    print_table("Opinions", found, columns, empty="nobody said anything yet")
    for row in found:
        for one in row["advice"]:
            told = f"all {one['wrong']} findings of {row['title']} on {one['host']} were wrong"
            named = f"--rule {shlex.quote(row['rule'])} --host {shlex.quote(one['host'])}"
            command = f"phalanx intel suppress add {named} --reason {shlex.quote(told)}"
            click.echo(printable(f"{told}: {command}"))
