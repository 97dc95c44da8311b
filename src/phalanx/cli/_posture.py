"""`phalanx posture`: which cryptography is in use, and what a quantum computer does to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._exits import Exit
from phalanx.cli._files import write_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.posture import Asset, Stock


@click.group(cls=Group, short_help="Which cryptography is in use, and what a quantum computer does to it.")
def posture() -> None:
    """Which cryptography is in use, and what a quantum computer does to it."""


@posture.command("inventory")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="[tls://|ssh://]HOST:PORT",
    help="Also look at this TLS or SSH listener.",
)
@click.option("--ca", type=click.Path(path_type=Path), help="Certificates (PEM) to trust at endpoints.")
@click.option("--cbom", "to", type=click.Path(path_type=Path), help="Write a CycloneDX 1.6 CBOM to this file.")
@click.option(
    "--gate", type=int, metavar="YEAR", help="Fail if something must no longer be used after YEAR or earlier."
)
@json_option
def inventory(
    paths: tuple[str, ...], endpoints: tuple[str, ...], ca: Path | None, to: Path | None, gate: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List certificates, keys and uses of cryptography in source code, in files and folders, most urgent first.

    Looks into files that hold PEM, DER or OpenSSH keys, and into source code in common languages; `--json` prints the
    CBOM. Needs no node.
    """
    if not paths and not endpoints:
        raise InvalidInput("PATH", "name a file, a folder or an --endpoint")
    from phalanx import __version__
    from phalanx.adapters import SystemClock
    from phalanx.posture import cbom

    stock = _stock(paths, endpoints, ca)
    document = cbom(stock.assets, at_ns=SystemClock().wall_ns(), version=__version__)
    if to is not None:
        import json

        write_file(to, json.dumps(document, indent=2).encode() + b"\n")
    if as_json:
        print_json(document)
    else:
        _show(stock)
    _check(stock, gate)


def _stock(paths: tuple[str, ...], endpoints: tuple[str, ...], ca: Path | None) -> "Stock":
    import asyncio
    import contextlib

    from phalanx.adapters import OsFileWatch, ThreadOffload
    from phalanx.adapters.tls import NetworkProbe
    from phalanx.posture import look_at, parse_endpoint, take_stock

    for endpoint in endpoints:
        parse_endpoint(endpoint, "--endpoint")

    async def taken() -> "Stock":
        with contextlib.closing(ThreadOffload(2)) as offload:
            found, silent = await look_at(endpoints, NetworkProbe(offload, ca))
            if silent:
                raise silent[0]
            return await take_stock(paths, OsFileWatch(offload), offload, besides=found)

    return asyncio.run(taken())


def _show(stock: "Stock") -> None:
    from phalanx.posture import judge

    rows = [{"asset": asset, "judgement": judge(asset)} for asset in stock.assets]
    columns: list[Column] = [
        ("what", lambda row: row["asset"].form),
        ("algorithm", lambda row: f"{row['asset'].algorithm} {row['asset'].size}".strip()),
        ("for", lambda row: row["asset"].use.value),
        ("quantum", lambda row: "falls" if row["judgement"].vulnerable else "stands"),
        ("today", lambda row: row["judgement"].weak or "–"),
        ("not after", lambda row: _years(row["judgement"])),
        ("replace by", lambda row: row["judgement"].replacement or "–"),
        ("name", lambda row: row["asset"].name),
        ("where", lambda row: _place(row["asset"])),
    ]
    print_table("Inventory", rows, columns, empty="no certificate, no key and no use of one in there")
    more = "; a bound was reached, there may be more" if stock.more else ""
    click.echo(
        f"{len(stock.assets)} assets in {stock.files} files, {stock.vulnerable} fall to a quantum computer{more}"
    )


def _place(asset: "Asset") -> str:
    return f"{asset.where}:{asset.line}" if asset.line else asset.where


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


@posture.command("diff")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@json_option
def diff(before: Path, after: Path, as_json: bool) -> None:
    """Compare two CBOMs; fail if AFTER adds something that a quantum computer breaks, or that is broken already.

    For CI: keep the CBOM of the main branch, and compare that of a change with it.
    """
    from dataclasses import asdict

    from phalanx.posture import compare

    difference = compare(_document(before, "BEFORE"), _document(after, "AFTER"))
    if as_json:
        told = [asdict(one) for one in difference.worse]
        added, gone = ([asdict(one) for one in side] for side in (difference.added, difference.gone))
        print_json({"added": added, "gone": gone, "worse": told})
    else:
        rows = [{"how": "added", "asset": one} for one in difference.added]
        rows += [{"how": "gone", "asset": one} for one in difference.gone]
        columns: list[Column] = [
            ("", lambda row: row["how"]),
            ("what", lambda row: row["asset"].kind),
            ("name", lambda row: row["asset"].name),
            ("quantum", lambda row: "falls" if row["asset"].vulnerable else "stands"),
            ("replace by", lambda row: row["asset"].replacement or "–"),
            ("where", lambda row: ", ".join(row["asset"].places[:3]) + (" …" if len(row["asset"].places) > 3 else "")),
        ]
        print_table("Difference", rows, columns, empty="nothing was added and nothing is gone")
    if difference.worse:
        first = difference.worse[0]
        click.echo(f"{len(difference.worse)} must not be added, first {first.name} in {first.places[0]}", err=True)
        raise SystemExit(Exit.FAILED)


def _document(path: Path, field: str) -> dict[str, Any]:
    import json

    try:
        read = json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput(field, f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(field, f"{path} is no JSON") from error
    if not isinstance(read, dict):
        raise InvalidInput(field, f"{path} is no CycloneDX document")
    return read
