"""`phalanx intel indicators`: values to look for. `hygiene` needs no node."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import open_file, read_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of

_KINDS = click.Choice(["address", "network", "domain", "host", "url", "email", "md5", "sha1", "sha256"])
_FILE = click.Path(path_type=Path, dir_okay=False)
_TEXT = {"Content-Type": "text/plain"}
_PATH = "/v1/indicators"
# Lines of one request: it stays within what the node takes at once.
_LINES = 20_000
marking_option = click.option(
    "--marking", default="amber", show_default=True, help="TLP: clear, green, amber, amber+strict, red."
)
everybody_option = click.option("--everybody", is_flag=True, help="For the events of every tenant (administrators).")


@click.group(cls=Group, short_help="Values to look for: addresses, names, URLs, hashes.")
def indicators() -> None:
    """Values to look for in every event: addresses, networks, domains, hosts, URLs, e-mail addresses, hashes."""


@indicators.command("import")
@click.argument("file", type=_FILE)
@click.option("--source", default="", help="Source of the values; by default the name of the file.")
@click.option("--kind", type=_KINDS, help="Type of all of them; by default recognised one by one.")
@click.option("--name", default="", help="What all of them are about.")
@click.option("--confidence", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Confidence in them.")
@click.option(
    "--days", type=click.FloatRange(0, 36_500), default=0, help="For how many days to look for them; 0: for good."
)
@marking_option
@click.option("--replace", "replaces", is_flag=True, help="Drop what this source provided before.")
@everybody_option
@client_options
@json_option
def import_file(
    file: Path, source: str, kind: str | None, name: str, confidence: float, days: float, marking: str,
    replaces: bool, everybody: bool, client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Look for the values in FILE: one per line, or CSV whose header names a column `value`, `indicator`, `ioc`…"""
    total: dict[str, Any] = {"taken": 0, "refused": 0, "flagged": 0, "replaced": 0, "told": []}
    for number, (form, piece) in enumerate(_pieces(file)):
        params = {
            "source": source or file.name, "format": form, "name": name, "confidence": confidence, "days": days,
            "marking": marking, "everybody": str(everybody).lower(),
            "replace_source": str(replaces and not number).lower(),
        }  # fmt: skip
        if kind:
            params["kind"] = kind
        found = client.post(_PATH, content=piece, headers=_TEXT, **params)
        for key in ("taken", "refused", "flagged", "replaced"):
            total[key] += found[key]
        total["told"] = [*total["told"], *found["told"]][:100]
    if as_json:
        print_json(total)
        return
    click.echo(f"{_looked_for(total['taken'])}, {total['refused']} refused, {total['flagged']} flagged")
    for one in total["told"][:10]:
        click.echo(printable(f"{one['value']}: {one['reason']}"))
    if len(total["told"]) > 10:
        click.echo("and more (--json)")


def _looked_for(n: int) -> str:
    return "1 value is looked for" if n == 1 else f"{n} values are looked for"


