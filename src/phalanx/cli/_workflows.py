"""`phalanx workflows`: what can be run, and the runs of a node."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import write_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option
from phalanx.core import NS_PER_MS, InvalidInput

_JSON = {"Content-Type": "application/json"}
_STATUSES = ("queued", "running", "paused", "done", "failed", "cancelled")


@click.group(cls=Group, short_help="Workflows that can be run, their runs, and the chart of each.")
def workflows() -> None:
    """Workflows that can be run, their runs, and the chart of each."""


@workflows.command("list")
@client_options
@json_option
def list_workflows(client: NodeClient, as_json: bool) -> None:
    """Every workflow that can be run."""
    rows = client.get("/v1/workflows")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("name", lambda row: row["name"]),
        ("title", lambda row: row["title"]),
        ("steps", lambda row: ", ".join(step["name"] for step in row["steps"])),
    ]
    print_table("Workflows", rows, columns, empty="none is registered")


@workflows.command("show")
@click.argument("name")
@client_options
@json_option
def show(name: str, client: NodeClient, as_json: bool) -> None:
    """The steps of workflow NAME: what each needs, how often it is tried, whether it can be undone."""
    found = client.get(f"/v1/workflows/{quote(name, safe='')}")
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("step", lambda row: row["name"]),
        ("kind", lambda row: row["step_kind"]),
        ("needs", lambda row: ", ".join(row["needs"]) or "–"),
        ("attempts", lambda row: str(row["attempts"])),
        ("limit", lambda row: f"{row['limit_s']:g} s" if row["limit_s"] else "–"),
        ("undo", lambda row: "yes" if row["undoable"] else "–"),
        ("pure", lambda row: "yes" if row["pure"] else "–"),
    ]
    print_table(found["title"], found["steps"], columns, empty="it has no steps")


@workflows.command("run")
@click.argument("name")
@click.option(
    "--input", "inputs", multiple=True, metavar="KEY=VALUE", help="An input; a VALUE that is JSON is read so."
)
@click.option("--within", type=click.FloatRange(0), default=0.0, help="Seconds until its deadline; 0: none.")
@click.option("--id", "run", default="", help="Identifier of the run; the same one is one run.")
@client_options
@json_option
def run(name: str, inputs: tuple[str, ...], within: float, run: str, client: NodeClient, as_json: bool) -> None:
    """Begin a run of workflow NAME on the node; it answers at once."""
    asked = {"workflow": name, "inputs": dict(map(_input, inputs)), "deadline_s": within, "run": run}
    state = client.post("/v1/runs", content=json.dumps(asked).encode(), headers=_JSON)
    if as_json:
        print_json(state)
        return
    click.echo(f"run {state['id']} is {state['status']}")
    click.echo(f"see what comes of it: phalanx workflows status {state['id']}")


def _input(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise InvalidInput("--input", f"{text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


@workflows.command("runs")
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs that stand there.")
@client_options
@limit_option
@json_option
def runs(status: str | None, client: NodeClient, limit: int, as_json: bool) -> None:
    """Runs and where each stands, newest first."""
    rows = client.get("/v1/runs", limit=limit, **({"status": status} if status else {}))["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("workflow", lambda row: row["template"]),
        ("status", _status),
        ("reason", lambda row: row["reason"] or "–"),
        ("by", lambda row: row["by"] or "–"),
        ("id", lambda row: row["id"]),
    ]
    print_table("Runs", rows, columns, empty="nothing was run yet: phalanx workflows run --help")


def _status(row: Any) -> str:
    return str(row["status"]) if row["wanted"] == "go" else f"{row['status']}, to {row['wanted']}"


@workflows.command("status")
@click.argument("run")
@client_options
@json_option
def status(run: str, client: NodeClient, as_json: bool) -> None:
    """Where RUN stands and why, and how long each step took on what."""
    path = f"/v1/runs/{quote(run, safe='')}"
    found = client.get(path)
    if as_json:
        print_json(found)
        return
    state = found["state"]
    at = "".join(f", {what} {state[what]}" for what in ("step", "field") if state[what])
    click.echo(f"{state['template']}: {_status(state)}{at}" + (f": {state['reason']}" if state["reason"] else ""))
    chart = client.get(f"{path}/gantt")
    columns: list[Column] = [
        ("step", lambda row: row["step"]),
        ("status", lambda row: row["status"]),
        ("from", lambda row: _ms(row["start_ns"]) if row["end_ns"] else "–"),
        ("took", lambda row: _ms(row["end_ns"] - row["start_ns"]) if row["end_ns"] else "–"),
        ("hand-over", lambda row: _ms(row["handover_ns"]) if row["handover_ns"] >= 0 else "–"),
        ("on", lambda row: ", ".join(row["windows"]) or row["kind"]),
        ("critical", lambda row: "yes" if row["critical"] else "–"),
        ("why", lambda row: row["why"] or "–"),
    ]
    print_table("Steps", chart["bars"], columns, empty="it has no steps")


def _ms(ns: int) -> str:
    return f"{ns / NS_PER_MS:.2f} ms"


def _wish(what: str, text: str) -> None:
    @workflows.command(what, help=text)
    @click.argument("run")
    @click.option("--reason", default="", help="Why; it is kept with the run.")
    @client_options
    @json_option
    def command(run: str, reason: str, client: NodeClient, as_json: bool) -> None:
        body = json.dumps({"reason": reason}).encode()
        state = client.post(f"/v1/runs/{quote(run, safe='')}/{what}", content=body, headers=_JSON)
        if as_json:
            print_json(state)
        else:
            click.echo(f"run {state['id']} is {_status(state)}")


_wish("pause", "Begin no further step of RUN; those at work end.")
_wish("resume", "Go on with a paused or failed RUN from what is kept.")
_wish("cancel", "Break off RUN and take back what its steps did outside, the last first.")


@workflows.command("gantt")
@click.argument("run")
@click.option("--svg", "to", type=click.Path(path_type=Path), help="Write the picture to this file.")
@client_options
def gantt(run: str, to: Path | None, client: NodeClient) -> None:
    """The chart of RUN: devices, hand-over times, critical path; as JSON, or as a picture with --svg."""
    from phalanx.workflows import Gantt, gantt_svg

    found = client.get(f"/v1/runs/{quote(run, safe='')}/gantt")
    if to is None:
        print_json(found)
        return
    import msgspec

    write_file(to, gantt_svg(msgspec.convert(found, Gantt)).encode())
