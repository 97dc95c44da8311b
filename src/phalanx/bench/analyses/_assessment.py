"""The flows' part of `phalanx bench assessment`: NSL-KDD with and without a quantum kernel, on the same few rows.

A kernel machine is for few rows: 500 are drawn from Train+, and 2,000 of Test+ are judged, once for each seed. The
quantum and the classical kernel see the same principal components, have grids of the same size for their width and
ridge, chosen by the same cross-validation, and are calibrated on the same scores held out. Boosted trees see the same
rows, with all their columns. A variational classifier sees the first components. ``trees_and_…`` takes the mean of what
both say; ``fused_…`` is what the step ``assess`` makes of the same signals, calibrated on the rows held out, and beside
it as it is without. Differences are paired: the same rows judged by both, resampled together, and whole draws resampled
besides. Needs the extra ``learning`` and the data set.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.analyses._nsl_kdd import TEST, Coding, Rows, test_lines, train_lines
from phalanx.bench.public import public_data
from phalanx.core import Rng, Unavailable
from phalanx.learning import (
    BoostingOptions,
    Calibration,
    bootstrap,
    brier,
    calibration_error,
    ranked_area,
    reliability,
    train_trees,
)
from phalanx.quantum.routines import (
    PhaseKernel,
    RidgeMachine,
    VariationalClassifier,
    find_novelties,
    gaussian_kernel,
    novelty,
)
from phalanx.workflows.operations import fit_calibration, pooled_log_odds

_FIT, _JUDGED, _SEEDS, _FOLDS = 500, 2_000, 10, 5
_COMPONENTS = 8
_WIDTHS = 8
_RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
_LEAF_ROWS = 5
_VARIED_QUBITS, _VARIED_STEPS = 6, 150

Matrix = NDArray[np.float64]
Kernel = Callable[[Matrix, Matrix], Matrix]


async def network_flows(options: BenchOptions) -> BenchResult:
    """Detection quality and calibration, quantum steps in and out."""
    folder = public_data("nsl-kdd")
    lines, attack = train_lines(folder)
    tests, test_attack = test_lines(folder / TEST)
    coding = Coding(lines)
    seeds, judged = (2, 500) if options.quick else (_SEEDS, _JUDGED)
    said: dict[str, list[Matrix]] = {}
    truth, chosen = [], []
    novel: dict[str, list[float]] = {}
    for seed in range(seeds):
        options.tell(f"seed {seed + 1} of {seeds}")
        rng = options.rng.child(f"assessment/{seed}")
        fit = _drawn(coding, lines, attack, _FIT, rng.child("fit"))
        test = _drawn(coding, tests, test_attack, judged, rng.child("test"))
        found, picks = _said(fit, test, coding, options.seed + seed)
        for name, chances in found.items():
            said.setdefault(name, []).append(chances)
        for name, area in _novelty(fit, test, options.seed + seed).items():
            novel.setdefault(name, []).append(area)
        truth.append(test.attack)
        chosen.append(picks)
    labels = np.concatenate(truth)
    whole = {name: np.concatenate(chances) for name, chances in said.items()}
    rng = options.rng.child("intervals")
    return BenchResult(
        load={
            "data": "NSL-KDD, rows drawn from Train+ and from Test+", "fit_rows": _FIT, "judged_rows": judged,
            "seeds": seeds, "components": _COMPONENTS,
            "grid": f"{_WIDTHS} widths × {len(_RIDGES)} ridges for each kernel",
            "quantum_kernel": "phases of features and of neighbours' products, twice, simulated",
            "attacks_among_judged": float(labels.mean()),
        },
        figures={
            "quantum_kernel": judged_by(whole["quantum_kernel"], labels, rng.child("quantum")),
            "variational_classifier": judged_by(whole["variational_classifier"], labels, rng.child("varied")),
            "trees_and_quantum_kernel": judged_by(whole["trees_and_quantum_kernel"], labels, rng.child("both")),
            "fused_quantum_kernel": judged_by(whole["fused_quantum_kernel"], labels, rng.child("fused")),
            "fused_quantum_kernel_uncalibrated": judged_by(
                whole["fused_quantum_kernel_uncalibrated"], labels, rng.child("fused uncalibrated")
            ),
            "novelty_roc_area": {name: _mean(areas) for name, areas in novel.items() if "quantum" in name},
            "chosen": chosen,
        },
        baselines={
            "gaussian_kernel": judged_by(whole["gaussian_kernel"], labels, rng.child("gaussian")),
            "trees": judged_by(whole["trees"], labels, rng.child("trees")),
            "trees_and_gaussian_kernel": judged_by(whole["trees_and_gaussian_kernel"], labels, rng.child("other")),
            "fused_gaussian_kernel": judged_by(whole["fused_gaussian_kernel"], labels, rng.child("fused gaussian")),
            "novelty_roc_area": {name: _mean(areas) for name, areas in novel.items() if "quantum" not in name},
        },
        ratios={
            f"{name}_minus_{other}": _difference(whole[name], whole[other], labels, seeds, rng.child(f"{name}/{other}"))
            for name, other in (
                ("quantum_kernel", "gaussian_kernel"), ("quantum_kernel", "trees"), ("variational_classifier", "trees"),
                ("trees_and_quantum_kernel", "trees"), ("trees_and_quantum_kernel", "trees_and_gaussian_kernel"),
                ("fused_quantum_kernel", "fused_gaussian_kernel"), ("fused_quantum_kernel", "trees"),
            )
        },
    )  # fmt: skip


def _drawn(coding: Coding, lines: list[list[str]], attack: list[bool], n: int, rng: Rng) -> Rows:
    places = rng.numpy().choice(len(lines), size=n, replace=False)
    return coding.rows([lines[place] for place in places], [attack[place] for place in places])


def _said(fit: Rows, test: Rows, coding: Coding, seed: int) -> tuple[dict[str, Matrix], dict[str, Any]]:
    """What each says of the judged rows: the calibrated probability of an attack."""
    components, others = principal(fit.x, test.x)
    folds = np.random.default_rng(seed).permutation(len(fit.x)) % _FOLDS
    found, picks = {}, {}
    held: dict[str, Matrix] = {}
    for name, kernels in (("quantum_kernel", quantum_kernels()), ("gaussian_kernel", gaussian_kernels())):
        started_s = time.perf_counter()
        (width, kernel), ridge, held_out = chosen_kernel(kernels, components, fit.attack, folds)
        machine = RidgeMachine(kernel(components, components), fit.attack, ridge=ridge)
        scores = machine.scores(kernel(others, components))
        calibration = Calibration.fitted(held_out, fit.attack)
        found[name], held[name] = calibration.apply(scores), calibration.apply(held_out)
        picks[name] = {"width": width, "ridge": ridge, "seconds": round(time.perf_counter() - started_s, 2)}
    found["variational_classifier"] = _varied(components, fit.attack, others, seed)
    found["trees"], held["trees"] = _by_trees(fit, test, coding, folds, seed)
    for name in ("quantum_kernel", "gaussian_kernel"):
        found[f"trees_and_{name}"] = (found["trees"] + found[name]) / 2
        found |= fused_chances(f"fused_{name}", [found["trees"], found[name]], [held["trees"], held[name]], fit.attack)
    return found, picks


def fused_chances(name: str, said: list[Matrix], held: list[Matrix], attack: NDArray[np.bool_]) -> dict[str, Matrix]:
    """What ``assess`` makes of the signals: calibrated on rows held out, and as it is without."""
    scale, shift = fit_calibration(held, attack)
    odds = pooled_log_odds(said)
    return {
        name: 1.0 / (1.0 + np.exp(-(scale * odds + shift))),
        f"{name}_uncalibrated": 1.0 / (1.0 + np.exp(-odds)),
    }  # fmt: skip


def principal(fit: Matrix, test: Matrix) -> tuple[Matrix, Matrix]:
    """Principal components of what was fitted, each with variance one; the test has no say in them."""
    squeezed = [np.log1p(np.maximum(rows, 0)) for rows in (fit, test)]
    mean, spread = squeezed[0].mean(axis=0), squeezed[0].std(axis=0)
    spread[spread == 0] = 1.0
    ours, theirs = ((rows - mean) / spread for rows in squeezed)
    _, singular, axes = np.linalg.svd(ours, full_matrices=False)
    turn = axes[:_COMPONENTS].T / (singular[:_COMPONENTS] / np.sqrt(len(ours)))
    return ours @ turn, theirs @ turn


def _varied(rows: Matrix, attack: NDArray[np.bool_], others: Matrix, seed: int) -> Matrix:
    """A circuit whose angles are learned on four fifths, calibrated on the rest."""
    cut = _FOLDS - 1
    kept = np.random.default_rng(seed).permutation(len(rows)) % _FOLDS < cut
    machine = VariationalClassifier(_VARIED_QUBITS, layers=2)
    machine.fit(rows[kept, :_VARIED_QUBITS], attack[kept].tolist(), steps=_VARIED_STEPS, rng=Rng(seed).child("varied"))
    held_out = machine.log_odds(rows[~kept, :_VARIED_QUBITS])
    return Calibration.fitted(held_out, attack[~kept]).apply(machine.log_odds(others[:, :_VARIED_QUBITS]))


def quantum_kernels() -> list[tuple[float, Kernel]]:
    widths = np.geomspace(0.02, 1.0, _WIDTHS)
    return [(float(width), PhaseKernel(_COMPONENTS, bandwidth=float(width), pairs="chain").matrix) for width in widths]


def gaussian_kernels() -> list[tuple[float, Kernel]]:
    def of(width: float) -> Kernel:
        return lambda rows, others: gaussian_kernel(rows, others, width=width)

    return [(float(width), of(float(width))) for width in np.geomspace(0.3, 20.0, _WIDTHS)]


def chosen_kernel(
    kernels: list[tuple[float, Kernel]],
    rows: Matrix,
    attack: NDArray[np.bool_],
    folds: NDArray[np.int64],
    *,
    by_area: bool = False,
) -> tuple[tuple[float, Kernel], float, Matrix]:
    """The kernel and ridge with the best accuracy, or area, in cross-validation, and the scores of rows held out."""
    best: tuple[float, tuple[float, Kernel], float, Matrix] | None = None
    for one in kernels:
        matrix = one[1](rows, rows)
        for ridge in _RIDGES:
            scores = np.empty(len(rows))
            for fold in range(_FOLDS):
                out = folds == fold
                machine = RidgeMachine(matrix[np.ix_(~out, ~out)], attack[~out], ridge=ridge)
                scores[out] = machine.scores(matrix[np.ix_(out, ~out)])
            worth = ranked_area(scores, attack) if by_area else float(np.mean((scores > 0) == attack))
            if best is None or worth > best[0]:
                best = worth, one, ridge, scores
    assert best is not None
    return best[1:]


def _novelty(fit: Rows, test: Rows, seed: int) -> dict[str, float]:
    """How well attacks are told by who knows only what is usual: fitted rows that are none. Widths by Scott's rule."""
    usual, others = principal(fit.x[~fit.attack], test.x)
    width = float(len(usual) ** (-1.0 / (_COMPONENTS + 4))) * np.sqrt(_COMPONENTS)
    scores = {
        "quantum_kernel_density": novelty(
            PhaseKernel(_COMPONENTS, bandwidth=0.5 / width, pairs="none").matrix(others, usual)
        ),
        "gaussian_kernel_density": novelty(gaussian_kernel(others, usual, width=width)),
        "isolation_forest": _isolated(usual, others, seed),
    }
    machines = find_novelties(usual, others, seed=seed, labels=test.attack.tolist()).found["areas"]
    return {name: ranked_area(one, test.attack) for name, one in scores.items()} | {
        f"{kind}_boltzmann_machine": machines[f"{kind} boltzmann machine"] for kind in ("quantum", "classical")
    }