@indicators.command()
@click.argument("values", nargs=-1, required=True)
@click.option("--source", default="by hand", show_default=True, help="Source of the values.")
@click.option("--kind", type=_KINDS, help="Type of the values; by default recognised one by one.")
@click.option("--name", default="", help="What they are about.")
@click.option("--confidence", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Confidence in them.")
@click.option(
    "--days", type=click.FloatRange(0, 36_500), default=0, help="For how many days to look for them; 0: for good."
)
@marking_option
@client_options
@json_option
def add(
    values: tuple[str, ...], source: str, kind: str | None, name: str, confidence: float, days: float,
    marking: str, client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Look for VALUES from now on."""
    params = {
        "source": source, "format": "text", "name": name, "confidence": confidence, "days": days, "marking": marking,
    }  # fmt: skip
    if kind:
        params["kind"] = kind
    found = client.post(_PATH, content="\n".join(values).encode(), headers=_TEXT, **params)
    if as_json:
        print_json(found)
        return
    click.echo(_looked_for(found["taken"]))
    for one in found["told"]:
        click.echo(printable(f"{one['value']}: {one['reason']}"))


@indicators.command()
@click.argument("value", default="")
@click.option("--source", default="", help="Everything from this source.")
@click.option("--kind", type=_KINDS, help="Type of the value; by default recognised.")
@click.option("--reason", default="", help="The reason; it is recorded.")
@everybody_option
@client_options
@json_option
def remove(
    value: str, source: str, kind: str | None, reason: str, everybody: bool, client: NodeClient, as_json: bool
) -> None:  # fmt: skip
    """Stop looking for VALUE, or for everything from a source."""
    params: dict[str, Any] = {
        "source": source, "value": value, "reason": reason, "everybody": str(everybody).lower(),
    }  # fmt: skip
    if kind:
        params["kind"] = kind
    found = client.post(f"{_PATH}/remove", **params)
    print_json(found) if as_json else click.echo(f"removed {value or source}")


@indicators.command("match")
@click.argument("values", nargs=-1, required=True)
@client_options
@json_option
def match_values(values: tuple[str, ...], client: NodeClient, as_json: bool) -> None:
    """Which of VALUES are looked for, and what is known about them."""
    _show(client.post(f"{_PATH}/match", content="\n".join(values).encode(), headers=_TEXT)["items"], as_json=as_json)


@indicators.command("list")
@click.option("--source", default="", help="Only values from this source.")
@click.option("--kind", type=_KINDS, help="Only values of this type.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many.")
@everybody_option
@client_options
@json_option
def list_all(source: str, kind: str | None, limit: int, everybody: bool, client: NodeClient, as_json: bool) -> None:
    """All values looked for, in the order they were added."""
    rows = client.pages(_PATH, limit=limit, source=source, kind=kind, everybody=str(everybody).lower())
    _show(list(rows), as_json=as_json)


@indicators.command()
@click.argument("value")
@click.option("--kind", type=_KINDS, help="Type of the value; by default recognised.")
@client_options
@json_option
def show(value: str, kind: str | None, client: NodeClient, as_json: bool) -> None:
    """Everything known about VALUE: who looks for it, since when and until when, and what it matched."""
    found = client.get(f"{_PATH}/known", value=value, **({"kind": kind} if kind else {}))
    if as_json:
        print_json(found)
        return
    if not any(row["state"] == "looked for" for row in found["known"]):
        click.echo(printable(f"nobody looks for {found['value']}"))
    for row in found["known"]:
        click.echo(printable(f"{row['indicator']} ({row['kind']}) from {row['source']}: {row['state']}"))
        for label, said in (
            ("about", row["name"]), ("reference", row["reference"]), ("confidence", f"{row['confidence']:.2f}"),
            ("valid from", time_of("from_ns")(row) if row["from_ns"] else ""), ("until", _until(row) or "for good"),
            ("marking", row["marking"]), ("labels", ", ".join(row["labels"])),
            ("in events of", "everybody" if row["everybody"] else "this tenant"),
        ):  # fmt: skip
            if said:
                click.echo(printable(f"  {label + ':':<13} {said}"))
    changes: list[Column] = [
        ("when", time_of("at_ns")), ("indicator", lambda row: row["indicator"]),
        ("what", lambda row: "withdrawn" if row["withdrawn"] else f"put by {row['source']}"),
    ]  # fmt: skip
    empty = "never put" if found["whole"] else "not among the newest rows"
    print_table("Its past", found["changes"], changes, empty=empty)
    columns: list[Column] = [
        ("last seen", time_of("last_seen_ns")), ("what", lambda row: row["title"]),
        ("host", lambda row: row["case"].rpartition("@")[0]), ("hits", lambda row: str(row["hits"])),
        ("id", lambda row: row["id"]),
    ]  # fmt: skip
    print_table("What it matched", found["findings"], columns, empty="no finding yet")


@indicators.command()
@client_options
@json_option
def stats(client: NodeClient, as_json: bool) -> None:
    """How many values are looked for, by source, and what that takes."""
    found = client.get(f"{_PATH}/stats")
    if as_json:
        print_json(found)
        return
    from phalanx.core import counted

    size = found["table_bytes"] / max(1, found["entries"])
    how = "compiled kernels" if found["kernels"] else "NumPy"
    tables = f"{counted(found['tables'], 'table')} ({found['files']} in files)"
    about = "" if found["exact"] else "at most "
    click.echo(f"{about}{counted(found['entries'], 'value')} in {tables}, {how}")
    click.echo(f"{size:.1f} bytes of a table for each; {found['everybody']} more are looked for in everybody's events")
    click.echo(f"{found['warninglist_entries']} entries on {found['warninglists']} warninglists")
    columns: list[Column] = [("source", lambda row: row["source"]), ("values", lambda row: str(row["values"]))]
    rows = [{"source": source, "values": values} for source, values in sorted(found["sources"].items())]
    print_table("Sources", rows, columns, empty="nobody said anything yet")
    for label, by in (("types", found["kinds"]), ("markings", found["markings"])):
        click.echo(f"{label + ':':<10} " + (", ".join(f"{name} {n}" for name, n in by.items()) or "none"))


@indicators.command()
@click.option(
    "--batches", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Newest batches to check."
)
@client_options
@json_option
def retro(batches: int, client: NodeClient, as_json: bool) -> None:
    """Check earlier events for what is looked for now."""
    found = client.post(f"{_PATH}/retro", batches=batches)
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("time", time_of("time_ns")), ("what", lambda row: row["title"]),
        ("confidence", lambda row: f"{row['confidence']:.2f}"), ("event", lambda row: row["event"]),
    ]  # fmt: skip
    print_table("Stored events", found["hits"], columns, empty="nothing in them is looked for")
    rest = "all that are kept" if found["whole"] else "there are more (--batches)"
    click.echo(f"{found['events']} events of {found['batches']} batches, {rest}")


@indicators.command()
@click.argument("values", nargs=-1)
@click.option("--lists", type=click.Path(path_type=Path, file_okay=False), help="Folder of MISP warninglists to add.")
@click.option("--file", type=_FILE, help="Also the values in this file, one per line.")
@json_option
def hygiene(values: tuple[str, ...], lists: Path | None, file: Path | None, as_json: bool) -> None:
    """Which VALUES are on a warninglist, and so must not be looked for. Without values: what the lists contain."""
    from phalanx.core import InvalidInput
    from phalanx.intel.indicators import Warninglists, guess_kind
    from phalanx.node import read_warninglists

    known = Warninglists([] if lists is None else read_warninglists(lists))
    texts = [*values, *(read_file(file).decode("utf-8", "replace").split() if file else ())]
    asked = []
    for text in texts:
        try:
            asked.append((guess_kind(text), text))
        except InvalidInput:
            continue
    rows = [{"value": text, "list": name} for (_, text), name in zip(asked, known.on(asked), strict=True)]
    if as_json:
        print_json({"lists": len(known.names), "entries": known.entries, "values": rows})
        return
    click.echo(f"{known.entries} entries on {len(known.names)} lists")
    columns: list[Column] = [("value", lambda row: row["value"]), ("list", lambda row: row["list"] or "–")]
    if texts:
        print_table("Values", rows, columns, empty="none of them is a value that is looked for")


def _until(row: Mapping[str, Any]) -> str:
    return time_of("until_ns")(row) if row["until_ns"] else ""


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("indicator", lambda row: row["indicator"]), ("kind", lambda row: row["kind"]),
        ("source", lambda row: row["source"]), ("about", lambda row: row["name"] or "–"),
        ("confidence", lambda row: f"{row['confidence']:.2f}"),
        ("until", lambda row: _until(row) or "–"),
        ("marking", lambda row: row["marking"]),
    ]  # fmt: skip
    if any(row["value"] for row in rows):
        columns.insert(0, ("asked for", lambda row: row["value"]))
    print_table("Indicators", rows, columns, empty="nobody looks for any")


def _pieces(file: Path) -> Iterator[tuple[str, bytes]]:
    """The file, split into requests that the node accepts, each with its format; a header is sent with each."""
    from phalanx.intel.indicators import guess_format, pieces_of

    with open_file(file) as handle:
        lines = (line.decode("utf-8-sig", "replace") for line in handle)
        header = ""
        for number, group in enumerate(pieces_of(lines, _LINES)):
            if not number:
                header = next((line for line in group if line.strip()), "")
                form = guess_format(header.strip())
            text = "".join(group)
            yield form, (header + text if number and form == "csv" else text).encode()
