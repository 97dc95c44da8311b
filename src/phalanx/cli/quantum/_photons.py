"""`phalanx circuits photons`: a circuit as a photonic program, with what that takes, and run as such."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._files import write_file
from phalanx.cli._output import Column, print_json, print_table
from phalanx.cli.devices._brought import brought_fleet
from phalanx.cli.devices._jobs import print_result

if TYPE_CHECKING:
    from phalanx.core import Circuit, Offload
    from phalanx.devices import Fleet
    from phalanx.quantum.photonic import OnPhotons


def explain_or_run(
    circuit: "Circuit", *, device: str, shots: int, seed: int, output: Path | None, as_json: bool
) -> None:
    """What the circuit becomes, which device accepts it and what each would keep; and its bits if a device is named."""
    from phalanx.adapters import ThreadOffload
    from phalanx.quantum.photonic import on_photons

    made = on_photons(circuit)
    if output is not None:
        write_file(output, made.program.text.encode())
    with contextlib.closing(ThreadOffload(1)) as offload:
        fleet = brought_fleet(offload)
        found: dict[str, Any] = {
            "qubits": made.n_qubits, "modes": made.program.modes, "photons": made.program.n_photons,
            "postselected": made.postselected, "heralded": made.heralded, "success": float(made.success),
            "devices": _machines(fleet, made, shots),
        }  # fmt: skip
        if device:
            found |= _run(fleet, made, device, offload, shots=shots, seed=seed)
    if as_json:
        print_json(found | {"program": {"kind": "photonic", "text": made.program.text}})
        return
    _print_plan(made)
    if not device:
        _print_machines(found["devices"], shots)
        return
    click.echo(f"device       {device}")
    print_result(found | {"program": {"kind": "photonic", "text": made.program.text}}, None)
    told = ", ".join(f"{bits} {n}" for bits, n in sorted(found["bits"].items(), key=lambda one: (-one[1], one[0])))
    click.echo(f"bits         {told or 'none: nothing was kept'}")


def _machines(fleet: "Fleet", made: "OnPhotons", shots: int) -> list[dict[str, Any]]:
    """Every photonic device: why it refuses the program, or the share of shots it keeps, where that is known."""
    from phalanx.core import LimitExceeded
    from phalanx.devices import Program, refusals
    from phalanx.quantum.photonic import expected

    program, rows = Program.of_photonic(made.program), []
    for one in fleet.devices():
        if one.photonic is None:
            continue
        kept, why = None, next((str(reason) for reason in refusals(one, program, shots)), "")
        if not why:
            try:
                kept = expected(made.program, one.photonic.light).kept
            except LimitExceeded:
                kept = float(made.success) if one.photonic.light.is_perfect else None
        rows.append({"device": one.name, "origin": one.origin.value, "refused": why, "kept": kept})
    return rows


def _run(
    fleet: "Fleet", made: "OnPhotons", device: str, offload: "Offload", *, shots: int, seed: int
) -> dict[str, Any]:
    import msgspec

    from phalanx.devices import Program, check_takes, perform

    backend, program = fleet.backend(device), Program.of_photonic(made.program)
    check_takes(backend.device, program, shots)
    result = asyncio.run(perform(backend, program, shots=shots, seed=seed, offload=offload))
    bits: Counter[str] = Counter()
    for outcome, n in result.counts.items():
        bits[made.program.bits(outcome)] += n
    made_by = msgspec.to_builtins(result.provenance)
    return {"shots": shots, "seed": seed, "counts": result.counts, "bits": dict(bits), "provenance": made_by}


def _print_plan(made: "OnPhotons") -> None:
    program = made.program
    click.echo(f"photons      {program.n_photons} in {program.modes} modes, for {made.n_qubits} qubits")
    click.echo(
        f"two-qubit    post-selected {made.postselected} (1 in 9 works), heralded {made.heralded} (2 in 27 work)"
    )
    click.echo(f"success      {made.success} of perfect runs ({float(made.success):.3g})")


def _print_machines(rows: list[dict[str, Any]], shots: int) -> None:
    def kept(row: Mapping[str, Any]) -> str:
        if row["refused"]:
            return str(row["refused"])
        if row["kept"] is None:
            return "too much to be told"
        return f"{row['kept']:.3g}, {row['kept'] * shots:,.0f} of {shots:,} shots"

    columns: list[Column] = [
        ("device", lambda row: row["device"]),
        ("results are", lambda row: row["origin"]),
        ("keeps", kept),
    ]
    print_table("Who takes it, and what is kept", rows, columns, empty="there is no device of photons")
