"""`phalanx quantum cut`: a circuit in pieces that fit, and its mean reassembled. No node is needed."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phalanx.cli._files import read_file
from phalanx.cli._output import Column, json_option, print_json, print_table

if TYPE_CHECKING:
    from phalanx.core import Circuit
    from phalanx.quantum import Op, ShotResult, ShotRunner

_EXACT_QUBITS = 20


@click.command("cut")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--max-qubits", type=click.IntRange(1), required=True, help="Maximum qubits of each piece.")
@click.option(
    "--observable", "text", default="", help="The observable: 'Z0 Z1 + 0.5*X2'; by default the parity of all qubits."
)
@click.option("--device", default="", help="Emulate this device: ibm.fake_lagos; by default pieces are simulated.")
@click.option("--shots", type=click.IntRange(1), default=4_000, show_default=True, help="Shots of each circuit.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of every random draw.")
@click.option("--only-cost", is_flag=True, help="Say where it would be cut and what that takes, and run nothing.")
@click.option("--force", is_flag=True, help="Even if it needs more shots than is reasonable.")
@json_option
def cut(
    file: Path, max_qubits: int, text: str, device: str, shots: int, seed: int, only_cost: bool, force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """The mean of an observable after the gates of FILE, from pieces with a maximum number of qubits."""
    from phalanx.quantum import Gates, Observable, simulate
    from phalanx.quantum.circuits import read
    from phalanx.quantum.cutting import circuits_of, cut_mean, find_cuts

    circuit = read(read_file(file))
    asked = Observable.read(text or " ".join(f"Z{qubit}" for qubit in range(circuit.n_qubits)))
    plan = find_cuts(circuit, max_qubits, seed=seed, force=force)
    n_circuits = len(circuits_of(plan, asked))
    cost = {"told": plan.told(), "overhead": plan.overhead, "widths": list(plan.widths),
            "cuts": [{"kind": one.kind, "where": one.where, "overhead": one.overhead} for one in plan.cuts],
            "circuits": n_circuits, "shots": n_circuits * shots}  # fmt: skip
    if not as_json:
        click.echo(f"{plan.told()}; {n_circuits} circuits, {n_circuits * shots:,} shots", err=not only_cost)
        for one in plan.cuts:
            click.echo(f"  cut: {one.where} ({one.overhead:.3g} times the shots)", err=not only_cost)
    if only_cost:
        if as_json:
            print_json(cost)
        return
    found = asyncio.run(cut_mean(plan, asked, run=_runner(device), shots=shots, seed=seed))
    exact = None
    if circuit.n_qubits <= _EXACT_QUBITS:
        gates = Gates(circuit.n_qubits)
        exact = asked.exact(simulate.statevector(gates.extend(_ops(circuit))))
    if as_json:
        import msgspec

        print_json(cost | {"value": found.value, "error": found.error, "exact": exact, "observable": str(asked),
                           "provenance": msgspec.to_builtins(found.provenance)})  # fmt: skip
        return
    rows = [{"how": "from pieces", "value": found.value, "error": f"{found.error:.4f}"}]
    if exact is not None:
        rows.append({"how": "whole, ideal machine, exact", "value": exact, "error": ""})
    columns: list[Column] = [
        ("how", lambda row: row["how"]),
        ("mean", lambda row: f"{row['value']:.4f}"),
        ("± of drawing shots", lambda row: row["error"]),
    ]
    print_table(f"Mean of {asked}, {found.provenance[0].origin.value}", rows, columns, empty="nothing")


def _ops(circuit: "Circuit") -> "list[Op]":
    from phalanx.quantum import Op, gate_array

    steps = gate_array(circuit).steps().steps
    return [Op(step.name, step.qubits, step.params) for step in steps if step.name not in ("measure", "barrier")]


def _runner(device: str) -> "ShotRunner":
    if device:
        from phalanx.allocation import published_machine

        return published_machine(device).run
    return _simulated


async def _simulated(circuit: "Circuit", /, *, shots: int, seed: int) -> "ShotResult":
    """Pieces contain mid-circuit measurements, so the simulator is one that supports them."""
    from phalanx.core import Origin, Provenance, Rng
    from phalanx.quantum import ShotResult
    from phalanx.quantum.simulators import run

    found = run(circuit, shots=shots, rng=Rng(seed).child("shots"))
    made = Provenance(
        origin=Origin.SIMULATED, device=f"local.{found.choice.method}", circuits=(circuit.digest,), shots=shots,
        seed=seed,
    )  # fmt: skip
    return ShotResult(found.counts, made)
