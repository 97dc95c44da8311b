"""`phalanx events`: send events to a node, and look at what it accepted."""

from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.cli._show import limit_option

_MAX_WAITS = 120
_MAX_SHOWN_CHARS = 160
_NO_EVENTS = "no events yet; `phalanx events send FILE` sends some, `phalanx events quarantine` shows unreadable lines"


@click.group(cls=Group, short_help="Send events, and look at what was accepted.")
def events() -> None:
    """Send events, and look at what was accepted."""


@events.command("send")
@click.argument("files", type=click.File("rb"), nargs=-1, required=True)
@click.option(
    "--format",
    "--reader",
    "reader",
    default="auto",
    show_default=True,
    help="Format of the lines; auto recognises it line by line.",
)
@client_options
@json_option
def send(files: tuple[BinaryIO, ...], reader: str, client: NodeClient, as_json: bool) -> None:
    """Send FILES (`-` for standard input), one event per line, to the node, one file after the other.

    Compressed files (gzip, bzip2, xz, zip, tar), Windows event logs (EVTX), Zeek's own logs and JSON documents with a
    list of records are converted into lines first; `phalanx intel read` shows beforehand what a node would make of
    them. While the intake is full the command waits. Each request carries an idempotency key derived from its content
    and position in the file, so sending the same file again duplicates nothing, even after an interruption. Of a
    damaged file the lines before the damage are sent, and the command fails.
    """
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

    from phalanx.core import PhalanxError, counted

    sent: list[dict[str, Any]] = []
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=console,
        # Into a file or the mail of a timer it would write a line for each command.
        disable=as_json or not console.is_terminal,
    ) as progress:
        try:
            for file in files:
                name = str(getattr(file, "name", "-"))
                task = progress.add_task(f"sending {name}" if len(files) > 1 else "sending", total=None)
                sent.append({"file": name, "accepted": 0, "already_there": 0})
                _send(client, file, reader, sent[-1], partial(progress.advance, task))
        except (PhalanxError, KeyboardInterrupt):
            progress.stop()
            n = sum(one["accepted"] for one in sent)
            click.echo(
                f"broken off: {counted(n, 'line')} accepted before it; sending the file again doubles none", err=True
            )
            raise
    accepted, there = (sum(one[what] for one in sent) for what in ("accepted", "already_there"))
    if as_json:
        each = {"files": sent} if len(files) > 1 else {}
        print_json({"accepted": accepted, "already_there": there, **each})
        return
    if len(files) > 1:
        for one in sent:
            click.echo(f"{one['file']}: {counted(one['accepted'], 'line')}")
    click.echo(
        f"{counted(accepted, 'line')} accepted, durable on the node; "
        "`phalanx events quarantine` shows any that cannot be read"
        + (f" ({there:,} {'was' if there == 1 else 'were'} there already)" if there else "")
    )


def _send(
    client: NodeClient, file: BinaryIO, reader: str, told: dict[str, Any], advance: Callable[[int], None]
) -> None:  # fmt: skip
    """Send one file; ``told`` is how many of its lines the node accepted, and already had, even if interrupted."""
    import hashlib

    from phalanx.intel.reading import file_chunks

    for number, (chunk, how) in enumerate(file_chunks(file, told["file"], reader)):
        key = hashlib.blake2b(chunk, digest_size=16, key=str(number).encode()).hexdigest()
        answer = _send_patiently(client, chunk, how, key)
        told["accepted"] += answer["events"]
        told["already_there"] += answer["events"] if answer.get("duplicate") else 0
        advance(len(chunk))


def _send_patiently(client: NodeClient, chunk: bytes, reader: str, key: str) -> dict[str, int]:
    import time

    from phalanx.core import Overloaded

    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
    for _ in range(_MAX_WAITS):
        try:
            answer: dict[str, int] = client.post("/v1/events", content=chunk, headers=headers, reader=reader)
        except Overloaded as full:
            time.sleep(full.retry_after_s)
        else:
            return answer
    raise Overloaded("the intake", retry_after_s=1)


@events.command("list")
@client_options
@limit_option
@json_option
def list_events(client: NodeClient, limit: int, as_json: bool) -> None:
    """The newest events, with the fields their source gave them."""
    rows = list(client.pages("/v1/events", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("time_ns")),
        ("source", lambda row: row["log_source"]),
        ("event", lambda row: " ".join(f"{k}={_short(v)}" for k, v in list(row["fields"].items())[:6])),
        ("id", lambda row: row["id"]),
    ]
    print_table("Events", rows, columns, empty=_NO_EVENTS)


@events.command("show")
@click.argument("event")
@client_options
@json_option
def show(event: str, client: NodeClient, as_json: bool) -> None:
    """EVENT in full: the original line, every field of its source, and what its OCSF view leaves out."""
    found = client.get(f"/v1/events/{quote(event, safe='')}")
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['log_source']}, read as {found['reader']}\n{printable(found['raw'])}\n")
    for name, value in found["fields"].items():
        click.echo(printable(f"  {name}={value}"))
    shown = found["ocsf"]
    click.echo(f"\nas OCSF: {shown['class_name']} ({shown['class_uid']})")
    unmapped = ", ".join(shown.get("unmapped", ())) or "nothing"
    click.echo(printable(f"  kept under unmapped: {unmapped}"))
    for field, why in found["lossy"].items():
        click.echo(printable(f"  says less than the field: {field} ({why})"))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…"


@events.command("quarantine")
@client_options
@limit_option
@json_option
def quarantine(client: NodeClient, limit: int, as_json: bool) -> None:
    """Lines that could not be read, each with the reason."""
    rows = list(client.pages("/v1/events/quarantine", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("accepted", time_of("at_ns")),
        ("reason", lambda row: row["reason"]),
        ("line", lambda row: str(row["raw"])[:_MAX_SHOWN_CHARS]),
    ]
    print_table("Quarantine", rows, columns, empty="nothing in quarantine")
