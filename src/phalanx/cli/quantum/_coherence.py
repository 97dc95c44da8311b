"""`phalanx quantum coherence`: what keeps a circuit coherent on a device, and what that costs. No node is needed."""

from pathlib import Path

import click

from phalanx.cli._files import read_file
from phalanx.cli._output import Column, json_option, print_json, print_table


@click.command("coherence")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--device", required=True, help="Device to emulate: ibm.fake_lagos.")
@click.option("--slow-t2", type=click.FloatRange(0), default=0.0,
              help="Also assume a slow drift, by its T2 as a multiple of the calibrated one; 0: none.")  # fmt: skip
@click.option("--cut-to", type=click.IntRange(0), default=0, help="Also cut into pieces of this many qubits; 0: not.")
@json_option
def coherence(file: Path, device: str, slow_t2: float, cut_to: int, as_json: bool) -> None:
    """Strategies for FILE on an emulated device, best first."""
    import msgspec

    from phalanx.allocation import published_machine
    from phalanx.quantum.circuits import read
    from phalanx.quantum.coherence import strategies
    from phalanx.quantum.emulation import Disturbance

    machine = published_machine(device, disturbance=Disturbance(slow_t2=slow_t2))
    found = strategies(read(read_file(file)), machine, cut_to=cut_to)
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    rows = [msgspec.to_builtins(one) for one in found]
    columns: list[Column] = [
        ("strategy", lambda row: row["name"]),
        ("fidelity, emulated", lambda row: "" if row["fidelity"] is None else f"{row['fidelity']:.4f}"),
        ("survival", lambda row: f"{row['survival']:.4f}"),
        ("of the attainable", lambda row: f"{row['share']:.1%}"),
        ("µs", lambda row: f"{row['duration_ns'] / 1e3:.2f}"),
        ("shots", lambda row: f"× {row['overhead']:.4g}"),
        ("why", lambda row: row["reason"]),
    ]
    print_table(f"Strategies on {machine.name}, emulated", rows, columns, empty="none")
