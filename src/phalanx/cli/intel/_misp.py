"""`phalanx intel misp`: MISP events and feeds, in and out. `show` needs no node."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import list_files, make_folder, read_file, write_file, write_new
from phalanx.cli._output import Group, json_option, print_json, printable
from phalanx.cli.intel._sharing import AUDIENCES, show_imported
from phalanx.core import InvalidInput, LimitExceeded, counted

_FILE = click.Path(path_type=Path, dir_okay=False)
_JSON = {"Content-Type": "application/json"}
_MANIFEST = "manifest.json"


@click.group(cls=Group, short_help="MISP events and feeds, in and out.")
def misp() -> None:
    """MISP events and feeds, in and out."""


@misp.command("import")
@click.argument("where", metavar="FILE|FOLDER|URL")
@click.option("--collection", default="imported", show_default=True, help="Collection to add to.")
@click.option("--since", type=click.DateTime(), default=None, help="From a feed: only events changed since (UTC).")
@client_options
@json_option
def import_events(where: str, collection: str, since: Any, client: NodeClient, as_json: bool) -> None:
    """Add events to a collection of the node: from a file, or from a feed (a folder or URL with a manifest.json).

    An event that exists already changes nothing, so a feed may be imported again and again.
    """
    path = f"/v1/sharing/collections/{quote(collection, safe='')}/misp"
    total: dict[str, Any] = {
        "added": 0, "known": 0, "upgraded": 0, "indicators": 0, "refused": [], "unusable": [], "left": [], "events": 0,
        "looked_for": False,
    }  # fmt: skip
    for data in _events(where, 0 if since is None else int(since.timestamp())):
        found = client.post(path, content=data, headers=_JSON)
        total["events"] += 1
        for name, value in found.items():
            total[name] = (total[name] or value) if isinstance(value, bool) else total[name] + value
    if not as_json:
        click.echo(counted(total["events"], "document"))
    show_imported(total, as_json=as_json)


@misp.command()
@click.option("--case", default="", help="All findings of this case.")
@click.option("--finding", default="", help="This finding.")
@click.option("--collection", default="", help="Everything in this collection.")
@click.option("--marking", default="", help="TLP of own findings: clear, green, amber, amber+strict.")
@click.option("--for", "audience", type=AUDIENCES, default="own", show_default=True, help="Audience.")
@click.option("--to", default="", help="For the record: whom it is given to.")
@click.option("--out", type=_FILE, help="New file; by default the event is printed.")
@click.option("--feed", type=click.Path(path_type=Path, file_okay=False), help="Write a feed into this folder instead.")
@client_options
def export(
    case: str, finding: str, collection: str, marking: str, audience: str, to: str, out: Path | None,
    feed: Path | None, client: NodeClient,
) -> None:  # fmt: skip
    """Own findings or a collection as a MISP event. What the audience may not receive is refused; the export is
    recorded.
    """
    event = client.get(
        "/v1/sharing/misp", case=case, finding=finding, collection=collection, marking=marking, audience=audience, to=to
    )
    if feed is not None:
        from phalanx.intel.sharing import misp_feed

        make_folder(feed)
        there = [json.loads(read_file(file)) for file in list_files(feed, "*-*.json")]
        others = [one for one in there if one["Event"]["uuid"] != event["Event"]["uuid"]]
        for name, data in misp_feed([*others, event]).items():
            write_file(feed / name, data)
        click.echo(f"{feed}: {counted(len(others) + 1, 'event')}")
    elif out is not None:
        write_new(out, json.dumps(event, indent=2, ensure_ascii=False).encode() + b"\n")
        click.echo(f"{out}: {len(event['Event']['Attribute'])} attributes")
    else:
        print_json(event)


@misp.command()
@click.argument("file", type=_FILE)
@json_option
def show(file: Path, as_json: bool) -> None:
    """What is in an event: the STIX objects it becomes, values to look for, and what has no equivalent in STIX."""
    from collections import Counter

    from phalanx.intel.sharing import indicators_of, read_misp

    read = read_misp(read_file(file))
    types = Counter(one.type for one in read.objects)
    values = Counter(one.kind for one in indicators_of(read.objects).indicators)
    found = {
        "events": read.events, "types": dict(types.most_common()), "values": dict(values),
        "unmapped": dict(read.unmapped),
        "refused": [{"object": one.object, "reason": one.reason} for one in read.rejected],
    }  # fmt: skip
    if as_json:
        print_json(found)
        return
    click.echo(counted(read.events, "event"))
    for label, counts in (("objects", types), ("values", values), ("no form", read.unmapped)):
        click.echo(f"{label + ':':<10}" + (", ".join(f"{n} {name}" for name, n in counts.items()) or "none"))
    for one in read.rejected[:10]:
        click.echo(printable(f"refused: {one.message}"))


def _events(where: str, since_s: int) -> Iterator[bytes]:
    """Documents of a file, or those of a feed that changed since."""
    if where.startswith(("http://", "https://")):
        yield from _of_feed(lambda name: _fetched(f"{where.rstrip('/')}/{name}"), since_s)
    elif (folder := Path(where)).is_dir():
        yield from _of_feed(lambda name: read_file(folder / name), since_s)
    else:
        yield read_file(folder)


def _of_feed(read: Any, since_s: int) -> Iterator[bytes]:
    import uuid

    from phalanx.intel.sharing import MAX_FEED_EVENTS

    try:
        manifest = json.loads(read(_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(_MANIFEST, "is not JSON") from error
    if not isinstance(manifest, dict):
        raise InvalidInput(_MANIFEST, "is no manifest of a MISP feed")
    if len(manifest) > MAX_FEED_EVENTS:
        raise LimitExceeded("events of a feed", maximum=MAX_FEED_EVENTS, seen=len(manifest))
    for name, said in sorted(manifest.items()):
        changed = str(said.get("timestamp", "0")) if isinstance(said, dict) else "0"
        if not changed.isdecimal() or int(changed) >= since_s:
            try:
                yield read(f"{uuid.UUID(name)}.json")
            except ValueError as error:
                raise InvalidInput(_MANIFEST, f"{name[:80]!r} is no UUID") from error


def _fetched(url: str) -> bytes:
    """A file of a feed on the web."""
    import asyncio
    import contextlib

    from phalanx.adapters import HttpAsker
    from phalanx.core import Unavailable
    from phalanx.intel.sharing import MAX_CONTENT_BYTES

    with contextlib.closing(HttpAsker()) as asks:
        asking = asks.ask("GET", url, headers={}, body=b"", max_bytes=MAX_CONTENT_BYTES, within_s=60.0)
        reply = asyncio.run(asking)
    if reply.status != 200:
        raise Unavailable(url, f"it answered {reply.status}")
    return bytes(reply.body)