def _isolated(usual: Matrix, others: Matrix, seed: int) -> Matrix:
    try:
        from sklearn.ensemble import IsolationForest
    except ModuleNotFoundError as error:
        hint = "pip install 'phalanx[learning]'"
        raise Unavailable("a floor of this benchmark", "scikit-learn is not installed", hint=hint) from error
    return np.asarray(-IsolationForest(random_state=seed).fit(usual).score_samples(others))


def _mean(areas: list[float]) -> dict[str, float]:
    return {"mean": round(float(np.mean(areas)), 4), "least": round(min(areas), 4), "most": round(max(areas), 4)}


def _by_trees(fit: Rows, test: Rows, coding: Coding, folds: NDArray[np.int64], seed: int) -> tuple[Matrix, Matrix]:
    grown = BoostingOptions(min_leaf_rows=_LEAF_ROWS)
    held_out = np.empty(len(fit.x))
    for fold in range(_FOLDS):
        out = folds == fold
        trees = train_trees(fit.x[~out], fit.attack[~out], coding.names, seed=seed, options=grown)
        held_out[out] = trees.log_odds(fit.x[out])
    trees = train_trees(fit.x, fit.attack, coding.names, seed=seed, options=grown)
    calibration = Calibration.fitted(held_out, fit.attack)
    return calibration.apply(trees.log_odds(test.x)), calibration.apply(held_out)


