"""`phalanx messages`: what agents say to each other, and what did not arrive."""

from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.core import how_long

_DEAD = "/v1/messages/dead-letters"
_limit = click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many.")


@click.group(cls=Group, short_help="What agents say to each other: routes, streams, dead letters.")
def messages() -> None:
    """What agents say to each other: routes, streams, dead letters."""


@messages.command()
@client_options
@json_option
def routes(client: NodeClient, as_json: bool) -> None:
    """How each kind of envelope is routed, and how many there were since the node started."""
    found = client.get("/v1/messages")
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("kind", lambda row: row["kind"]),
        ("goes to", lambda row: row["recipients"]),
        ("paths", lambda row: str(row["paths"])),
        ("priority", lambda row: str(row["priority"])),
        ("returns when", lambda row: row["guarantee"]),
        ("marking", lambda row: row["marking"]),
        ("credit", lambda row: f"{row['credit']}" + ("" if row["yields"] else ", never gives way")),
        ("sent", lambda row: str(row["sent"])),
        ("taken", lambda row: str(row["taken"])),
    ]
    print_table("Routes", found["routes"], columns, empty="no kinds")
    click.echo(
        f"{found['members']} agents here, {found['members_elsewhere']} elsewhere; {found['pending']} envelopes without "
        f"an end, {found['waiting_bytes']} bytes waiting"
    )


@messages.command()
@client_options
@json_option
def streams(client: NodeClient, as_json: bool) -> None:
    """What is in transit to other processes, how often it had to be resent, and when each was last heard."""
    found = client.get("/v1/messages")["streams"]
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("process", lambda row: row["process"]),
        ("agents", lambda row: str(row["members"])),
        ("on the way", lambda row: str(row["on_the_way"])),
        ("waiting", lambda row: str(row["waiting"])),
        ("retries", lambda row: str(row["retries"])),
        ("duplicates", lambda row: str(row["duplicates"])),
        ("round trip", lambda row: f"{row['round_trip_ms']:.3g} ms" if row["round_trip_ms"] else "–"),
        ("last heard", lambda row: f"{how_long(row['silent_s'])} ago" if row["silent_s"] >= 0 else "never"),
    ]
    print_table("Streams", found, columns, empty="this node is alone: there are no other processes")


@messages.command()
@_limit
@client_options
@json_option
def members(limit: int, client: NodeClient, as_json: bool) -> None:
    """Agents that can be written to, here and in other processes."""
    rows = list(client.pages("/v1/messages/members", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("address", lambda row: row["address"]),
        ("tags", lambda row: ", ".join(row["tags"]) or "–"),
        ("clearance", lambda row: row["clearance"]),
        ("waiting", lambda row: str(row["waiting"]) if row["waiting"] >= 0 else "–"),
    ]
    print_table("Members", rows, columns, empty="nobody is on the bus")


@messages.command()
@click.argument("text")
@click.option(
    "--within", "within_s", default=5.0, show_default=True, type=click.FloatRange(0.1, 60), help="Seconds to wait."
)
@client_options
@json_option
def broadcast(text: str, within_s: float, client: NodeClient, as_json: bool) -> None:
    """Alert every agent with TEXT, over every path, and report who received it.

    It is recorded in the ledger. After the wait, outstanding deliveries continue.
    """
    if not text.strip():
        raise click.BadParameter("there is nothing to say", param_hint="TEXT")
    report = client.post_json("/v1/messages/broadcast", {"text": text, "within_s": within_s})
    if as_json:
        print_json(report)
        return
    if report["open_count"]:
        click.echo(f"taken by {report['taken']}")
        click.echo(f"{report['open_count']} open after {within_s:g} s, on the way yet: {', '.join(report['open'])}")
    else:
        click.echo(f"taken by {report['taken']} after {report['took_ms']:.1f} ms")
    for one in report["refused"]:
        click.echo(f"{one['recipient']}: {one['outcome']}")


@messages.command("dead-letters")
@_limit
@client_options
@json_option
def dead_letters(limit: int, client: NodeClient, as_json: bool) -> None:
    """Envelopes that a recipient did not get, oldest first."""
    rows = list(client.pages(_DEAD, limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("id", lambda row: row["id"]),
        ("when", time_of("at_ns")),
        ("kind", lambda row: row["kind"]),
        ("from", lambda row: row["sender"]),
        ("to", lambda row: row["recipient"]),
        ("why", lambda row: row["outcome"]),
        ("marking", lambda row: row["marking"]),
        ("bytes", lambda row: str(row["body_bytes"])),
    ]
    print_table("Dead letters", rows, columns, empty="everything that was to be acknowledged was")


@messages.command()
@click.argument("letter")
@client_options
@json_option
def replay(letter: str, client: NodeClient, as_json: bool) -> None:
    """Send the dead letter LETTER again; it is deleted once it has been accepted."""
    done = client.post(f"{_DEAD}/{quote(letter, safe='')}/replay")
    print_json(done) if as_json else click.echo(f"taken by {done['taken']}")


@messages.command()
@click.argument("letter")
@client_options
@json_option
def discard(letter: str, client: NodeClient, as_json: bool) -> None:
    """Delete the dead letter LETTER."""
    done = client.post(f"{_DEAD}/{quote(letter, safe='')}/discard")
    print_json(done) if as_json else click.echo("forgotten")
