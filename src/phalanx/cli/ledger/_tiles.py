"""`phalanx ledger tiles`, `reindex` and `anchors`: the ledger for other tools, its indexes, its daily signatures."""

import base64
import contextlib
from pathlib import Path

import click

from phalanx.cli._ask import ask_person
from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, json_option, print_json, print_table
from phalanx.cli._show import limit_option
from phalanx.cli.node._settings import SettingsSource, settings_options


@click.command("tiles")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@settings_options()
@json_option
def tiles(folder: Path, source: SettingsSource, as_json: bool) -> None:
    """Write the ledger of a stopped node into FOLDER as a static tiled log (C2SP tlog-tiles).

    Any web server can publish the folder. Bundles hold the metadata of every tenant's entries and no payloads. Run
    it again to bring the folder up to date: full tiles are written once.
    """
    import asyncio

    written, total = asyncio.run(_write(folder, source))
    if as_json:
        print_json({"folder": str(folder), "files": total, "written": written})
        return
    click.echo(f"{total} files of the log in {folder}, {written} of them written now; begin at {folder}/checkpoint")


async def _write(folder: Path, source: SettingsSource) -> tuple[int, int]:
    from phalanx.core import InvalidInput
    from phalanx.node import read_tiles

    written = total = 0
    async with contextlib.aclosing(read_tiles(source.load().settings, ask=ask_person)) as tiles:
        async for path, content in tiles:
            file = folder / path
            total += 1
            try:
                if path == "checkpoint" or not file.is_file() or file.stat().st_size != len(content):
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(content)
                    written += 1
            except OSError as error:
                raise InvalidInput("FOLDER", f"{file} cannot be written: {error.strerror}") from error
    return written, total


@click.command("reindex")
@settings_options()
@json_option
def reindex(source: SettingsSource, as_json: bool) -> None:
    """Rebuild the indexes of a stopped node's ledger, if they do not follow from the log.

    The log is checked first; if it does not verify itself, nothing is changed. Keep a copy of the files beforehand:
    what was changed in an index may be evidence.
    """
    import asyncio
    from dataclasses import asdict

    from phalanx.node import reindex_ledger

    done = asyncio.run(reindex_ledger(source.load().settings, ask=ask_person))
    if as_json:
        print_json(asdict(done))
        return
    if not done.problem:
        click.echo(f"the indexes of {done.size} entries follow from the log: nothing to do")
        return
    click.secho(done.problem, fg="yellow")
    click.secho(f"the indexes were made anew from {done.size} entries, the log verified", fg="green")


@click.command("anchors")
@client_options
@limit_option
@click.option("--key", "fingerprint", default="", help="Accept only anchors of the key with this fingerprint.")
@json_option
def anchors(client: NodeClient, limit: int, fingerprint: str, as_json: bool) -> None:
    """Fetch the daily anchors and verify them here.

    An anchor is a checkpoint signed with SLH-DSA: it holds as long as SHA-256 does. Compare the key's fingerprint
    with the one recorded in the ledger (action "announce anchor key").
    """
    from phalanx.crypto import VerifyingKey
    from phalanx.ledger import InvalidCheckpoint, verify_anchor

    rows = []
    for found in client.pages("/v1/ledger/anchors", limit=limit):
        key = VerifyingKey.from_bytes(base64.b64decode(found["public_key"]))
        if fingerprint and key.fingerprint != fingerprint:
            raise InvalidCheckpoint(f"the anchor of {found['day']} is by the key {key.fingerprint}")
        anchor = verify_anchor(found["note"], key)
        rows.append(
            {"day": anchor.day, "size": anchor.size, "root": anchor.root, "algorithm": key.algorithm}
            | {"key": key.fingerprint, "note": anchor.note}
        )
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("day", lambda row: row["day"]),
        ("entries", lambda row: str(row["size"])),
        ("root", lambda row: row["root"][:16]),
        ("signed with", lambda row: row["algorithm"]),
        ("key", lambda row: row["key"][:16]),
    ]
    print_table("Anchors, verified", rows, columns, empty="not anchored yet; a node does it once a day")
