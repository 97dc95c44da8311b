"""`phalanx allocate`: where a circuit goes, and why."""

import math
from typing import IO, Any

import click

from phalanx.cli._kernels import ensure_kernels
from phalanx.cli._output import Column, Group, json_option, print_json, print_table

_SHOWN = 12


@click.group(cls=Group, short_help="Where a circuit goes, and why.")
def allocate() -> None:
    """Where a circuit goes, and why."""


@allocate.command()
@click.argument("file", type=click.File("r"))
@click.option(
    "--policy", type=click.Choice(["success_probability", "shortlist", "composite"]), default="success_probability",
    show_default=True, help="What devices are compared by.",
)  # fmt: skip
@click.option("--shots", type=click.IntRange(1), default=1_000, show_default=True, help="How often it is run.")
@click.option("--fidelity", type=click.FloatRange(0, 1), default=0.0, help="Least fidelity that is of use.")
@click.option(
    "--within", "within_s", type=click.FloatRange(0), default=0.0, help="Seconds until its deadline; 0: none."
)
@click.option("--budget", type=click.FloatRange(0), default=0.0, help="Most that it may cost; 0: whatever.")
@click.option("--region", "regions", multiple=True, help="Only devices there; several are fine.")
@click.option("--k", type=click.IntRange(1, 16), default=3, show_default=True, help="Devices it is laid out on.")
@click.option("--all", "show_all", is_flag=True, help="Show every device.")
@json_option
def explain(
    file: IO[str], policy: str, shots: int, fidelity: float, within_s: float, budget: float, regions: tuple[str, ...],
    k: int, show_all: bool, as_json: bool,
) -> None:  # fmt: skip
    """Place the circuit in FILE over the published calibrations of IBM devices, without a node.

    A compiled shortlist scores every device; the circuit is laid out on the best few of them.
    """
    import msgspec

    from phalanx import allocation
    from phalanx.core import encode_json
    from phalanx.quantum import features
    from phalanx.quantum.circuits import read

    circuit = read(file.read())
    wanted = allocation.requirement_of(
        features(circuit), shots=shots, fidelity=fidelity, deadline_s=within_s or math.inf, budget=budget or math.inf,
        regions=frozenset(regions),
    )  # fmt: skip
    ensure_kernels(("allocation",))
    allocation.warm_decisions()
    found = allocation.explain(circuit, wanted, allocation.published_devices(), policy=policy, k=k)
    if as_json:
        print_json(msgspec.json.decode(encode_json(found)))
        return
    rows: list[dict[str, Any]] = [msgspec.structs.asdict(one) for one in found.devices]
    columns: list[Column] = [
        ("device", lambda row: row["device"]),
        ("score", lambda row: f"{row['score']:.4g}"),
        ("success", lambda row: "" if row["success"] is None else f"{row['success']:.1%}"),
        ("swaps", lambda row: "" if row["swaps"] is None else str(row["swaps"])),
        ("why", lambda row: row["reason"]),
    ]
    click.echo(f"wanted: {found.wanted}")
    print_table("Devices", rows if show_all else rows[:_SHOWN], columns, empty="there are no devices")
    if len(rows) > _SHOWN and not show_all:
        click.echo(f"and {len(rows) - _SHOWN} more: --all")
    click.echo(found.reason)
