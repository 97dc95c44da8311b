"""`phalanx devices`: which quantum devices there are, how good each is, and jobs on them."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import CIRCUIT_TIMEOUT_S, NodeClient, client_options
from phalanx.cli._files import write_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option
from phalanx.cli.devices._brought import brought_models
from phalanx.cli.devices._jobs import end_with, print_job, state_of, until_ended
from phalanx.cli.devices._run import run_here
from phalanx.cli.devices._workers import watch_worker, workers
from phalanx.cli.quantum._circuits import circuit_text
from phalanx.core import InvalidInput

_LOOK_EVERY_S = 0.2
# The first is what is drawn unless another is asked for.
_NUMBERS = ("two_qubit_error", "one_qubit_error", "readout_error", "t1_ns", "t2_ns")
_WORKER_NUMBERS = ("busy", "memory", "load", "gpu")

plot_option = click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write the picture to this SVG file."
)


@click.group(cls=Group, short_help="Quantum devices: how good each is, and jobs on them.")
def devices() -> None:
    """Quantum devices and simulators: how good each is, and jobs on them."""


devices.add_command(workers)
devices.add_command(run_here)


@devices.command("list")
@click.option("--here", is_flag=True, help="Devices of this installation, without asking a node.")
@click.option("--provider", default="", help="Only devices of this provider.")
@client_options
@json_option
def list_devices(here: bool, provider: str, client: NodeClient, as_json: bool) -> None:
    """Quantum devices and simulators, and what kind of results each gives."""
    rows = _brought() if here else client.get("/v1/devices")["items"]
    rows = [row for row in rows if provider in {"", row["provider"]}]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("device", lambda row: row["name"]),
        ("kind", lambda row: row["kind"]),
        ("qubits", lambda row: f"{row['usable_qubits']}/{row['n_qubits']}"),
        ("results are", lambda row: row["origin"]),
        ("status", _status),
        ("calibrated", _calibrated),
        ("2q error", lambda row: _percent(row["two_qubit_error"])),
        ("readout", lambda row: _percent(row["readout_error"])),
        ("T1 µs", lambda row: _us(row["t1_ns"])),
        ("T2 µs", lambda row: _us(row["t2_ns"])),
        ("waiting", lambda row: _waiting(row["queue"])),
        ("price", lambda device: device["price"]["charge"]),
    ]
    none = f"there is none of a provider {provider!r}" if provider else "there is none"
    print_table("Devices", rows, columns, empty=none)


@devices.command("show")
@click.argument("device")
@click.option(
    "--couplers", is_flag=True, help="Couplers instead of qubits: error and duration of each, and what is masked."
)
@plot_option
@client_options
@json_option
def show(device: str, couplers: bool, plot: Path | None, client: NodeClient, as_json: bool) -> None:
    """Everything known about DEVICE, qubit by qubit; --plot draws its map, shaded by error."""
    path = f"/v1/devices/{quote(device, safe='')}"
    if plot is not None:
        write_file(plot, b"".join(client.download(f"{path}/map.svg")))
        click.echo(f"drawn: {plot}", err=True)
    detail = client.get(path)
    if as_json:
        print_json(detail)
        return
    _print_head(detail)
    if couplers:
        print_table("Couplers", detail["couplers"], _COUPLERS, empty="it has none")
        return
    columns: list[Column] = [
        ("qubit", lambda row: str(row["qubit"])),
        ("", lambda row: "masked" if row["faulty"] else ""),
        ("T1 µs", lambda row: _us(row["t1_ns"])),
        ("T2 µs", lambda row: _us(row["t2_ns"])),
        ("1q error", lambda row: _percent(row["one_qubit_error"])),
        ("readout", lambda row: _percent(row["readout_error"])),
    ]
    # A machine of which nothing is told qubit by qubit needs no page of empty rows.
    if any(text(row) for row in detail["qubits"] for _, text in columns[1:]):
        print_table("Qubits", detail["qubits"], columns, empty="")


@devices.command("watch")
@click.argument("device")
@click.option("--number", help="Number that --plot draws; by default the two-qubit error, for a worker how busy it is.")
@click.option("--qubit", type=click.IntRange(0), help="Draw one qubit instead of the median.")
@plot_option
@client_options
@json_option
def watch(
    device: str, number: str | None, qubit: int | None, plot: Path | None, client: NodeClient, as_json: bool
) -> None:  # fmt: skip
    """History of DEVICE's calibration, queue and availability, what drifted, and which jobs it failed.

    DEVICE may be a worker, worker.NAME: then --number is busy, memory, load or gpu.
    """
    numbers = _WORKER_NUMBERS if device.startswith("worker.") else _NUMBERS
    number = number or numbers[0]
    if number not in numbers:
        raise InvalidInput("--number", f"{number!r} is none of {', '.join(numbers)}")
    if device.startswith("worker."):
        if qubit is not None:
            raise InvalidInput("--qubit", f"{device} is a machine without qubits")
        watch_worker(device, number, plot, client, as_json=as_json)
        return
    path = f"/v1/devices/{quote(device, safe='')}/history"
    history = client.get(path)
    if plot is not None:
        query = f"?number={quote(number)}" + ("" if qubit is None else f"&qubit={qubit}")
        write_file(plot, b"".join(client.download(f"{path}.svg{query}")))
        click.echo(f"drawn: {plot}", err=True)
    if as_json:
        print_json(history)
        return
    columns: list[Column] = [
        ("calibrated", time_of("calibrated_at_ns")),
        ("2q error", lambda row: _percent(row["two_qubit_error"])),
        ("1q error", lambda row: _percent(row["one_qubit_error"])),
        ("readout", lambda row: _percent(row["readout_error"])),
        ("T1 µs", lambda row: _us(row["t1_ns"])),
        ("T2 µs", lambda row: _us(row["t2_ns"])),
        ("drifted", lambda row: "; ".join(row["drifts"])),
    ]
    print_table("Calibrations", history["calibrations"], columns, empty="no calibration was seen yet")
    states: list[Column] = [
        ("when", time_of("at_ns")),
        ("status", lambda row: row["status"]),
        ("waiting", lambda row: "" if row["depth"] is None else str(row["depth"])),
    ]
    none = "neither its queue nor its status was seen to change"
    print_table("Queue and availability", history["states"], states, empty=none)
    failures: list[Column] = [
        ("when", time_of("at_ns")),
        ("job", lambda row: row["job"]),
        ("attempt", lambda row: str(row["attempt"])),
        ("what it said", lambda row: row["why"]),
    ]
    if history["failures"]:
        print_table("Jobs of yours that it failed", history["failures"], failures, empty="")


@devices.command("submit")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--device", default="", help="Device to use; by default the node's policy chooses.")
@click.option(
    "--results", type=click.Choice(["simulated", "emulated", "hardware"]), help="Choose among devices of this kind."
)
@click.option("--shots", type=click.IntRange(1), default=1_000, show_default=True, help="Number of shots.")
@click.option("--seed", type=click.IntRange(0), help="The same seed gives the same result on a simulator.")
@click.option("--key", default="", help="A name of your choice: submitting under it again finds the first job.")
@click.option("--language", default="", help="Language of the file; by default recognised from its text.")
@click.option("--fidelity", type=click.FloatRange(0, 1), default=0.0, help="Minimum useful fidelity (circuits only).")
@click.option("--within", "within_s", type=click.FloatRange(0), default=0.0, help="Seconds until it is due; 0: never.")
@click.option(
    "--budget",
    type=click.FloatRange(0),
    default=0.0,
    help="Maximum cost, in the device's currency; 0: no limit.",
)
@click.option("--region", "regions", multiple=True, help="Only devices in this region; repeatable.")
@click.option("--emergency", is_flag=True, help="Only where it is known to go well; no experiments.")
@click.option("--no-degrade", is_flag=True, help="Fail rather than be done by a classical simulator.")
@click.option("--mitigate", default="", metavar="LIST", help="Mitigation on an emulated machine: readout,twirl,dd.")
@click.option(
    "--coherence", default="", metavar="STRATEGY", help="How its qubits are protected while idle: decoupling-xy4."
)
@click.option("--wait", is_flag=True, help="Wait until it has ended, and print its result.")
@client_options
@json_option
def submit(
    file: Path, device: str, results: str | None, shots: int, seed: int | None, key: str, language: str,
    fidelity: float, within_s: float, budget: float, regions: tuple[str, ...], emergency: bool, no_degrade: bool,
    mitigate: str, coherence: str, wait: bool, client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Submit FILE, or standard input for `-`, as a job. It survives a restart of the node.

    FILE is a circuit (OpenQASM 3 or 2, QIR, Q#), or JSON for a machine without gates: an analog program for neutral
    atoms (our own form, a Pulser sequence, a Braket AHS program), an Ising problem or QUBO for an annealer, or a
    photonic program.
    """
    text, told = circuit_text(file, language or None)
    is_program = not told and text.lstrip().startswith("{")
    wanted = {
        "program" if is_program else "circuit": text, "language": told or "", "device": device, "origin": results or "",
        "shots": shots, "seed": seed, "key": key, "fidelity": fidelity, "within_s": within_s, "budget": budget,
        "regions": regions, "emergency": emergency, "degrade": not no_degrade,
        "mitigate": mitigate, "coherence": coherence,
    }  # fmt: skip
    if mitigate and not as_json:
        from phalanx.devices import check_treatment, treatment_cost

        check_treatment(mitigate, coherence)
        click.echo(f"against noise: {treatment_cost(mitigate, shots).told()}", err=True)
    job = client.post_json("/v1/jobs", wanted, timeout_s=CIRCUIT_TIMEOUT_S)
    if wait:
        job = until_ended(
            job, lambda found: found["state"], lambda found: _job(client, found["id"]), every_s=_LOOK_EVERY_S
        )
    print_job(client, job, as_json)
    if wait:
        end_with(job["state"])


