"""`phalanx posture`: which cryptography there is, and what a quantum computer does to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._exits import Exit
from phalanx.cli._files import write_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.posture import Asset, Stock


@click.group(cls=Group, short_help="Which cryptography there is, and what a quantum computer does to it.")
def posture() -> None:
    """Which cryptography there is, and what a quantum computer does to it."""


@posture.command("inventory")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option("--endpoint", "endpoints", multiple=True, metavar="HOST:PORT", help="Also this TLS listener.")
@click.option("--ca", type=click.Path(path_type=Path), help="Certificates (PEM) to trust at endpoints.")
@click.option("--cbom", "to", type=click.Path(path_type=Path), help="Write a CycloneDX 1.6 CBOM to this file.")
@click.option("--gate", type=int, metavar="YEAR", help="Fail when something must not be used after YEAR or before.")
@json_option
def inventory(
    paths: tuple[str, ...], endpoints: tuple[str, ...], ca: Path | None, to: Path | None, gate: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List certificates and keys in files and folders, the most urgent first.

    Looks into files that hold PEM, DER or OpenSSH keys; `--json` prints the CBOM. Needs no node.
    """
    if not paths and not endpoints:
        raise InvalidInput("PATH", "name a file, a folder or an --endpoint")
    from phalanx import __version__
    from phalanx.adapters import SystemClock
    from phalanx.posture import cbom

    stock = _stock(paths, [_probed(one, ca) for one in endpoints])
    document = cbom(stock.assets, at_ns=SystemClock().wall_ns(), version=__version__)
    if to is not None:
        import json

        write_file(to, json.dumps(document, indent=2).encode() + b"\n")
    if as_json:
        print_json(document)
    else:
        _show(stock)
    _check(stock, gate)


def _stock(paths: tuple[str, ...], besides: "list[Asset]") -> "Stock":
    import asyncio
    import contextlib

    from phalanx.adapters import OsFileWatch, ThreadOffload
    from phalanx.posture import take_stock

    async def taken() -> "Stock":
        with contextlib.closing(ThreadOffload(2)) as offload:
            return await take_stock(paths, OsFileWatch(offload), offload, besides=besides)

    return asyncio.run(taken())


def _probed(endpoint: str, ca: Path | None) -> "Asset":
    from phalanx.adapters import probe_tls
    from phalanx.posture import Asset, Use

    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isdigit() or not host:
        raise InvalidInput("--endpoint", f"{endpoint!r} is not HOST:PORT")
    session = probe_tls(host.strip("[]"), int(port), ca)
    return Asset(
        form="protocol", name=f"TLS at {endpoint}", where=endpoint, algorithm=session.group or "unknown",
        size=session.cipher, use=Use.KEY_ESTABLISHMENT,
    )  # fmt: skip


def _show(stock: "Stock") -> None:
    from phalanx.posture import judge

    rows = [{"asset": asset, "judgement": judge(asset)} for asset in stock.assets]
    columns: list[Column] = [
        ("what", lambda row: row["asset"].form),
        ("algorithm", lambda row: f"{row['asset'].algorithm} {row['asset'].size}".strip()),
        ("for", lambda row: row["asset"].use.value),
        ("quantum", lambda row: "falls" if row["judgement"].vulnerable else "stands"),
        ("not after", lambda row: _years(row["judgement"])),
        ("replace by", lambda row: row["judgement"].replacement or "–"),
        ("name", lambda row: row["asset"].name),
        ("where", lambda row: row["asset"].where),
    ]
    print_table("Inventory", rows, columns, empty="no certificate and no key in there")
    more = "; a bound was reached, there may be more" if stock.more else ""
    click.echo(
        f"{len(stock.assets)} assets in {stock.files} files, {stock.vulnerable} fall to a quantum computer{more}"
    )


def _years(judgement: Any) -> str:
    if not judgement.until:
        return "–"
    return f"{judgement.deprecated} (deprecated), {judgement.until}" if judgement.deprecated else str(judgement.until)


def _check(stock: "Stock", gate: int | None) -> None:
    from phalanx.posture import judge

    if gate is None:
        return
    late = [one for one in stock.assets if 0 < (judge(one).deprecated or judge(one).until) <= gate]
    if late:
        first = late[0]
        what = f"{len(late)} assets must be replaced by {gate}, first {first.algorithm} {first.size} in {first.where}"
        click.echo(what, err=True)
        raise SystemExit(Exit.FAILED)
