"""The host logs' part of `phalanx bench assessment`: processes of attackers told from the rest by recording.

Whole recordings are held out: a machine judges processes of recordings of which it saw none. Kernels, trees and what
``assess`` makes of both are trained, chosen and calibrated as for flows, with rows held out by recording as well.
Intervals resample recordings, because processes of one are alike; the parting into folds is drawn anew for each seed.
``base_rate`` says of everybody what share of the others' processes was an attacker's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phalanx.bench._model import BenchOptions
from phalanx.bench.analyses._assessment import (
    chosen_kernel,
    fused_chances,
    gaussian_kernels,
    judged_by,
    principal,
    quantum_kernels,
)
from phalanx.bench.analyses._host_logs import HostRows, host_rows
from phalanx.core import Rng
from phalanx.learning import BoostingOptions, Calibration, bootstrap, brier, ranked_area, train_trees
from phalanx.quantum.routines import RidgeMachine

_FOLDS, _INNER, _SEEDS = 6, 5, 5
_LEAF_ROWS = 5
Matrix = NDArray[np.float64]
_PAIRS = (
    ("quantum_kernel", "gaussian_kernel"), ("quantum_kernel", "trees"), ("fused_quantum_kernel", "trees"),
    ("fused_quantum_kernel", "fused_gaussian_kernel"), ("trees", "base_rate"),
)  # fmt: skip


def host_logs(options: BenchOptions) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Load, figures, baselines and paired differences."""
    rows = host_rows()
    seeds = 1 if options.quick else _SEEDS
    said: dict[str, list[Matrix]] = {}
    for seed in range(seeds):
        options.tell(f"host logs: seed {seed + 1} of {seeds}")
        for name, chances in judged_out(rows, options.seed + seed).items():
            said.setdefault(name, []).append(chances)
    # Each process by the mean of what was said of it under each parting.
    whole = {name: np.mean(each, axis=0) for name, each in said.items()}
    rng = options.rng.child("host logs")
    told = {name: _told(chances, rows, rng.child(name)) for name, chances in whole.items()}
    load = {
        "data": "OTRF Security Datasets, processes seen by Sysmon", "processes": len(rows.x),
        "attackers": int(rows.attack.sum()), "recordings": len(rows.recordings), "seeds": seeds, "folds": _FOLDS,
        "labels": "ours: programs that a recording's metadata names, and their descendants",
    }  # fmt: skip
    pairs = {
        f"host_logs.{ours}_minus_{theirs}": _paired(whole[ours], whole[theirs], rows, rng.child(f"{ours}/{theirs}"))
        for ours, theirs in _PAIRS
    }
    quantum = {name: one for name, one in told.items() if "quantum" in name}
    return load, quantum, {name: one for name, one in told.items() if name not in quantum}, pairs


def judged_out(rows: HostRows, seed: int) -> dict[str, Matrix]:
    """What each means says of every process, trained on other recordings alone."""
    fold_of = np.random.default_rng(seed).permutation(len(rows.recordings)) % _FOLDS
    folds = fold_of[rows.recording]
    said: dict[str, Matrix] = {}
    for fold in range(_FOLDS):
        out = folds == fold
        inner = (rows.recording[~out] * 7 + seed) % _INNER
        for name, chances in _said(rows.x[~out], rows.attack[~out], rows.x[out], inner, seed).items():
            said.setdefault(name, np.zeros(len(rows.x)))[out] = chances
    return said


def _said(
    fit: Matrix, attack: NDArray[np.bool_], asked: Matrix, inner: NDArray[np.int64], seed: int
) -> dict[str, Matrix]:
    ours, theirs = principal(fit, asked)
    found: dict[str, Matrix] = {"base_rate": np.full(len(asked), attack.mean())}
    held: dict[str, Matrix] = {}
    for name, kernels in (("quantum_kernel", quantum_kernels()), ("gaussian_kernel", gaussian_kernels())):
        (_, kernel), ridge, scores = chosen_kernel(kernels, ours, attack, inner, by_area=True)
        machine = RidgeMachine(kernel(ours, ours), attack, ridge=ridge)
        calibration = Calibration.fitted(scores, attack)
        found[name] = calibration.apply(machine.scores(kernel(theirs, ours)))
        held[name] = calibration.apply(scores)
    names = [f"feature-{at}" for at in range(fit.shape[1])]
    grown = BoostingOptions(min_leaf_rows=_LEAF_ROWS)
    scores = np.empty(len(fit))
    for fold in range(_INNER):
        left = inner == fold
        scores[left] = train_trees(fit[~left], attack[~left], names, seed=seed, options=grown).log_odds(fit[left])
    calibration = Calibration.fitted(scores, attack)
    trees = train_trees(fit, attack, names, seed=seed, options=grown)
    found["trees"], held["trees"] = calibration.apply(trees.log_odds(asked)), calibration.apply(scores)
    for name in ("quantum_kernel", "gaussian_kernel"):
        both = [found["trees"], found[name]], [held["trees"], held[name]]
        found |= fused_chances(f"fused_{name}", *both, attack)
    return found


def _told(said: Matrix, rows: HostRows, rng: Rng) -> dict[str, Any]:
    measures: dict[str, Callable[[NDArray[np.intp]], float]] = {
        "roc_area": lambda at: ranked_area(said[at], rows.attack[at]),
        "brier": lambda at: brier(said[at], rows.attack[at]),
    }
    whole = judged_by(said, rows.attack, rng.child("rows"))
    return whole | {name: _by_recording(measure, rows, rng.child(name)) for name, measure in measures.items()}


def _paired(ours: Matrix, theirs: Matrix, rows: HostRows, rng: Rng) -> dict[str, Any]:
    def of(measure: Callable[[Matrix, NDArray[np.bool_]], float]) -> Callable[[NDArray[np.intp]], float]:
        return lambda at: measure(ours[at], rows.attack[at]) - measure(theirs[at], rows.attack[at])

    return {
        "roc_area": _by_recording(of(ranked_area), rows, rng.child("area")),
        "brier": _by_recording(of(brier), rows, rng.child("brier")),
    }


def _by_recording(measure: Callable[[NDArray[np.intp]], float], rows: HostRows, rng: Rng) -> dict[str, float]:
    """With an interval over whole recordings."""
    of = [np.flatnonzero(rows.recording == at) for at in range(len(rows.recordings))]
    value, low, high = bootstrap(lambda places: measure(np.concatenate([of[at] for at in places])), len(of), rng=rng)
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
