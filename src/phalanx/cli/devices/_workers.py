"""`phalanx devices workers`, and the part of `phalanx devices watch` that shows one."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import write_file
from phalanx.cli._output import Column, json_option, print_json, print_table, time_of


@click.command("workers")
@client_options
@json_option
def workers(client: NodeClient, as_json: bool) -> None:
    """Machines that run nodes: how busy each was when it last reported."""
    rows = client.get("/v1/workers")["items"]
    if as_json:
        print_json(rows)
        return
    named: list[Column] = [
        ("worker", lambda row: row["name"]), ("", lambda row: "" if row["fresh"] else "silent since"), *_COLUMNS,
    ]  # fmt: skip
    print_table("Workers", rows, named, empty="none has said anything yet")


def watch_worker(name: str, number: str, plot: Path | None, client: NodeClient, *, as_json: bool) -> None:
    """History of one worker; ``plot`` draws one of its numbers."""
    path = f"/v1/workers/{quote(name, safe='')}/history"
    history = client.get(path)
    if plot is not None:
        write_file(plot, b"".join(client.download(f"{path}.svg?number={quote(number)}")))
        click.echo(f"drawn: {plot}", err=True)
    if as_json:
        print_json(history)
        return
    print_table(name, history["readings"], _COLUMNS, empty="")


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _memory(row: Any) -> str:
    used, whole = row["memory_used_bytes"], row["memory_bytes"]
    return "" if used is None or not whole else _share(used / whole)


_COLUMNS: list[Column] = [
    ("when", time_of("at_ns")),
    ("cores", lambda row: str(row["cores"])),
    ("busy", lambda row: _share(row["busy"])),
    ("load", lambda row: "" if row["load_1m"] is None else f"{row['load_1m']:.2f}"),
    ("memory", _memory),
    ("GPUs", lambda row: ", ".join(f"{gpu['name']} {_share(gpu['busy'])}".strip() for gpu in row["gpus"])),
]
