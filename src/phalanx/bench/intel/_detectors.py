"""Detectors on data that others labelled (NSL-KDD), with the split its authors meant, and on traces of known truth.

Trained on Train+, calibrated on a part of it that training did not see, judged on Test+ and Test-21, whose attacks are
partly of kinds that training never saw. The random split of Train+ stands beside it, to show what it would
promise. Floors: the majority, logistic regression and a random forest (scikit-learn). Needs the extra ``learning``
and the data set, which is not ours to ship.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import elapsed_ms
from phalanx.bench.analyses._nsl_kdd import HARD, TEST, Coding, Rows, test_lines, train_lines
from phalanx.bench.intel._detectors_generated import generated
from phalanx.bench.intel._detectors_recorded import recorded_attacks
from phalanx.bench.intel._detectors_traces import traces
from phalanx.bench.public import public_data
from phalanx.core import Rng, Unavailable
from phalanx.learning import (
    BoostingOptions,
    Calibration,
    Drift,
    Interval,
    bootstrap,
    brier,
    calibration_error,
    confusion,
    ranked_area,
    reliability,
    train_trees,
)

_QUICK_ROWS = 20_000
# An analyst's day: of 10,000 flows one is an attack.
_BASE_RATE = 1e-4
_FEW_FALSE = 1e-3


async def detectors_bench(options: BenchOptions) -> BenchResult:
    folder = public_data("nsl-kdd")
    lines, attack = train_lines(folder)
    rng = options.rng
    order = np.random.default_rng(rng.child("split").bits(64)).permutation(len(lines))
    if options.quick:
        order = order[:_QUICK_ROWS]
    coding = Coding(lines)
    rows = coding.rows([lines[place] for place in order], [attack[place] for place in order])
    cut, held = int(0.7 * len(order)), int(0.85 * len(order))
    fit, held_out, same = _part(rows, 0, cut), _part(rows, cut, held), _part(rows, held, len(order))
    tests = {name: coding.rows(*test_lines(folder / file)) for name, file in (("test", TEST), ("test21", HARD))}

    started_ns = time.perf_counter_ns()
    trees = train_trees(fit.x, fit.attack, coding.names, seed=options.seed, options=BoostingOptions())
    train_ms = elapsed_ms(started_ns)
    calibration = Calibration.fitted(trees.log_odds(held_out.x), held_out.attack)
    strict = float(np.quantile(trees.log_odds(held_out.x)[~held_out.attack], 1.0 - _FEW_FALSE))
    figures: dict[str, Any] = {"train_s": round(train_ms / 1e3, 2), "columns": len(coding.names)}
    for name, test in {"same_split": same, **tests}.items():
        started_ns = time.perf_counter_ns()
        scores = trees.log_odds(test.x)
        per_row_us = elapsed_ms(started_ns) * 1e3 / len(test.x)
        figures[name] = _judged(scores, calibration.apply(scores), test.attack, strict, rng.child(name)) | {
            "score_us": round(per_row_us, 2)
        }
    figures["drift"] = _drift(trees.log_odds(held_out.x), trees.log_odds(tests["test"].x), calibration)
    figures["traces"], trace_floors = traces(rng.child("traces"), quick=options.quick)
    options.tell("houses whose truth is known")
    figures["houses"], house_floors = generated(rng.child("houses"), quick=options.quick)
    options.tell("recorded attacks")
    figures["recorded"] = recorded_attacks(quick=options.quick)
    options.tell("the floors of other models")
    baselines = {name: _floors(fit, test, options.seed) for name, test in {"same_split": same, **tests}.items()}
    ratios = {
        f"{name}_errors_vs_forest": round(
            (1 - figures[name]["accuracy"]["value"]) / max(1e-9, 1 - baselines[name]["random_forest"]["accuracy"]), 3
        )
        for name in tests
    }
    load = {
        "data": "NSL-KDD: Train+ (125,973 rows, shuffled: 70 % fit, 15 % calibration, 15 % same_split), Test+, Test-21",
        "fit_rows": len(fit.x),
        "test_rows": {name: len(test.x) for name, test in tests.items()},
        "attacks": {name: round(float(test.attack.mean()), 4) for name, test in tests.items()},
        "precision_at_base_rate": _BASE_RATE,
        "traces": "generated contacts whose truth is known: beacons among people who browse",
        "houses": "generated: accounts that travel (attacks by km/h), hosts with office hours and heavy tails (attacks "
        "by times what is usual), chains of event codes (attacks by steps at random)",
        "recorded": "OTRF recordings of attacks on Windows and AWS; nothing learned beforehand",
    }
    return BenchResult(load, figures, {**baselines, "traces": trace_floors, "houses": house_floors}, ratios)


def _part(rows: Rows, start: int, end: int) -> Rows:
    return Rows(rows.x[start:end], rows.attack[start:end])


def _judged(
    scores: NDArray[np.float64], said: NDArray[np.float64], attack: NDArray[np.bool_], strict: float, rng: Rng
) -> dict[str, Any]:
    """At even odds, and at the threshold that lets one in a thousand false alarms pass on what it was fitted to."""
    even, few = confusion(said > 0.5, attack), confusion(scores > strict, attack)
    right = (said > 0.5) == attack
    return {
        "accuracy": _told(bootstrap(lambda places: float(right[places].mean()), len(right), rng=rng)),
        "recall": _told(even.recall),
        "precision": _told(even.precision),
        "false_positive_rate": _told(even.false_positive_rate),
        "roc_area": round(ranked_area(scores, attack), 4),
        "brier": round(brier(said, attack), 4),
        "calibration_error": round(calibration_error(reliability(said, attack)), 4),
        "strict_recall": _told(few.recall),
        "strict_false_positive_rate": _told(few.false_positive_rate),
        "strict_precision_at_base_rate": round(few.precision_at(_BASE_RATE), 4),
    }


def _told(interval: Interval) -> dict[str, float]:
    return {name: round(value, 4) for name, value in interval._asdict().items()}


def _drift(usual: NDArray[np.float64], later: NDArray[np.float64], calibration: Calibration) -> dict[str, Any]:
    """Whether the drift detector sees that Test+ is of another kind, after how many rows, and what it says before."""
    drift = Drift()
    false_changes = sum(drift.add(float(chance)) for chance in calibration.apply(usual))
    for row, chance in enumerate(calibration.apply(later), 1):
        if drift.add(float(chance)):
            return {"false_changes": false_changes, "rows_before": len(usual), "seen_after_rows": row}
    return {"false_changes": false_changes, "rows_before": len(usual), "seen_after_rows": -1}


def _floors(fit: Rows, test: Rows, seed: int) -> dict[str, Any]:
    """The majority of what was fitted, and two models of scikit-learn on the same rows."""
    majority = bool(fit.attack.mean() > 0.5)
    found: dict[str, Any] = {"majority": {"accuracy": round(float((test.attack == majority).mean()), 4)}}
    for name, model in _models(seed):
        model.fit(fit.x, fit.attack)
        said = model.predict(test.x)
        counted = confusion(said, test.attack)
        found[name] = {
            "accuracy": round(counted.accuracy.value, 4),
            "recall": round(counted.recall.value, 4),
            "false_positive_rate": round(counted.false_positive_rate.value, 4),
        }
    return found


def _models(seed: int) -> Iterator[tuple[str, Any]]:
    try:
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ModuleNotFoundError as error:
        hint = "pip install 'phalanx[learning]'"
        raise Unavailable("the floors of this benchmark", "scikit-learn is not installed", hint=hint) from error
    yield "logistic_regression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    yield "random_forest", RandomForestClassifier(n_estimators=100, random_state=seed, n_jobs=2)
