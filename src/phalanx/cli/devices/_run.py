"""`phalanx devices run`: a program without gates on a simulator or an emulated machine, right away."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import click

from phalanx.cli._files import read_file
from phalanx.cli._output import json_option, print_json
from phalanx.cli.devices._brought import brought_fleet
from phalanx.cli.devices._jobs import print_result


@click.command("run")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--device", default="", help="Device to use; by default the least noisy that accepts it, then the smallest."
)
@click.option("--results", type=click.Choice(["simulated", "emulated"]), help="Choose among devices of this kind.")
@click.option("--shots", type=click.IntRange(1), default=1_000, show_default=True, help="Number of shots.")
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed gives the same result."
)
@json_option
def run_here(file: Path, device: str, results: str | None, shots: int, seed: int, as_json: bool) -> None:
    """Run FILE, a program without gates, on a device of this installation. No node is needed, and no job is stored.

    FILE is JSON: a photonic program, an analog program, an Ising problem or a QUBO, as accepted by `submit`. Circuits
    are run by `phalanx circuits run`.
    """
    from phalanx.devices import Program

    program = Program.read(read_file(file))
    reason, counts, told = _done(program, device, results, shots=shots, seed=seed)
    found: dict[str, Any] = {
        "program": {"kind": program.kind.value, "text": program.text}, "reason": reason, "shots": shots, "seed": seed,
        "counts": counts, "provenance": told["provenance"],
    }  # fmt: skip
    if as_json:
        print_json(found)
        return
    click.echo(f"device       {told['provenance']['device']}")
    click.echo(f"why there    {reason}")
    print_result(found, told["c6"])


def _done(
    program: Any, device: str, results: str | None, *, shots: int, seed: int
) -> tuple[str, dict[str, int], dict[str, Any]]:
    from phalanx.adapters import ThreadOffload
    from phalanx.core import Origin, encode_json
    from phalanx.devices import check_takes, perform

    with contextlib.closing(ThreadOffload(1)) as offload:
        fleet = brought_fleet(offload)
        if device:
            backend, reason = fleet.backend(device), f"{device} was named"
            check_takes(backend.device, program, shots)
        else:
            placed = fleet.place_program(program, shots=shots, origin=Origin(results) if results else None)
            backend, reason = placed.backend, placed.reason
        result = asyncio.run(perform(backend, program, shots=shots, seed=seed, offload=offload))
    analog = backend.device.analog
    told = {"provenance": json.loads(encode_json(result.provenance)), "c6": analog.c6 if analog is not None else 0.0}
    return reason, result.counts, told
