"""`phalanx intel models`: models trained on labelled events. `train` needs no node."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import read_file, write_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of

if TYPE_CHECKING:
    from phalanx.core import LogSource
    from phalanx.intel.models import Labelled

_FILE = click.Path(path_type=Path, dir_okay=False)
_PATH = "/v1/models"


@click.group(cls=Group, short_help="Models trained on labelled events: train, put, promote, retire, score.")
def models() -> None:
    """Models trained on labelled events. A new one runs in shadow until you promote it."""


@models.command()
@click.argument("name")
@click.argument("file", type=_FILE)
@click.option("--out", type=_FILE, required=True, help="File to write the model to.")
@click.option("--log-source", default="", help="product/category/service of the events; parts may be empty.")
@click.option("--label", default="", help="The field that holds the label; a node's examples have it.")
@click.option("--attack", multiple=True, help="Label that means attack; repeatable.")
@click.option(
    "--format", "form", type=click.Choice(["events", "csv", "examples"]), default="events", show_default=True,
    help="Log lines as a node reads them; CSV with a header; or the output of `examples`.",
)  # fmt: skip
@click.option("--test", type=_FILE, help="A separate set in the same format, to be evaluated on.")
@click.option("--exclude", multiple=True, help="A field to ignore.")
@click.option(
    "--order",
    type=click.Choice(["time", "random"]),
    default="time",
    show_default=True,
    help="How to split into training and test data.",
)
@click.option("--title", default="", help="Title of its findings.")
@click.option(
    "--severity",
    type=click.Choice(["low", "medium", "high"]),
    default="medium",
    show_default=True,
    help="Severity of its findings.",
)
@click.option("--technique", multiple=True, help="ATT&CK technique of its findings; repeatable.")
@click.option(
    "--false-alarms",
    type=click.FloatRange(1e-6, 0.5),
    default=1e-3,
    show_default=True,
    help="Tolerated rate of false alarms.",
)
@click.option("--trees", type=click.IntRange(1, 5_000), default=200, show_default=True, help="Number of trees.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same model.")
@json_option
def train(
    name: str, file: Path, out: Path, log_source: str, label: str, attack: tuple[str, ...], form: str,
    test: Path | None, exclude: tuple[str, ...], order: str, title: str, severity: str, technique: tuple[str, ...],
    false_alarms: float, trees: int, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Train the model NAME on the labelled events in FILE, and evaluate it on events that training did not see.

    Needs the extra `learning`. The model's own description, with intervals and floors, goes wherever it goes.
    """
    import msgspec

    from phalanx.core import InvalidInput
    from phalanx.intel.models import TrainingOptions, train_model

    if form != "examples" and not (label and attack):
        raise InvalidInput("label", "--label and --attack say which events are attacks")
    source = _source(log_source)
    rows = _read(file, form, source, label, attack)
    options = TrainingOptions(
        name=name, title=title or f"Scored as an attack by {name}", log_source=source, severity=severity,
        techniques=technique, exclude=exclude, order="time" if order == "time" else "random",
        false_alarms=false_alarms, trees=trees, seed=seed,
    )  # fmt: skip
    apart = None if test is None else _read(test, form, source, label, attack)
    document = train_model(rows, options, data=file.name, test=apart)
    write_file(out, document.to_bytes())
    told = {"name": name, "digest": document.digest, **msgspec.to_builtins(document.provenance)}
    if as_json:
        print_json(told)
        return
    _provenance(told)
    click.echo(printable(f"written to {out}; put it in shadow: phalanx intel models put {out}"))


@models.command()
@click.argument("file", type=_FILE)
@client_options
@json_option
def put(file: Path, client: NodeClient, as_json: bool) -> None:
    """Put the model in FILE in shadow."""
    found = client.post(_PATH, content=read_file(file), headers={"Content-Type": "application/octet-stream"})
    print_json(found) if as_json else click.echo(printable(f"{found['id']} is in {found['state']}"))


@models.command(name="list")
@client_options
@json_option
def list_models(client: NodeClient, as_json: bool) -> None:
    """Models, their state, and what they saw."""
    found = client.get(_PATH)["items"]
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("model", lambda row: row["entry"]["id"]), ("state", lambda row: row["entry"]["state"]),
        ("about", lambda row: row["entry"]["log_source"] or "any"),
        ("since", lambda row: time_of("since_ns")(row["entry"])), ("by", lambda row: row["entry"]["by"]),
        ("events", lambda row: f"{row['status']['events']:,}"), ("passed", lambda row: f"{row['status']['passed']:,}"),
        ("drift (PSI)", _drift),
    ]  # fmt: skip
    print_table("Models", found, columns, empty="there are no models")


