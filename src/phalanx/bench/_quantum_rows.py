"""What parts of `phalanx bench quantum` share: series of growing instances, rows of answers, an ideal machine."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phalanx.core import Origin, Provenance, Rng
from phalanx.quantum import ShotResult
from phalanx.quantum.routines import Answer
from phalanx.quantum.simulators import run


def series(run: Callable[[int], dict[str, Any]], sizes: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Each size in turn, until one takes longer than there is."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        started_s = time.perf_counter()
        row = run(size)
        row["seconds"] = (time.perf_counter() - started_s) / row.pop("runs", 1)
        if row["seconds"] > seconds and rows:
            break
        rows.append(row)
    return rows


def told(rows: list[dict[str, Any]]) -> dict[str, Any]:
    largest = rows[-1]
    return {
        "largest": largest["size"], "largest_s": largest["seconds"],
        "agreed_share": sum(row["agreed"] for row in rows) / sum(row["asked"] for row in rows),
        "quantum_cost": largest["quantum_cost"], "cost_unit": largest["unit"],
    }  # fmt: skip


def row(size: int, answers: Sequence[Answer], classical: Sequence[float]) -> dict[str, Any]:
    return {
        "size": size, "runs": len(answers), "asked": len(answers), "agreed": sum(one.agrees for one in answers),
        "quantum_cost": float(np.mean([one.quantum.cost for one in answers])), "unit": answers[0].quantum.cost_unit,
        "classical": list(classical),
    }  # fmt: skip


async def ideal(circuit: Any, /, *, shots: int, seed: int) -> ShotResult:
    counts = run(circuit, shots=shots, rng=Rng(seed)).counts
    source = Provenance(origin=Origin.SIMULATED, device="bench", circuits=(circuit.digest,), shots=shots, seed=seed)
    return ShotResult(counts, source)