def judged_by(said: Matrix, attack: NDArray[np.bool_], rng: Rng) -> dict[str, Any]:
    right = (said > 0.5) == attack
    bins = reliability(said, attack)
    return {
        "accuracy": _interval(bootstrap(_mean_of(right.astype(float)), len(right), rng=rng)),
        "roc_area": round(ranked_area(said, attack), 4), "brier": round(brier(said, attack), 4),
        "calibration_error": round(calibration_error(bins), 4),
        "reliability": [[round(one.said, 3), round(one.true, 3), one.count] for one in bins],
    }  # fmt: skip


def _difference(ours: Matrix, theirs: Matrix, attack: NDArray[np.bool_], seeds: int, rng: Rng) -> dict[str, Any]:
    """Accuracy and Brier score of the one less the other's, over the same rows.

    ``over_draws`` resamples whole draws of training and judged rows: another 500 rows give another machine, which an
    interval over judged rows alone does not know.
    """
    right = ((ours > 0.5) == attack).astype(float) - ((theirs > 0.5) == attack).astype(float)
    squares = (ours - attack) ** 2 - (theirs - attack) ** 2
    told: dict[str, Any] = {}
    for name, each in (("accuracy", right), ("brier", squares)):
        draws = each.reshape(seeds, -1).mean(axis=1)
        told[name] = {
            "over_rows": _interval(bootstrap(_mean_of(each), len(each), rng=rng)),
            "over_draws": _interval(bootstrap(_mean_of(draws), seeds, rng=rng)),
            "by_draw": [round(float(one), 4) for one in draws],
        }  # fmt: skip
    return told


def _mean_of(values: Matrix) -> Callable[[NDArray[np.intp]], float]:
    return lambda places: float(values[places].mean())


def _interval(found: tuple[float, float, float]) -> dict[str, float]:
    value, low, high = found
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
