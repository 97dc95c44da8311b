"""`phalanx quantum segment|novelty|generate|classify`: learning routines, on files. No node is needed."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._output import json_option
from phalanx.cli.quantum._answers import read_lines, seed_option, show_answer
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command("segment")
@click.argument("links", type=_PATH)
@click.option("--balance", default=1.0, show_default=True, help="Weight of balancing the hosts between the segments.")
@click.option("--layers", default=2, show_default=True, help="Layers of the circuit.")
@click.option("--steps", default=80, show_default=True, help="Optimiser steps.")
@click.option("--natural", is_flag=True, help="Natural gradient instead of Adam.")
@click.option("--device", default="", help="Measure on this emulated device: ibm.fake_lagos.")
@click.option("--mitigate", default="", metavar="NAMES", help="On a device, any of readout, dd and twirl.")
@click.option("--shots", default=1_000, show_default=True, help="Shots per energy on a device.")
@seed_option
@json_option
def segment(
    links: Path, balance: float, layers: int, steps: int, natural: bool, device: str, mitigate: str, shots: int,
    seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Two segments for hosts by a variational eigensolver; LINKS has two hosts and their traffic on each line."""
    from phalanx.quantum.routines import segment_hosts

    read = []
    for number, line in enumerate(read_lines(links, "LINKS"), 1):
        words = line.replace(",", " ").split()
        try:
            one, other, traffic = words[0], words[1], float(words[2])
        except (IndexError, ValueError) as error:
            raise InvalidInput("LINKS", f"line {number} of {links} is not two hosts and a number") from error
        read.append((one, other, traffic))
    run = None
    if mitigate and not device:
        raise InvalidInput("--mitigate", "there is nothing to mitigate without --device")
    if device:
        from phalanx.allocation import published_machine
        from phalanx.quantum.mitigation import Mitigating, Mitigation

        run = Mitigating(published_machine(device), Mitigation.read(mitigate))
    answer = asyncio.run(
        segment_hosts(
            read, seed=seed, balance=balance, layers=layers, steps=steps, natural=natural, run=run, shots=shots
        )
    )
    sides = " | ".join(", ".join(side) for side in answer.found["segments"])
    cost = f"{answer.found['cost']:.4g}, the least possible is {answer.found['lowest_possible']:.4g}"
    show_answer(answer, as_json=as_json, told=[("segments", sides), ("cost", cost)])


@click.command("novelty")
@click.argument("usual", type=_PATH)
@click.argument("rows", type=_PATH)
@click.option("--columns", default=3, show_default=True, help="Columns that become bits.")
@click.option("--bits", default=2, show_default=True, help="Bits per column.")
@click.option("--method", type=click.Choice(["boltzmann", "density"]), default="boltzmann", show_default=True,
              help="A Boltzmann machine, or the density of a kernel.")  # fmt: skip
@click.option("--labelled", is_flag=True, help="The last column of ROWS says 1 for unusual rows: evaluate by it.")
@seed_option
@json_option
def novelty(
    usual: Path, rows: Path, columns: int, bits: int, method: str, labelled: bool, seed: int, as_json: bool
) -> None:
    """Which of ROWS are unlike all of USUAL, by a quantum Boltzmann machine or kernel; CSV of numbers, no header."""
    from phalanx.quantum.routines import density_novelties, find_novelties

    known = _table(usual, "USUAL")
    asked, labels = _labelled(rows, "ROWS") if labelled else (_table(rows, "ROWS"), None)
    if not labelled and asked.shape[1] == known.shape[1] + 1:
        raise InvalidInput("ROWS", "have one column more than USUAL", hint="if it says what is unusual: --labelled")
    if method == "density":
        answer = density_novelties(known, asked, seed=seed, labels=labels)
        what, unit = answer.found["ranks"], "of usual rows are less unlike the others"
        worst = ", ".join(f"line {at + 1} ({what[at]:.1%} {unit})" for at in answer.found["worst"][:8])
    else:
        answer = find_novelties(known, asked, seed=seed, columns=columns, bits_each=bits, labels=labels)
        what = answer.found["surprise_bits"]
        worst = ", ".join(f"line {at + 1} ({what[at]:.1f} bits)" for at in answer.found["worst"][:8])
    told = [("most unusual", worst)]
    if labels is not None:
        told.append(("areas", ", ".join(f"{name} {value:.3f}" for name, value in answer.found["areas"].items())))
    show_answer(answer, as_json=as_json, told=told)


