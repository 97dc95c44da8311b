"""`phalanx intel quarantine`: lines that could not be read, and reading them again."""

from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.cli._show import limit_option

_COUNTS = ("replayed", "still_bad", "before", "gone")


@click.group(cls=Group, short_help="Lines that could not be read.")
def quarantine() -> None:
    """Lines that could not be read, each with its reason; they can be read again once a reader supports them."""


@quarantine.command(name="list")
@client_options
@limit_option
@json_option
def list_lines(client: NodeClient, limit: int, as_json: bool) -> None:
    """The newest lines, each with the reason, and what became of it."""
    rows = list(client.pages("/v1/events/quarantine", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("accepted", time_of("at_ns")),
        ("id", lambda row: row["id"]),
        ("reason", lambda row: row["reason"]),
        ("line", lambda row: str(row["raw"])[:100]),
        ("replayed as", lambda row: row["replayed_as"] or "–"),
    ]
    print_table("Quarantine", rows, columns, empty="nothing in quarantine")


@quarantine.command()
@click.argument("line")
@client_options
@json_option
def show(line: str, client: NodeClient, as_json: bool) -> None:
    """LINE as received, and why it could not be read."""
    found = client.get(f"/v1/events/quarantine/{quote(line, safe='')}")
    if as_json:
        print_json(found)
        return
    click.echo(f"reason: {printable(found['line']['reason'])}")
    if found["line"]["replayed_as"]:
        click.echo(f"replayed as {found['line']['replayed_as']}")
    click.echo(printable(found["whole"]) if found["kept"] else "the line is no longer kept")


@quarantine.command()
@click.argument("lines", nargs=-1, metavar="[LINE]...")
@click.option("--all", "every", is_flag=True, help="All lines in quarantine.")
@click.option("--format", "reader", default="", help="Read them in this format instead of the one they were sent as.")
@client_options
@json_option
def replay(lines: tuple[str, ...], every: bool, reader: str, client: NodeClient, as_json: bool) -> None:
    """Read LINEs again, or --all, and accept those that can now be read, each once.

    A resulting event is accepted now, under its own id. Running the command twice accepts nothing twice.
    """
    if every == bool(lines):
        raise click.UsageError("name lines, or say --all")
    total = dict.fromkeys(_COUNTS, 0)
    after = ""
    while True:
        out = client.post_json("/v1/events/quarantine/replay", {"lines": lines, "reader": reader, "after": after})
        total = {name: total[name] + out[name] for name in _COUNTS}
        after = out["next"]
        if not after:
            break
    if as_json:
        print_json(total)
    else:
        click.echo(
            f"{total['replayed']} taken in, {total['still_bad']} still cannot be read, "
            f"{total['before']} taken in before, {total['gone']} no longer kept"
        )
