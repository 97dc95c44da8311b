"""`phalanx intel places`: where networks are. `check` needs no node."""

import hashlib
from pathlib import Path
from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import read_file
from phalanx.cli._output import Group, json_option, print_json, printable

_FILE = click.Path(path_type=Path, dir_okay=False)
_CSV = {"Content-Type": "text/csv"}
_PATH = "/v1/places"
_SHOWN = 10


@click.group(cls=Group, short_help="Where networks are, for impossible travel: check, load, show.")
def places() -> None:
    """Where networks are, for the detector of impossible travel.

    The table is yours: CSV with the columns network, latitude, longitude, and optionally radius_km (or
    accuracy_radius) and name. A row without coordinates says that the network's location is unknown, such as a VPN.
    """


@places.command()
@click.argument("file", type=_FILE)
@json_option
def check(file: Path, as_json: bool) -> None:
    """Say what a node would make of FILE. Exits with 1 if a row is unusable."""
    from phalanx.intel.places import read_places

    read = read_places(read_file(file))
    told = [{"line": one.line, "reason": one.reason} for one in read.told]
    found = {
        "networks": read.table.networks, "located": read.located, "refused": read.refused, "digest": read.digest,
        "told": told,
    }  # fmt: skip
    print_json(found) if as_json else _show(found)
    if read.refused:
        raise SystemExit(1)


@places.command()
@click.argument("file", type=_FILE)
@client_options
@json_option
def load(file: Path, client: NodeClient, as_json: bool) -> None:
    """Have the node use FILE from now on, instead of the previous table."""
    from phalanx.intel.places import MAX_PART_BYTES

    data = read_file(file)
    digest = hashlib.sha256(data).hexdigest()
    pieces = [data[at : at + MAX_PART_BYTES] for at in range(0, len(data), MAX_PART_BYTES)] or [b""]
    found: dict[str, Any] = {}
    for part, piece in enumerate(pieces):
        found = client.post(_PATH, content=piece, headers=_CSV, digest=digest, part=part, parts=len(pieces))
    if as_json:
        print_json(found)
        return
    _show(found)
    click.echo("in use")


@places.command()
@click.argument("address", default="")
@client_options
@json_option
def show(address: str, client: NodeClient, as_json: bool) -> None:
    """The table in use, or where ADDRESS is."""
    found = client.get(f"{_PATH}/at", address=address) if address else client.get(_PATH)
    if as_json:
        print_json(found)
    elif not address:
        _show(found)
        click.echo(printable(f"loaded by {found['by']}, digest {found['digest'][:16]}"))
    elif found["known"]:
        where = f"{found['latitude']:.2f}, {found['longitude']:.2f} within {found['radius_km']:.0f} km"
        click.echo(printable(f"{found['address']}: {where} {found['name']}".rstrip()))
    else:
        kind = "public" if found["public"] else "not public"
        click.echo(f"{found['address']}: nobody said where it is ({kind}); one place with {found['network']}")


def _show(found: dict[str, Any]) -> None:
    click.echo(
        f"{found['networks']} networks, {found['located']} of them with a place; {found['refused']} rows of no use"
    )
    told = found.get("told", [])
    for one in told[:_SHOWN]:
        click.echo(printable(f"line {one['line']}: {one['reason']}"))
    if len(told) > _SHOWN:
        click.echo("and more (--json)")
