"""`phalanx intel suppress`, `phalanx intel judge`: what people say about findings."""

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.core import counted


@click.group(cls=Group, short_help="Findings that are not to be raised, with reasons.")
def suppress() -> None:
    """Findings that are not to be raised, with reasons; what they swallow is counted."""


@suppress.command(name="list")
@client_options
@json_option
def list_suppressions(client: NodeClient, as_json: bool) -> None:
    """What is suppressed, why, at whose request, and how many findings that was."""
    found = client.get("/v1/suppressions")["items"]
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("id", lambda row: row["id"]), ("rule", lambda row: row["rule"] or "any"),
        ("host", lambda row: row["host"] or "any"), ("entity", lambda row: row["entity"] or "any"),
        ("until", lambda row: time_of("until_ns")(row) if row["until_ns"] else "for good"),
        ("swallowed", lambda row: f"{row['findings']} ({counted(row['hits'], 'hit')})"), ("by", lambda row: row["by"]),
        ("reason", lambda row: row["reason"]),
    ]  # fmt: skip
    print_table("Suppressions", found, columns, empty="nothing is suppressed")


@suppress.command()
@click.option("--rule", default="", help="Findings of this rule.")
@click.option("--host", default="", help="Findings on this host.")
@click.option("--entity", default="", help="Findings that name this: a user, an address, a program.")
@click.option("--for-hours", default=0.0, type=click.FloatRange(min=0), help="For how long; 0: until it is ended.")
@click.option("--reason", required=True, help="The reason; it is recorded.")
@client_options
@json_option
def add(
    client: NodeClient, rule: str, host: str, entity: str, for_hours: float, reason: str, as_json: bool
) -> None:  # fmt: skip
    """Stop raising findings of a rule, on a host, or that name something."""
    wanted = {"rule": rule, "host": host, "entity": entity, "reason": reason, "for_s": for_hours * 3_600}
    made = client.post_json("/v1/suppressions", wanted)
    print_json(made) if as_json else click.echo(printable(f"suppressed: {made['id']}"))


@suppress.command()
@click.argument("suppression")
@client_options
def end(client: NodeClient, suppression: str) -> None:
    """Raise such findings again."""
    ended = client.post(f"/v1/suppressions/{suppression}/end")
    click.echo(printable(f"ended; it swallowed {counted(ended['findings'], 'finding')}"))


@click.command(short_help="Say whether a finding was right.")
@click.argument("finding")
@click.argument("verdict", type=click.Choice(["true", "false", "duplicate"]))
@click.option("--reason", default="", help="The reason.")
@client_options
def judge(client: NodeClient, finding: str, verdict: str, reason: str) -> None:
    """Say that FINDING is true, false or a duplicate. A later verdict replaces it."""
    made = client.post_json(f"/v1/findings/{finding}/opinions", {"verdict": verdict, "reason": reason})
    title = client.get(f"/v1/findings/{finding}")["title"]
    click.echo(printable(f"{title}: {made['verdict']}"))