@devices.command("job")
@click.argument("job", required=False)
@client_options
@limit_option
@json_option
def job(job: str | None, client: NodeClient, limit: int, as_json: bool) -> None:
    """JOB with its result and what it costs, or without JOB the newest jobs."""
    if job is not None:
        print_job(client, _job(client, job), as_json)
        return
    rows = list(client.pages("/v1/jobs", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("device", lambda row: row["device"]),
        ("shots", lambda row: str(row["shots"])),
        ("state", state_of),
        ("error", lambda row: row["error"]),
        ("id", lambda row: row["id"]),
    ]
    print_table("Jobs", rows, columns, empty="no job was submitted yet: phalanx devices submit --help")


@devices.command("cancel")
@click.argument("job")
@client_options
@json_option
def cancel(job: str, client: NodeClient, as_json: bool) -> None:
    """Cancel JOB, unless it has ended. The vendor is asked to drop what was sent to it."""
    ended = client.post(f"/v1/jobs/{quote(job, safe='')}/cancel")
    print_job(client, ended, as_json)


@devices.command("refresh")
@click.argument("provider", type=click.Choice(["ibm", "google", "iqm"]))
@click.option(
    "--to", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write."
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="For iqm, whose SDK contains no dates: when that SDK was released.",
)
def refresh(provider: str, target: Path, as_of: datetime | None) -> None:
    """Extract the calibrations of PROVIDER from its installed SDK into a file of arrays, like the one the package
    ships.

    A node emulates from that file once its setting `devices.options` names it as `PROVIDER.snapshots`.
    """
    if (provider == "iqm") is not (as_of is not None):
        needed = "its SDK dates nothing: say when it was released" if provider == "iqm" else "its SDK has dates itself"
        raise click.BadParameter(needed, param_hint="--as-of")
    from phalanx.adapters.providers import google_snapshots, ibm_snapshots, iqm_snapshots
    from phalanx.devices import write_snapshots

    if as_of is not None:
        found = iqm_snapshots(as_of.replace(tzinfo=UTC))
    else:
        found = ibm_snapshots() if provider == "ibm" else google_snapshots()
    write_file(target, write_snapshots(found))
    click.echo(f"{len(found)} devices, {sum(one.head.n_qubits for one in found):,} qubits from {found[0].head.source}")
    click.echo(f"used by a node with: phalanx up --set devices.options={provider}.snapshots={target.resolve()}")


@devices.command("prices")
@json_option
def prices(as_json: bool) -> None:
    """Price lists of real machines that this package ships: source, date, and whether each was checked again."""
    from phalanx.devices import price_lists

    rows = [
        {
            "of": name, "shape": one.shape.value, "currency": one.currency, "minimum": one.minimum, "fixed": one.fixed,
            "per_shot": one.per_shot, "per_one": one.per_one, "per_two": one.per_two,
            "per_measured": one.per_measured, "per_second": one.per_second, "per_month": one.per_month,
            "as_of_ns": one.as_of_ns, "source": one.source,
        }
        for name, one in sorted(price_lists().items())
    ]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    names = ("minimum", "fixed", "per_shot", "per_one", "per_two", "per_measured", "per_second")
    columns: list[Column] = [
        ("of", lambda row: row["of"]),
        ("shape", lambda row: row["shape"]),
        ("", lambda row: ", ".join(f"{name} {row[name]:g}" for name in names if row[name])),
        ("in", lambda row: row["currency"]),
        ("as of", lambda row: time_of("as_of_ns")(row)[:10]),
        ("source", lambda row: row["source"]),
    ]
    print_table("Price lists", rows, columns, empty="")


def _brought() -> list[dict[str, Any]]:
    """The same as the API would list them."""
    from phalanx.core import encode_json
    from phalanx.devices import device_view

    return [json.loads(encode_json(device_view(one, time.time_ns()))) for one in brought_models()]


def _job(client: NodeClient, job: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/jobs/{quote(job, safe='')}")
    return found


_COUPLERS: list[Column] = [
    ("qubits", lambda row: "-".join(map(str, row["qubits"]))),
    ("", lambda row: "masked" if row["faulty"] else ""),
    ("2q error", lambda row: _percent(row["two_qubit_error"])),
    ("± (standard error)", lambda row: _percent(row["two_qubit_error_se"])),
    ("duration ns", lambda row: "" if row["two_qubit_ns"] is None else f"{row['two_qubit_ns']:,.4g}"),
]


def _print_head(detail: dict[str, Any]) -> None:
    device = detail["device"]
    click.echo(f"{device['name']} ({device['title']}): {device['kind']}, {device['origin']}, {_status(device)}")
    click.echo(f"qubits       {device['usable_qubits']} of {device['n_qubits']} work")
    click.echo(f"calibration  {_calibrated(device) or 'none'}, {device['calibration_source']}")
    if detail["features"]["gates"]:
        masked = sum(one["faulty"] for one in detail["couplers"])
        click.echo(f"couplers     {len(detail['couplers'])}, {masked} masked")
    medians = {"two-qubit": "two_qubit_error", "one-qubit": "one_qubit_error", "readout": "readout_error"}
    if any(device[field] is not None for field in medians.values()):
        told = [f"{name} {_percent(device[field]) or 'unknown'}" for name, field in medians.items()]
        click.echo(f"medians      {', '.join(told)}")
    able = [name.replace("_", "-") for name, has in detail["features"].items() if has]
    able += ["photonic programs"] if detail["photonic"] else []
    click.echo(f"can          {', '.join(able)}")
    if detail["analog"]:
        told = [f"{name} {value:g}" for name, value in detail["analog"].items() if value]
        click.echo(f"allows       {', '.join(told)} (µm, µs, rad/µs)")
    if _waiting(device["queue"]):
        click.echo(f"waiting      {_waiting(device['queue'])}")
    if light := detail["photonic"]:
        do = "click" if light["threshold"] else "count"
        click.echo(f"photons      up to {light['photons']} in {light['modes']} modes, whose detectors {do}")
        figures = ("transmittance", "indistinguishability", "g2", "brightness")
        click.echo(f"their light  {', '.join(f'{name} {light[name]:g}' for name in figures)}; {light['source']}")
    price = device["price"]
    click.echo(f"price        {price['charge']} in {price['currency']}, {price['source']}")


def _status(row: Any) -> str:
    return ", ".join(filter(None, (row["status"], row["kept_away"])))


def _waiting(queue: Any) -> str:
    """Number of jobs waiting at a device, else how long one waits."""
    if queue["depth"] is not None:
        return str(queue["depth"])
    return "" if queue["wait_ns_p50"] is None else f"{queue['wait_ns_p50'] / 1e9:,.0f} s"


def _calibrated(row: Any) -> str:
    return time_of("calibrated_at_ns")(row)[:10] if row["calibrated_at_ns"] else ""


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.3g} %"


def _us(ns: float | None) -> str:
    return "" if ns is None else f"{ns / 1e3:,.0f}" if ns >= 1e6 else f"{ns / 1e3:.4g}"
