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
    """Each size in turn, until one takes more seconds of CPU than there are."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        started_s = time.process_time()
        row = run(size)
        row["seconds"] = (time.process_time() - started_s) / row.pop("runs", 1)
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


# Two-sided 95 % quantiles of Student's distribution by degrees of freedom, from 1; beyond these the last will do.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10)


def slope(xs: Sequence[float], ys: Sequence[float]) -> dict[str, float]:
    """The exponent of a power law by least squares on logarithms, with its 95 % interval."""
    x, y = np.log(np.maximum(xs, 1e-300)), np.log(np.maximum(ys, 1e-300))
    fitted = np.polyfit(x, y, 1)
    freedom = len(x) - 2
    off = y - np.polyval(fitted, x)
    error = float(np.sqrt((off @ off) / max(freedom, 1) / ((x - x.mean()) @ (x - x.mean()))))
    wide = error * _T[min(max(freedom, 1), len(_T)) - 1]
    value = float(fitted[0])
    return {"exponent": value, "exponent_low": value - wide, "exponent_high": value + wide}


def bar(figure: float, least: float, most: float | None = None) -> dict[str, Any]:
    """A figure beside what it is to be, at least and at most."""
    met = figure >= least and (most is None or figure <= most)
    return {"figure": figure, "least": least, "most": most, "met": bool(met)}
