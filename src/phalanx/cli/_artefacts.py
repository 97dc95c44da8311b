"""`phalanx artefacts`: files that a running node keeps, sealed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import open_file, require_new, write_streamed
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.cli._show import limit_option
from phalanx.core import KIB, MIB

ARTEFACTS = "/v1/artefacts"
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group, short_help="Files that the node stores, sealed: evidence, uploads.")
def artefacts() -> None:
    """Files that the node stores, sealed: evidence, uploads.

    Each belongs to one tenant, is sealed under that tenant's keys, and becomes unreadable when the tenant is shredded.
    """


@artefacts.command("list")
@click.option("--case", default="", help="Only files of this case.")
@click.option("--use", default="", help="Only files of this use: evidence, or upload.")
@client_options
@limit_option
@json_option
def list_artefacts(case: str, use: str, client: NodeClient, limit: int, as_json: bool) -> None:
    """Artefacts of the token's tenant."""
    rows = list(client.pages(ARTEFACTS, limit=limit, case=case, use=use))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("name", lambda row: row["name"]),
        ("use", lambda row: row["use"]),
        ("case", lambda row: row["case"] or "–"),
        ("size", lambda row: _size(row["size"])),
        ("kept", time_of("kept_at_ns")),
        ("by", lambda row: row["kept_by"]),
        ("id", lambda row: row["id"]),
    ]
    print_table("Artefacts", rows, columns, empty="there is none")


@artefacts.command("put")
@click.argument("file", type=_FILE)
@click.option("--name", default="", help="A name for people to read; by default the file's own name.")
@click.option("--case", default="", help="The case it belongs to.")
@click.option("--media-type", default="application/octet-stream", show_default=True, help="Media type of the content.")
@client_options
@json_option
def put(file: Path, name: str, case: str, media_type: str, client: NodeClient, as_json: bool) -> None:
    """Store the content of FILE on the node. The same content is stored once."""
    with open_file(file) as content:
        made = client.upload(ARTEFACTS, content, name=name or file.name, case=case, media_type=media_type)
    if as_json:
        print_json(made)
    else:
        click.echo(f"kept {printable(made['name'])}, {_size(made['size'])}, id {made['id']}")


@artefacts.command("get")
@click.argument("artefact_id")
@click.option("--out", type=_FILE, required=True, help="New file for the content (mode 0600).")
@client_options
@json_option
def get(artefact_id: str, out: Path, client: NodeClient, as_json: bool) -> None:
    """Write an artefact's content to a file, once its hash matches the recorded one."""
    known = client.get(f"{ARTEFACTS}/{quote(artefact_id, safe='')}")
    fetch(client, known["id"], known["sha256"], out)
    if as_json:
        print_json(known | {"file": str(out)})
    else:
        click.echo(f"{out}: {printable(known['name'])}, {_size(known['size'])}, sha256 {known['sha256']}")


@artefacts.command("remove")
@click.argument("artefact_id")
@client_options
@json_option
def remove(artefact_id: str, client: NodeClient, as_json: bool) -> None:
    """Remove an artefact for good. The ledger still records that it existed."""
    gone = client.post(f"{ARTEFACTS}/{quote(artefact_id, safe='')}/remove")
    print_json(gone) if as_json else click.echo(f"removed {printable(gone['name'])}")


def fetch(client: NodeClient, artefact_id: str, sha256: str, out: Path) -> None:
    """Fetch the content into a new file, which appears only once it is complete."""
    require_new(out)
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for piece in client.download(f"{ARTEFACTS}/{quote(artefact_id, safe='')}/content"):
            digest.update(piece)
            yield piece

    write_streamed(out, pieces(), lambda: digest.hexdigest() == sha256)


def _size(n_bytes: int) -> str:
    if n_bytes >= MIB:
        return f"{n_bytes / MIB:.1f} MiB"
    return f"{n_bytes / KIB:.1f} KiB" if n_bytes >= KIB else f"{n_bytes} B"
