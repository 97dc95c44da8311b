"""What is unlike the usual by density: overlaps of states with usual rows, beside a Gaussian kernel and a forest.

A row is as unusual as its mean kernel with usual rows is small; usual rows are judged by the others. The quantum kernel
has phases of single components only: with products of them it tells no more here.
"""

from collections.abc import Sequence

import numpy as np

from phalanx.core import Baseline, InvalidInput, Rng
from phalanx.quantum.routines._ansatz import Floats
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._bits import area, checked_rows
from phalanx.quantum.routines._boltzmann import isolation
from phalanx.quantum.routines._kernels import PhaseKernel, gaussian_kernel
from phalanx.quantum.routines._limits import MAX_DENSITY_ROWS

_WIDE, _FAR, _LEAST = 8, 3.0, 20
_UNIT = "kernel entries"
_CLAIM = (
    "overlaps are simulated; a Gaussian kernel of the same rows ranks as well, and on a device every entry would cost "
    "shots"
)


def density_novelties(
    usual: Floats, rows: Floats, *, seed: int, labels: Sequence[bool] | None = None, worst: int = 20
) -> Answer:
    """How unlike ``usual`` each of ``rows`` is, as its rank among usual rows. With ``labels`` each method is judged."""
    usual, rows = checked_rows(usual, "usual"), checked_rows(rows, "rows")
    if usual.shape[1] != rows.shape[1]:
        raise InvalidInput("rows", f"have {usual.shape[1]} columns as the usual ones, got {rows.shape[1]}")
    for name, given, least in (("usual", usual, _LEAST), ("asked", rows, 1)):
        if not least <= len(given) <= MAX_DENSITY_ROWS:
            raise InvalidInput(name, f"{least} to {MAX_DENSITY_ROWS:,} rows, got {len(given)}")
    if labels is not None and len(labels) != len(rows):
        raise InvalidInput("labels", f"{len(rows)} of them, got {len(labels)}")
    rng = Rng(seed).child("density")
    both = isolation(usual, np.concatenate([usual, rows]), rng)
    ranks = {
        "quantum kernel density": density_ranks(usual, rows, quantum=True),
        "gaussian kernel density": density_ranks(usual, rows, quantum=False),
        "isolation forest": _ranked(both[: len(usual)], both[len(usual) :]),
    }
    truth = None if labels is None else np.asarray(labels, dtype=bool)
    areas = {} if truth is None else {name: area(np.array(one), truth) for name, one in ranks.items()}
    entries = len(usual) * (len(usual) + len(rows))
    ours = ranks["quantum kernel density"]
    classical = tuple(
        Baseline(method=name, value=areas.get(name, max(ranks[name])), error=0.0, cost=cost, cost_unit=_UNIT)
        for name, cost in (("gaussian kernel density", entries), ("isolation forest", 0))
    )
    value = areas.get("quantum kernel density", max(ours))
    same = len(set(_foremost(ours, worst)) & set(_foremost(ranks["gaussian kernel density"], worst)))
    return Answer(
        routine="density-novelty",
        found={
            "worst": _foremost(ours, worst), "ranks": ours, "ranks_by": ranks, "areas": areas,
            "worst_shared_with_gaussian": same / min(worst, len(rows)),
        },
        quantum=Baseline(
            method="quantum kernel density", value=value, error=0.0, cost=entries, cost_unit=_UNIT
        ),
        classical=classical, agrees=value >= max(one.value for one in classical) - 1e-12, claim=_CLAIM,
        provenance=simulated(seed, classical),
    )  # fmt: skip


def density_ranks(usual: Floats, asked: Floats, *, quantum: bool) -> list[float]:
    """Where each row asked about stands among usual ones, each of which is judged by the others."""
    ours, theirs = _prepared(usual, asked)
    n, wide = ours.shape
    width = float(n ** (-1.0 / (wide + 4))) * np.sqrt(wide)
    if quantum:
        # Phases repeat: what lies far out is drawn in, so that it does not come around to the middle again.
        ours, theirs = (_FAR * np.tanh(rows / _FAR) for rows in (ours, theirs))
        kernel = PhaseKernel(wide, bandwidth=0.25 / width, pairs="none")
        among, across = kernel.matrix(ours), kernel.matrix(theirs, ours)
    else:
        among, across = gaussian_kernel(ours, ours, width=width), gaussian_kernel(theirs, ours, width=width)
    return _ranked(1.0 - (among.sum(axis=1) - np.diag(among)) / (n - 1), 1.0 - across.mean(axis=1))


def _ranked(usual: Floats, asked: Floats) -> list[float]:
    ordered = np.sort(usual)
    return [float(np.searchsorted(ordered, one, side="left")) / len(usual) for one in asked]


def _foremost(ranks: list[float], most: int) -> list[int]:
    return sorted(range(len(ranks)), key=lambda at: (-ranks[at], at))[:most]


def _prepared(usual: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """At most eight components of what is usual, each with variance one; what is asked has no say in them."""
    squeezed = [np.sign(rows) * np.log1p(np.abs(rows)) for rows in (usual, asked)]
    mean, spread = squeezed[0].mean(axis=0), squeezed[0].std(axis=0)
    spread[spread < 1e-9] = 1.0
    ours, theirs = ((rows - mean) / spread for rows in squeezed)
    _, singular, axes = np.linalg.svd(ours, full_matrices=False)
    wide = min(_WIDE, int((singular > 1e-6 * max(singular[0], 1e-12)).sum()) or 1)
    turn = axes[:wide].T / np.maximum(singular[:wide] / np.sqrt(len(ours)), 1e-9)
    return ours @ turn, theirs @ turn
