"""`phalanx workflows`: what can be run, and the runs of a node."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._exits import Exit
from phalanx.cli._files import write_file
from phalanx.cli._job import until_so
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option
from phalanx.cli.workflows._inputs import read_inputs
from phalanx.cli.workflows._run import print_run, run_status
from phalanx.cli.workflows._workers import WORKER_COMMANDS
from phalanx.core import InvalidInput, is_id

if TYPE_CHECKING:
    from phalanx.workflows.operations import Operation

# Of a run that goes on by itself, and how often one that is waited for is looked at.
_UNDER_WAY, _LOOK_EVERY_S = frozenset({"queued", "running"}), 0.2
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
    """The steps of workflow NAME: what each needs, who answers it, how often it is tried; and the inputs of a run.

    Or a run, by its id.
    """
    if is_id(name):
        print_run(client, name, as_json)
        return
    found = client.get(f"/v1/workflows/{quote(name, safe='')}")
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("step", lambda row: row["name"]),
        ("kind", lambda row: row["step_kind"]),
        ("answered by", lambda row: row["mode"] or "–"),
        ("needs", lambda row: ", ".join(row["needs"]) or "–"),
        ("attempts", lambda row: str(row["attempts"])),
        ("limit", lambda row: f"{row['limit_s']:g} s" if row["limit_s"] else "–"),
        ("undo", lambda row: "yes" if row["undoable"] else "–"),
        ("pure", lambda row: "yes" if row["pure"] else "–"),
    ]
    print_table(found["title"], found["steps"], columns, empty="it has no steps")
    inputs: list[Column] = [
        ("input", lambda row: row["name"]),
        ("type", lambda row: row["type"]),
        ("if not given", lambda row: "needed" if row["needed"] else json.dumps(row["default"], ensure_ascii=False)),
    ]
    print_table("Inputs of a run", found["inputs"], inputs, empty="it does not say what it takes")


@workflows.command("operations")
@client_options
@json_option
def operations(client: NodeClient, as_json: bool) -> None:
    """Operations that workflow files can use."""
    rows = client.get("/v1/operations")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("name", lambda row: row["name"]),
        ("kind", lambda row: row["step_kind"]),
        ("takes", lambda row: ", ".join(row["takes"])),
        ("gives", lambda row: ", ".join(row["gives"]) or "–"),
        ("title", lambda row: row["title"]),
    ]
    print_table("Operations", rows, columns, empty="there are none")


@workflows.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check a workflow's FILE locally, without a node; errors carry line and field."""
    from phalanx.workflows import InvalidFile, read_workflow

    try:
        found = read_workflow(_text_of(file), _operations(), file=str(file))
    except InvalidFile as error:
        if not as_json:
            raise
        import msgspec

        print_json({"file": str(file), "problems": msgspec.to_builtins(error.problems)})
        raise SystemExit(2) from None
    if as_json:
        print_json({"file": str(file), "problems": [], "steps": list(found.order())})
        return
    click.echo(f"{file}: {found.name} is right; its steps: {', '.join(found.order())}")


def _operations() -> "Mapping[str, Operation]":
    from phalanx.node import registered_operations

    return {one.name: one for one in registered_operations()}


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("FILE", f"{file} cannot be read: {error}") from error


@workflows.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@client_options
@json_option
def add(file: Path, client: NodeClient, as_json: bool) -> None:
    """Upload a workflow's FILE to the node, which stores it; one of the same name is replaced."""
    found = _add(client, file)
    if as_json:
        print_json(found)
        return
    click.echo(f"workflow {found['name']} can be run: phalanx workflows run {found['name']}")


def _add(client: NodeClient, file: Path) -> Any:
    return client.post_json("/v1/workflows", {"text": _text_of(file)})


def _has_ended(state: Any) -> bool:
    return state["status"] not in _UNDER_WAY