@models.command()
@click.argument("model")
@client_options
@json_option
def show(model: str, client: NodeClient, as_json: bool) -> None:
    """MODEL with its origin, how good it was, and what it saw here."""
    found = client.get(f"{_PATH}/{model}")
    if as_json:
        print_json(found)
        return
    entry, status = found["entry"], found["status"]
    click.echo(printable(f"{entry['id']}: {entry['title']}"))
    click.echo(printable(f"{entry['state']} by {entry['by']}: {entry['reason']}"))
    _provenance(found["provenance"])
    word = "drifted: " if status["drifted"] else ""
    drift = f"{word}largest PSI {status['psi']:.2f} ({status['psi_of'] or 'nothing yet'}), {status['drifts']} changes"
    click.echo(
        printable(f"here: {status['events']} events, {status['passed']} above {status['threshold']:.2f}; {drift}")
    )


@models.command()
@click.argument("model")
@click.option("--reason", required=True, help="The reason; it goes into the ledger.")
@client_options
@json_option
def promote(model: str, reason: str, client: NodeClient, as_json: bool) -> None:
    """Let MODEL raise findings, after its time in shadow; the promoted model of the same name is retired."""
    _move(client, model, "promote", reason, as_json=as_json)


@models.command()
@click.argument("model")
@click.option("--reason", required=True, help="The reason; it goes into the ledger.")
@client_options
@json_option
def retire(model: str, reason: str, client: NodeClient, as_json: bool) -> None:
    """Stop using MODEL; it is kept for the record."""
    _move(client, model, "retire", reason, as_json=as_json)


@models.command()
@click.argument("model")
@click.argument("file", type=_FILE)
@click.option("--format", "form", default="auto", show_default=True, help="Format of the lines.")
@client_options
@json_option
def score(model: str, file: Path, form: str, client: NodeClient, as_json: bool) -> None:
    """How MODEL scores the events in FILE, most suspicious first."""
    found = client.post(
        f"{_PATH}/{model}/score", content=read_file(file), headers={"Content-Type": "text/plain"}, format=form
    )["items"]
    rows = sorted(found, key=lambda row: -row["log_odds"])
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("line", lambda row: str(row["row"] + 1)), ("probability", lambda row: f"{row['probability']:.4f}"),
        ("log-odds", lambda row: f"{row['log_odds']:.2f}"), ("passes", lambda row: "yes" if row["passes"] else "no"),
    ]  # fmt: skip
    print_table("Events", rows[:50], columns, empty="none is of its log source")


@models.command()
@click.option("--out", type=_FILE, required=True, help="File to write to, one example per line.")
@client_options
@json_option
def examples(out: Path, client: NodeClient, as_json: bool) -> None:
    """Write training events: those of findings that people judged, and others beside them presumed to be benign."""
    found = client.get(f"{_PATH}/examples")["items"]
    write_file(out, "".join(json.dumps(one) + "\n" for one in found).encode())
    attacks, presumed = (sum(one[name] for one in found) for name in ("attack", "presumed"))
    told = {"examples": len(found), "attacks": attacks, "presumed": presumed}
    print_json(told) if as_json else click.echo(f"{len(found)} examples: {attacks} attacks, {presumed} presumed none")


def _move(client: NodeClient, model: str, how: str, reason: str, *, as_json: bool) -> None:
    found = client.post_json(f"{_PATH}/{model}/{how}", {"reason": reason})
    print_json(found) if as_json else click.echo(printable(f"{found['id']} is {found['state']}"))


def _drift(row: Mapping[str, Any]) -> str:
    status = row["status"]
    return f"{status['psi']:.2f}{', drifted' if status['drifted'] else ''}"


def _source(text: str) -> "LogSource":
    from phalanx.core import InvalidInput, LogSource

    parts = text.split("/")
    if len(parts) not in (1, 3):
        raise InvalidInput("--log-source", "is product/category/service; parts may be empty")
    return LogSource(*parts)


def _read(file: Path, form: str, source: "LogSource", label: str, attack: tuple[str, ...]) -> "Labelled":
    from phalanx.core import DEFAULT_TENANT, BatchId
    from phalanx.intel import read_chunk
    from phalanx.intel.models import example_batches, labelled_csv, labelled_events, read_examples

    data = read_file(file)
    if form == "csv":
        return labelled_csv(data, label, attack)
    if form == "examples":
        return labelled_events(example_batches(read_examples(data)), source, "_attack", ["true"])
    ident = BatchId("00000000-0000-7000-8000-000000000000")
    out = read_chunk(data, reader="auto", tenant=DEFAULT_TENANT, batch=ident, accepted_at_ns=0)
    return labelled_events(out.batches, source, label, attack)


def _provenance(told: dict[str, Any]) -> None:
    click.echo(printable(f"data: {told['data']}, {told['rows']} rows, {told['attacks']} attacks; {told['split']}"))
    click.echo(printable(f"judged on {told['test_rows']} rows, of which {told['base_rate']:.2%} are attacks"))
    rows = [{"what": name, "said": _said(value)} for name, value in told["metrics"].items()]
    rows += [{"what": f"floor: {name}", "said": _said(value)} for name, value in told["baselines"].items()]
    columns: list[Column] = [("measure", lambda row: row["what"]), ("value", lambda row: row["said"])]
    print_table("How good it was", rows, columns, empty="nothing was measured")


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['value']:.4f} ({value['low']:.4f}-{value['high']:.4f})"
    return "–" if value is None else f"{value:.4f}"
