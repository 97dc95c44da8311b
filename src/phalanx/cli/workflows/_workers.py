"""The part of `phalanx workflows` about workers: who works for the node, and letting another process do so."""

from pathlib import Path

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import require_new, write_secret
from phalanx.cli._output import Column, json_option, print_json, print_table, printable


@click.command("workers")
@client_options
@json_option
def workers(client: NodeClient, as_json: bool) -> None:
    """Processes that work for the node: the state of each, what it does, and what was lost with it."""
    rows = client.get("/v1/workflows/workers")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("worker", lambda row: row["name"]),
        ("stage", lambda row: row["stage"]),
        ("machine", lambda row: row["machine"] or "–"),
        ("release", lambda row: row["release"] or "–"),
        ("busy", lambda row: f"{row['busy']} of {row['slots']}"),
        ("done", lambda row: str(row["done"])),
        ("lost", lambda row: str(row["lost"])),
        ("too late", lambda row: str(row["fenced"])),
        ("heard", lambda row: f"{row['silent_s']:.1f} s ago" if row["silent_s"] >= 0 else "never"),
    ]
    print_table("Workers", rows, columns, empty="there are none: phalanx workflows worker-token --help")


@click.command("worker-token")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="New file for it (0600).")
@client_options
@json_option
def worker_token(name: str, out: Path, client: NodeClient, as_json: bool) -> None:
    """A token with which one process may work for the node, called NAME; an earlier one of that name becomes void.

    Carry the file to the other machine as you would a password, and start `phalanx worker --token FILE` there. Run
    this against the node that was started with `--cluster`.
    """
    require_new(out)
    made = client.post("/v1/workflows/workers", name=name)
    write_secret(out, made["token"].encode())
    if as_json:
        print_json({"name": made["name"], "file": str(out)})
    else:
        click.echo(f"{out}: on the other machine, phalanx worker --token {out.name}")


@click.command("worker-remove")
@click.argument("name")
@client_options
@json_option
def worker_remove(name: str, client: NodeClient, as_json: bool) -> None:
    """Cut the worker NAME off: nothing it says counts any more, and others do what it was doing."""
    done = client.post("/v1/workflows/workers/remove", name=name)
    print_json(done) if as_json else click.echo(f"{printable(done['name'])} is out")


WORKER_COMMANDS: tuple[click.Command, ...] = (workers, worker_token, worker_remove)
