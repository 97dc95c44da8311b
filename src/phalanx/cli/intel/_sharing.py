"""`phalanx intel stix`: bundles in and out. `show` and `validate` need no node."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._exits import Exit
from phalanx.cli._files import read_json_file, write_new
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable
from phalanx.cli.intel._log_file import read_log

_FILE = click.Path(path_type=Path, dir_okay=False)
AUDIENCES = click.Choice(["own", "partner", "community", "public"])
_JSON = {"Content-Type": "application/json"}


@click.group(cls=Group, short_help="STIX bundles in and out, looked at and checked.")
def stix() -> None:
    """STIX bundles in and out, looked at and checked."""


@stix.command("import")
@click.argument("file", type=_FILE)
@click.option("--collection", default="imported", show_default=True, help="Collection to add to.")
@client_options
@json_option
def import_bundle(file: Path, collection: str, client: NodeClient, as_json: bool) -> None:
    """Add the objects of a bundle (2.0 or 2.1) to a collection of the node."""
    path = f"/v1/sharing/collections/{quote(collection, safe='')}/objects"
    show_imported(client.post(path, content=read_json_file(file), headers=_JSON), as_json=as_json)


@stix.command()
@click.option("--case", default="", help="All findings of this case.")
@click.option("--finding", default="", help="This finding.")
@click.option("--collection", default="", help="Everything in this collection.")
@click.option("--marking", default="", help="TLP of own findings: clear, green, amber, amber+strict.")
@click.option("--for", "audience", type=AUDIENCES, default="own", show_default=True, help="Audience.")
@click.option("--to", default="", help="For the record: whom it is given to.")
@click.option("--out", type=_FILE, help="New file; by default the bundle is printed.")
@client_options
def export(
    case: str, finding: str, collection: str, marking: str, audience: str, to: str, out: Path | None,
    client: NodeClient,
) -> None:  # fmt: skip
    """Own findings or a collection as a bundle. What its audience may not have is refused; the export is recorded."""
    import json

    bundle = client.get(
        "/v1/sharing/bundle",
        case=case,
        finding=finding,
        collection=collection,
        marking=marking,
        audience=audience,
        to=to,
    )
    if out is None:
        print_json(bundle)
        return
    write_new(out, json.dumps(bundle, indent=2, ensure_ascii=False).encode() + b"\n")
    click.echo(f"{out}: {len(bundle.get('objects', []))} objects")


@stix.command()
@click.argument("file", type=_FILE)
@json_option
def show(file: Path, as_json: bool) -> None:
    """What is in a bundle: objects by type, markings, and the values to look for in its indicators."""
    from collections import Counter

    from phalanx.intel.sharing import MarkingBook, indicators_of, read_bundle

    read = read_bundle(read_json_file(file))
    book, taken = MarkingBook(read.objects), indicators_of(read.objects)
    types = Counter(one.type for one in read.objects)
    markings = Counter(book.marking_of(one).label if one.markings else "unmarked" for one in read.objects)
    found: dict[str, Any] = {
        "objects": len(read.objects), "upgraded": read.upgraded, "refused": len(read.rejected),
        "types": dict(types.most_common()), "markings": dict(markings.most_common()),
        "values": dict(Counter(one.kind for one in taken.indicators)),
        "patterns_without_values": [{"id": each, "reason": why} for each, why in taken.refused],
    }  # fmt: skip
    if as_json:
        print_json(found)
        return
    more = f", {read.upgraded} of them brought up from STIX 2.0" if read.upgraded else ""
    click.echo(f"{found['objects']} objects{more}; {found['refused']} are not STIX (phalanx intel stix validate)")
    for label in ("types", "markings", "values"):
        click.echo(f"{label + ':':<10}" + (", ".join(f"{n} {name}" for name, n in found[label].items()) or "none"))
    for each in found["patterns_without_values"][:10]:
        click.echo(printable(f"no value: {each['id']}: {each['reason']}"))


@stix.command()
@click.argument("file", type=_FILE)
@json_option
def validate(file: Path, as_json: bool) -> None:
    """Check every object of a bundle; invalid ones are named with the property and the reason."""
    from phalanx.intel.sharing import read_bundle

    read = read_bundle(read_json_file(file))
    bad = [{"object": one.object, "property": one.property, "reason": one.reason} for one in read.rejected]
    if as_json:
        print_json({"objects": len(read.objects), "refused": bad})
    else:
        columns: list[Column] = [
            ("object", lambda row: row["object"]), ("property", lambda row: row["property"] or "–"),
            ("reason", lambda row: row["reason"]),
        ]  # fmt: skip
        print_table("Not STIX 2.1", bad, columns, empty=f"all {len(read.objects)} objects hold")
    if bad:
        raise SystemExit(Exit.FAILED)


@stix.command()
@click.argument("file", type=_FILE)
@click.option("--events", type=_FILE, required=True, help="File with events, one per line.")
@click.option("--format", "reader", default="auto", show_default=True, help="Format of the events.")
@json_option
def match(file: Path, events: Path, reader: str, as_json: bool) -> None:
    """Evaluate the patterns of a bundle on the events of a file: which indicators match which lines."""
    from phalanx.intel.sharing import read_bundle, seen_in

    objects = read_bundle(read_json_file(file)).objects
    read = read_log(events, reader)
    found, refused = seen_in(objects, (event for batch in read.batches for event in batch))
    rows = [
        {"line": one.event.batch.rows[one.event.index] + 1, "indicator": one.indicator.id,
         "name": str(one.indicator.raw.get("name", "")), "pattern": one.indicator.raw["pattern"]}
        for one in found
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["line"], row["indicator"]))
    if as_json:
        print_json({"seen": rows, "not_asked": [{"id": each, "reason": why} for each, why in refused],
                    "unread": len(read.rejected)})  # fmt: skip
        return
    columns: list[Column] = [
        ("line", lambda row: str(row["line"])), ("indicator", lambda row: row["name"] or row["indicator"]),
        ("pattern", lambda row: row["pattern"]),
    ]  # fmt: skip
    print_table("Seen", rows, columns, empty="no indicator holds for any line")
    for each, why in refused[:10]:
        click.echo(printable(f"not asked: {each}: {why}"))
    if read.rejected:
        click.echo(f"{len(read.rejected)} lines could not be read")


def show_imported(found: dict[str, Any], *, as_json: bool) -> None:
    """What became of the objects that were added."""
    if as_json:
        print_json(found)
        return
    upgraded = f", {found['upgraded']} brought up to STIX 2.1" if found["upgraded"] else ""
    values, left = found["indicators"], found["left"]
    looked = f", {values - len(left)} of which the node looks for" if left else ", which the node looks for"
    if not found["looked_for"]:
        looked = ""
    click.echo(
        f"{found['added']} added, {found['known']} known already, {len(found['refused'])} refused{upgraded}; "
        f"{values} values{looked}"
    )
    for name, told in (("refused", "refused"), ("unusable", "unusable"), ("left", "not looked for")):
        for one in found[name][:10]:
            # Most reasons begin with what they are about.
            about = "" if one["reason"].startswith(one["object"]) else f"{one['object']}: "
            click.echo(printable(f"{told}: {about}{one['reason']}"))
        if len(found[name]) > 10:
            click.echo(f"{told}: and {len(found[name]) - 10} more (--json)")
