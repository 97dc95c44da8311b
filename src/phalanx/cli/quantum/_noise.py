"""`phalanx quantum mitigate`: a mean on an emulated device, with mitigation and without. No node is needed."""

from pathlib import Path

import click

from phalanx.cli._files import read_file
from phalanx.cli._output import Column, json_option, print_json, print_table

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command("mitigate")
@click.argument("file", type=_PATH)
@click.option("--device", required=True, help="Device to emulate: ibm.fake_lagos; see phalanx devices list --here.")
@click.option(
    "--method", "methods", default="zne,readout", show_default=True, metavar="NAMES",
    help="Any of zne[:linear|richardson|exponential], pec[:circuits], readout[:tensored|observed], dd[:xx|xy4], "
        "twirl[:n].",
)  # fmt: skip
@click.option(
    "--observable", "text", default="", help="The observable: 'Z0 Z1 + 0.5*X2'; by default the parity of all qubits."
)
@click.option("--shots", type=click.IntRange(1), default=4_000, show_default=True, help="Shots of each circuit.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of every random draw.")
@click.option("--slow-t2", type=click.FloatRange(0), default=0.0,
              help="Also assume a slow drift, by its T2 as a multiple of the calibrated one; 0: none.")  # fmt: skip
@click.option("--shift", type=click.FloatRange(0), default=0.0, help="Assume that two-qubit gates rotate frames; rad.")
@click.option("--only-cost", is_flag=True, help="Say what it takes, and run nothing.")
@click.option("--force", is_flag=True, help="Even if cancellation needs more shots than is reasonable.")
@json_option
def mitigate(
    file: Path, device: str, methods: str, text: str, shots: int, seed: int, slow_t2: float, shift: float,
    only_cost: bool, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """The mean of an observable after the gates of FILE on an emulated device, beside the mean without mitigation."""
    import msgspec

    from phalanx.allocation import published_machine
    from phalanx.quantum import Observable
    from phalanx.quantum.circuits import read
    from phalanx.quantum.emulation import Disturbance
    from phalanx.quantum.mitigation import Mitigation, estimate, plan

    circuit = read(read_file(file))
    asked = Observable.read(text or " ".join(f"Z{qubit}" for qubit in range(circuit.n_qubits)))
    machine = published_machine(device, disturbance=Disturbance(slow_t2=slow_t2, shift_rad=shift))
    wanted = Mitigation.read(methods)
    cost = plan(circuit, asked, machine, wanted, shots=shots, force=force)
    if only_cost:
        print_json(msgspec.to_builtins(cost)) if as_json else click.echo(f"{wanted or 'nothing'}: {cost.told()}")
        return
    if not as_json:
        click.echo(f"{wanted or 'nothing'}: {cost.told()}", err=True)
    found = estimate(circuit, asked, machine, wanted, shots=shots, seed=seed, force=force)
    if as_json:
        print_json(msgspec.to_builtins(found) | {"benefit": found.benefit, "observable": str(asked)})
        return
    rows = [{"how": f"{device}, emulated", "value": found.plain, "error": found.plain_error},
            {"how": f"with {wanted or 'nothing'}", "value": found.value, "error": found.error}]  # fmt: skip
    if found.exact is not None:
        rows.append({"how": "ideal machine, exact", "value": found.exact, "error": 0.0})
    columns: list[Column] = [
        ("how", lambda row: row["how"]),
        ("mean", lambda row: f"{row['value']:.4f}"),
        ("± of drawing shots", lambda row: f"{row['error']:.4f}"),
        ("off by", lambda row: "" if found.exact is None else f"{abs(row['value'] - found.exact):.4f}"),
    ]
    print_table(f"Mean of {asked}", rows, columns, empty="nothing")
    if found.benefit is not None and found.benefit < 0:
        click.echo(f"mitigation harmed here: it is off by {-found.benefit:.4f} more than without")
