"""`phalanx intel taxii`: collections here and elsewhere. `discover` needs no node."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, ca_option, client_options
from phalanx.cli._files import read_secret
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.cli.intel._sharing import AUDIENCES, show_imported

_COLLECTIONS = "/v1/sharing/collections"


@click.group(cls=Group, short_help="TAXII 2.1: collections here and elsewhere, pulled and pushed.")
def taxii() -> None:
    """TAXII 2.1: collections here and elsewhere, pulled and pushed.

    The node's own server is below /taxii2/; partners use it with tokens of the role `partner`.
    """


@taxii.command()
@click.argument("address", metavar="URL")
@click.option("--user", default="", help="User name for HTTP Basic; without it the secret is a bearer token.")
@click.option("--secret", type=click.Path(path_type=Path), help="File with the password or token, mode 0600.")
@ca_option
@json_option
def discover(address: str, user: str, secret: Path | None, ca: Path | None, as_json: bool) -> None:
    """What the server at URL offers: its API roots and their collections."""
    import asyncio

    found = asyncio.run(_discovered(address, user, read_secret(secret).decode().strip() if secret else "", ca))
    if as_json:
        print_json(found)
        return
    click.echo(printable(str(found.get("title", ""))))
    for root in found["roots"]:
        click.echo(printable(root["url"]))
        columns: list[Column] = [
            ("collection", lambda row: str(row.get("id", ""))), ("title", lambda row: str(row.get("title", ""))),
            ("read", lambda row: "yes" if row.get("can_read") else "–"),
            ("write", lambda row: "yes" if row.get("can_write") else "–"),
        ]  # fmt: skip
        print_table("Collections", root["collections"], columns, empty="no collection for this secret")


async def _discovered(address: str, user: str, secret: str, ca: Path | None) -> dict[str, Any]:
    import contextlib

    from phalanx.adapters import HttpAsker, SystemClock
    from phalanx.intel.sharing import Credentials, TaxiiClient

    with contextlib.closing(HttpAsker(ca)) as asks:
        client = TaxiiClient(asks, SystemClock(), address, Credentials(user, secret))
        found = await client.discover()
        roots = [{"url": root, "collections": await client.collections(root)} for root in found["api_roots"]]
    return found | {"roots": roots}


@taxii.command("collections")
@client_options
@json_option
def list_collections(client: NodeClient, as_json: bool) -> None:
    """Collections of the node: their audience, who reads and writes them, and what they contain."""
    rows = client.get(_COLLECTIONS)["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("alias", lambda row: row["alias"]),
        ("title", lambda row: row["title"]),
        ("for", lambda row: row["audience"]),
        ("readers", lambda row: ", ".join(row["readers"]) or "–"),
        ("writers", lambda row: ", ".join(row["writers"]) or "–"),
        ("objects", lambda row: str(row["objects"])),
        ("id", lambda row: row["id"]),
    ]
    print_table("Collections", rows, columns, empty="there is none: phalanx intel taxii make --help")


@taxii.command()
@click.argument("alias")
@click.option("--title", default="", help="A name for people to read.")
@click.option("--description", default="", help="What is in it.")
@click.option("--for", "audience", type=AUDIENCES, default="own", show_default=True, help="Audience.")
@click.option("--reader", "readers", multiple=True, help="Name of a partner's token that may read; repeatable.")
@click.option("--writer", "writers", multiple=True, help="Name of a partner's token that may add; repeatable.")
@client_options
@json_option
def make(
    alias: str, title: str, description: str, audience: str, readers: tuple[str, ...], writers: tuple[str, ...],
    client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Create a collection, or give the one of that alias another audience and other readers."""
    wanted = {"alias": alias, "title": title, "description": description, "audience": audience,
              "readers": readers, "writers": writers}  # fmt: skip
    made = client.post_json(_COLLECTIONS, wanted)
    print_json(made) if as_json else click.echo(f"{made['alias']} is for {made['audience']}, id {made['id']}")


@taxii.command()
@click.argument("alias")
@client_options
@json_option
def remove(alias: str, client: NodeClient, as_json: bool) -> None:
    """Remove a collection and everything in it."""
    gone = client.post(f"{_COLLECTIONS}/{quote(alias, safe='')}/remove")
    print_json(gone) if as_json else click.echo(f"removed {gone['alias']} with {gone['objects']} objects")


@taxii.command()
@click.argument("alias")
@click.option("--case", default="", help="All findings of this case.")
@click.option("--finding", default="", help="This finding.")
@click.option("--marking", default="", help="TLP: clear, green, amber, amber+strict; by default the settings'.")
@client_options
@json_option
def tell(alias: str, case: str, finding: str, marking: str, client: NodeClient, as_json: bool) -> None:
    """Put own findings into a collection, as far as its audience may receive them."""
    path = f"{_COLLECTIONS}/{quote(alias, safe='')}/tell"
    found = client.post(path, case=case, finding=finding, marking=marking)
    show_imported(found, as_json=as_json)


@taxii.command()
@client_options
@json_option
def sources(client: NodeClient, as_json: bool) -> None:
    """Collections elsewhere that the node pulls, how far, and what went wrong."""
    rows = client.get("/v1/sharing/sources")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("source", lambda row: row["id"]),
        ("tried", time_of("at_ns")),
        ("whole", time_of("done_ns")),
        ("objects", lambda row: str(row["objects"])),
        ("refused", lambda row: str(row["refused"])),
        ("values", lambda row: str(row["indicators"])),
        ("problem", lambda row: row["problem"] or "–"),
    ]
    print_table("Sources", rows, columns, empty="none is set: taxii.sources in the settings")


@taxii.command()
@click.argument("source")
@client_options
@json_option
def pull(source: str, client: NodeClient, as_json: bool) -> None:
    """Fetch now what is new at SOURCE, a name from the settings."""
    found = client.post(f"/v1/sharing/sources/{quote(source, safe='')}/pull")
    print_json(found) if as_json else click.echo(f"{found['objects']} objects so far, {found['refused']} refused")


@taxii.command()
@click.argument("source")
@click.option("--collection", required=True, help="The local collection whose objects are sent.")
@client_options
@json_option
def push(source: str, collection: str, client: NodeClient, as_json: bool) -> None:
    """Add the contents of a local collection to that of SOURCE, as far as its audience may receive them."""
    path = f"/v1/sharing/sources/{quote(source, safe='')}/push"
    found = client.post(path, collection=collection)
    print_json(found) if as_json else click.echo(f"{found['sent']} sent, {found['failed']} of them refused there")


@taxii.command()
@client_options
@json_option
def exports(client: NodeClient, as_json: bool) -> None:
    """What was handed over, to whom, newest first."""
    rows = client.get("/v1/sharing/exports")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("to", lambda row: row["to"]),
        ("through", lambda row: row["through"]),
        ("way", lambda row: row["way"]),
        ("objects", lambda row: str(row["objects"])),
        ("digest", lambda row: row["digest"][:16]),
    ]
    print_table("Exports", rows, columns, empty="nothing was handed over yet")
