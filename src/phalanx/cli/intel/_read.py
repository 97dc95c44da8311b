"""`phalanx intel read`: what a node would make of files, without a node."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._output import json_option, print_json, printable

if TYPE_CHECKING:
    from phalanx.intel.reading import Part, Tally

_SHOWN = 12


@click.command("read")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "reader",
    default="auto",
    show_default=True,
    help="Format of the lines; auto recognises it line by line.",
)
@click.option(
    "--stats", is_flag=True, help="Say which fields each OCSF class has no place for, and which it holds only in part."
)
@json_option
def read(files: tuple[str, ...], reader: str, stats: bool, as_json: bool) -> None:
    """Read FILEs (`-` for standard input, folders with all their files) as a node would, and say what became of each
    line.

    Compressed files (gzip, bzip2, xz, zip, tar), Windows event logs (EVTX), Zeek's own logs and JSON documents with a
    list of records are unpacked. Nothing is sent anywhere.
    """
    from phalanx.intel import check_reader
    from phalanx.intel.reading import Tally

    check_reader(reader)
    total = Tally(maps=stats)
    told: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    for name in _named(files):
        for part, tally, problem in _read_file(name, reader, total):
            if problem:
                refused.append({"file": name, "reason": problem})
            if part is not None:
                told.append({"file": part.name, "kind": part.kind, **tally.told()})
    if as_json:
        print_json({"files": told, "refused": refused, "total": total.told()})
    else:
        _show(told, refused, total)
    if refused and not total.lines:
        sys.exit(1)


def _named(files: tuple[str, ...]) -> Iterator[str]:
    for name in files:
        folder = Path(name)
        if name != "-" and folder.is_dir():
            yield from (str(file) for file in sorted(folder.rglob("*")) if file.is_file())
        else:
            yield name


def _read_file(name: str, reader: str, total: "Tally") -> "Iterator[tuple[Part | None, Tally, str]]":
    """Each log in the file with what became of its lines, and what ended the reading, if something did."""
    from phalanx.core import PhalanxError
    from phalanx.intel.reading import Tally, unpack

    under_way: Part | None = None
    tally = Tally()
    try:
        with click.open_file(name, "rb") as file:
            for part in unpack(file, name):
                under_way, tally = part, Tally(maps=total.maps)
                _read_part(part, reader, (tally, total))
                under_way = None
                yield part, tally, ""
    except PhalanxError as error:
        yield under_way, tally, error.message
    except OSError as error:
        yield None, tally, f"{name} cannot be read: {error.strerror or error}"


def _read_part(part: "Part", reader: str, tallies: "tuple[Tally, ...]") -> None:
    from phalanx.adapters import SystemClock
    from phalanx.core import DEFAULT_TENANT, BatchId, derive_id
    from phalanx.intel import read_lines
    from phalanx.intel.reading import slices

    now_ns = SystemClock().wall_ns()
    batch = BatchId(derive_id(now_ns, "read", part.name))
    for lines in part.lines:
        for first_row, some in slices(lines):
            out = read_lines(
                some, first_row=first_row, reader=part.reader if reader == "auto" and part.reader else reader,
                tenant=DEFAULT_TENANT, batch=batch, accepted_at_ns=now_ns,
            )  # fmt: skip
            for tally in tallies:
                tally.add(list(some), out)


def _show(told: list[dict[str, Any]], refused: list[dict[str, str]], total: "Tally") -> None:
    from phalanx.core import counted

    for one in told:
        formats = ", ".join(f"{n} {name}" for name, n in one["formats"].items()) or "nothing"
        more = f", {one['rejected']} rejected" if one["rejected"] else ""
        more += f", {one['skipped']} of a header" if one["skipped"] else ""
        click.echo(f"{printable(one['file'])} ({one['kind']}): {formats}{more}")
    for problem in refused:
        click.echo(f"not read: {printable(problem['reason'])}", err=True)
    read = f"{counted(total.lines, 'line')}: {counted(total.events, 'event')}"
    click.echo(f"{read}, {total.rejected} rejected, {total.skipped} of headers")
    for source, n in total.sources.most_common(_SHOWN):
        click.echo(f"  {n:>9} {source}")
    if total.reasons:
        click.echo("rejected, by reason (N is any number):")
    for reason, n in total.reasons.most_common(_SHOWN):
        click.echo(f"  {n:>9} {printable(reason)}")
        click.echo(f"            such as {printable(total.examples[reason][0][:100])}")
    if total.maps:
        _show_classes(total)


def _show_classes(total: "Tally") -> None:
    click.echo("as OCSF: fields that a class has no attribute for are kept under unmapped")
    for name, one in sorted(total.classes.items(), key=lambda pair: -pair[1].events):
        unmapped = ", ".join(f"{field} ({n})" for field, n in one.unmapped.most_common(_SHOWN)) or "none"
        click.echo(f"  {one.events:>9} {name}: unmapped {printable(unmapped)}")
        for lossy, n in one.lossy.most_common(_SHOWN):
            click.echo(f"            {n} lose something: {printable(lossy)}")