@workflows.command("run")
@click.argument("name")
@click.option(
    "--input", "inputs", multiple=True, metavar="KEY=VALUE",
    help="An input; a VALUE that is JSON is parsed. KEY=@FILE takes it from a file, @FILE takes all inputs from one.",
)  # fmt: skip
@click.option("--within", type=click.FloatRange(0), default=0.0, help="Seconds until its deadline; 0: none.")
@click.option("--id", "run", default="", help="Identifier of the run; the same identifier is the same run.")
@click.option("--seed", type=click.IntRange(0), help="Seed of its steps: same seed and inputs, same results.")
@click.option("--wait", is_flag=True, help="Wait until it has ended or was paused, and show the result.")
@client_options
@json_option
def run(
    name: str, inputs: tuple[str, ...], within: float, run: str, seed: int | None, wait: bool, client: NodeClient,
    as_json: bool,
) -> None:  # fmt: skip
    """Start a run of workflow NAME on the node; returns at once. A NAME that ends in .yaml is uploaded first.

    Input files are JSON (.json), YAML (.yaml, .yml), rows of numbers (.csv), or one value per line (.txt, .log,
    .lst or no extension); any other file is a single text, such as a circuit (.qasm).
    """
    if name.endswith((".yaml", ".yml")):
        name = _add(client, Path(name))["name"]
    asked = {"workflow": name, "inputs": read_inputs(inputs), "deadline_s": within, "run": run, "seed": seed}
    state = client.post_json("/v1/runs", asked)
    if wait:
        state = until_so(state, _has_ended, lambda one: client.get(f"/v1/runs/{one['id']}")["state"], _LOOK_EVERY_S)
        print_run(client, state["id"], as_json)
        if state["status"] != "done":
            click.get_current_context().exit(Exit.FAILED)
        return
    if as_json:
        print_json(state)
        return
    click.echo(f"run {state['id']} is {state['status']}")
    click.echo(f"see what comes of it: phalanx workflows status {state['id']}")


@workflows.command("runs")
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs in this state.")
@client_options
@limit_option
@json_option
def runs(status: str | None, client: NodeClient, limit: int, as_json: bool) -> None:
    """Runs and the state of each, newest first."""
    rows = client.get("/v1/runs", limit=limit, **({"status": status} if status else {}))["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("workflow", lambda row: row["template"]),
        ("status", run_status),
        ("reason", lambda row: row["reason"] or "–"),
        ("by", lambda row: row["by"] or "–"),
        ("id", lambda row: row["id"]),
    ]
    print_table("Runs", rows, columns, empty="nothing was run yet: phalanx workflows run --help")


@workflows.command("status")
@click.argument("run")
@client_options
@json_option
def status(run: str, client: NodeClient, as_json: bool) -> None:
    """State of RUN and why, and how long each step took on what."""
    print_run(client, run, as_json)


def _wish(what: str, text: str) -> None:
    @workflows.command(what, help=text)
    @click.argument("run")
    @click.option("--reason", default="", help="The reason; it is stored with the run.")
    @client_options
    @json_option
    def command(run: str, reason: str, client: NodeClient, as_json: bool) -> None:
        state = client.post_json(f"/v1/runs/{quote(run, safe='')}/{what}", {"reason": reason})
        if as_json:
            print_json(state)
        else:
            click.echo(f"run {state['id']} is {run_status(state)}")


_wish("pause", "Begin no further step of RUN; those at work end.")
_wish("resume", "Go on with a paused or failed RUN from what is kept.")
_wish("cancel", "Break off RUN and take back what its steps did outside, the last first.")


@workflows.command("replay")
@click.argument("run")
@click.option("--step", default="", help="Only this step.")
@client_options
@json_option
def replay(run: str, step: str, client: NodeClient, as_json: bool) -> None:
    """Repeat the pure steps of RUN with the same seeds, and say which give a different result. Stores nothing."""
    found = client.post_json(f"/v1/runs/{quote(run, safe='')}/replay", {"step": step})["steps"]
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("step", lambda row: row["step"]),
        ("outcome", lambda row: row["outcome"]),
        ("reason", lambda row: row["reason"] or "–"),
    ]
    print_table("Done again", found, columns, empty="no step has a result yet")


@workflows.command("export")
@click.argument("run")
@click.option(
    "--format", "form", type=click.Choice(("json", "svg")), default="json", show_default=True,
    help="Numbers, or a picture.",
)  # fmt: skip
@click.option("--out", "to", type=click.Path(path_type=Path), help="Write to this file instead of the screen.")
@client_options
def export(run: str, form: str, to: Path | None, client: NodeClient) -> None:
    """The chart of RUN: devices and why, hand-over times, critical path; as JSON or as a picture."""
    from phalanx.workflows import Gantt, gantt_svg

    found = client.get(f"/v1/runs/{quote(run, safe='')}/gantt")
    if form == "svg":
        import msgspec

        text = gantt_svg(msgspec.convert(found, Gantt))
    else:
        text = json.dumps(found, indent=2)
    if to is None:
        click.echo(text)
    else:
        write_file(to, text.encode())


for _command in WORKER_COMMANDS:
    workflows.add_command(_command)