@click.command("generate")
@click.argument("rows", type=_PATH)
@click.option(
    "--others", type=_PATH, help="Rows of the other kind: the usefulness of synthetic rows is evaluated on them."
)
@click.option("--draws", default=1_000, show_default=True, help="Number of rows to draw.")
@click.option("--columns", default=4, show_default=True, help="Columns to model.")
@click.option("--bits", default=2, show_default=True, help="Bits per column.")
@click.option("--layers", default=4, show_default=True, help="Layers of the circuit.")
@click.option("--method", type=click.Choice(["born", "adversarial"]), default="born", show_default=True,
              help="Trained by a kernel (Born machine), or against a discriminator (adversarial network).")  # fmt: skip
@click.option("--output", type=_PATH, help="Write the drawn rows to this CSV.")
@seed_option
@json_option
def generate(
    rows: Path, others: Path | None, draws: int, columns: int, bits: int, layers: int, method: str,
    output: Path | None, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Synthetic attack traffic like ROWS by a quantum model, judged by usefulness and by what it reveals; CSV."""
    from phalanx.cli._files import write_file
    from phalanx.quantum.routines import generate as generated

    answer = generated(
        _table(rows, "ROWS"), seed=seed, columns=columns, bits_each=bits, layers=layers, draws=draws,
        method=method, others=None if others is None else _table(others, "--others"),
    )  # fmt: skip
    if output is not None:
        text = "".join(",".join(f"{value:g}" for value in row) + "\n" for row in answer.found["rows"])
        write_file(output, text.encode())
    told = [("columns", ", ".join(str(column + 1) for column in answer.found["columns"]))]
    for name, judged in answer.found["judged"].items():
        parts = [f"{what.replace('_', ' ')} {value:.3f}" for what, value in judged.items()]
        told.append((name, ", ".join(parts)))
    show_answer(answer, as_json=as_json, told=told)


@click.command("classify")
@click.argument("train", type=_PATH)
@click.argument("rows", type=_PATH)
@click.option("--qubits", default=6, show_default=True, help="Principal components, one per qubit.")
@click.option("--layers", default=2, show_default=True, help="Layers of the circuit.")
@click.option("--steps", default=200, show_default=True, help="Optimiser steps.")
@click.option("--method", type=click.Choice(["variational", "kernel"]), default="variational", show_default=True,
              help="A circuit whose angles are learned, or a quantum kernel.")  # fmt: skip
@seed_option
@json_option
def classify(
    train: Path, rows: Path, qubits: int, layers: int, steps: int, method: str, seed: int, as_json: bool
) -> None:
    """Tell two classes apart by a circuit or a kernel; CSV of numbers whose last column is the class, 0 or 1."""
    from phalanx.quantum.routines import classify as classified
    from phalanx.quantum.routines import classify_by_kernel

    known, labels = _labelled(train, "TRAIN")
    asked, truth = _labelled(rows, "ROWS")
    if method == "kernel":
        answer = classify_by_kernel(known, labels, asked, truth=truth, seed=seed, qubits=qubits)
    else:
        answer = classified(known, labels, asked, truth=truth, seed=seed, qubits=qubits, layers=layers, steps=steps)
    told = [
        (what, ", ".join(f"{name} {value:.3f}" for name, value in answer.found[what].items()))
        for what in ("accuracy", "areas")
    ]
    show_answer(answer, as_json=as_json, told=told)


def _table(path: Path, field: str) -> "npt.NDArray[np.float64]":
    import numpy as np

    rows: list[list[float]] = []
    for number, line in enumerate(read_lines(path, field), 1):
        try:
            rows.append([float(word) for word in line.split(",")])
        except ValueError as error:
            raise InvalidInput(field, f"line {number} of {path} is not numbers: {error}") from error
        if len(rows[-1]) != len(rows[0]):
            raise InvalidInput(field, f"line {number} of {path} has {len(rows[-1])} numbers, the first {len(rows[0])}")
    if not rows:
        raise InvalidInput(field, f"{path} is empty")
    return np.array(rows)


def _labelled(path: Path, field: str) -> "tuple[npt.NDArray[np.float64], Any]":
    table = _table(path, field)
    last = table[:, -1]
    if table.shape[1] < 2 or not ((last == 0) | (last == 1)).all():
        raise InvalidInput(field, f"the last column of {path} is not 0 or 1")
    return table[:, :-1], (last == 1).tolist()
