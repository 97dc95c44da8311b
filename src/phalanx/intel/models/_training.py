"""From labelled events to a model: a part to fit, a part for calibration and threshold, a part to be judged on.

Rows are split in the order in which they came, which is that of time, or drawn by the seed where order means nothing; a
set apart may be given to be judged on. The threshold lets about the wanted part of what is no attack pass, counted on
the second part. Floors stand beside it, fitted on the same rows: the majority, and logistic regression.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phalanx.core import EventBatch, InvalidInput, LimitExceeded, LogSource, Rng, Unavailable, Value
from phalanx.intel.models._coding import fit_coding
from phalanx.intel.models._document import Distribution, Document, Figure, Provenance, covers, read_document
from phalanx.intel.models._limits import LOST_AT_CEILING, MAX_TRAINING_ROWS, MIN_OF_A_KIND, MIN_ROWS, WATCHED_FEATURES
from phalanx.intel.sigma import as_text
from phalanx.learning import (
    BoostingOptions,
    Calibration,
    Interval,
    Trees,
    bootstrap,
    brier,
    calibration_error,
    confusion,
    ranked_area,
    reliability,
    train_trees,
)

_FIT, _HELD = 0.7, 0.15
_BASE_RATE = 1e-4


class Labelled(NamedTuple):
    """Events in columns, and which are attacks."""

    columns: Mapping[str, Sequence[Value]]
    attack: NDArray[np.bool_]

    def at(self, places: NDArray[np.intp]) -> "Labelled":
        """Some of them."""
        chosen = {name: [column[place] for place in places] for name, column in self.columns.items()}
        return Labelled(chosen, self.attack[places])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What a training is to make. ``false_alarms`` is the part of what is no attack that may pass."""

    name: str
    title: str
    log_source: LogSource
    severity: str = "medium"
    techniques: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    order: Literal["time", "random"] = "time"
    false_alarms: float = 1e-3
    trees: int = 200
    seed: int = 0


def labelled_csv(data: bytes, label: str, attack: Iterable[str]) -> Labelled:
    """Rows of a CSV file under a header; those whose ``label`` is one of ``attack`` are attacks."""
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput("data", f"is no CSV: {error}") from error
    names = [name for name in (rows[0] if rows else {}) if name is not None]
    return _labelled({name: [row.get(name) or None for row in rows] for name in names}, label, attack)


def labelled_events(batches: Iterable[EventBatch], source: LogSource, label: str, attack: Iterable[str]) -> Labelled:
    """Events of ``source``, of which what is empty matches anything, as a node reads them.

    Those whose field ``label`` is one of ``attack`` are attacks.
    """
    batches = list(batches)
    own = [batch for batch in batches if covers(source, batch.log_source)]
    if not own:
        there = ", ".join(dict.fromkeys(str(batch.log_source) for batch in batches)) or "no events"
        raise InvalidInput("log_source", f"no event is of {source}", hint=f"the file has: {there}")
    names = dict.fromkeys(name for batch in own for name in batch.columns)
    columns = {
        name: [value for batch in own for value in batch.columns.get(name, (None,) * len(batch))] for name in names
    }
    return _labelled(columns, label, attack)


def _labelled(columns: dict[str, list[Value]], label: str, attack: Iterable[str]) -> Labelled:
    if label not in columns:
        raise InvalidInput("label", f"no event has a field {label!r}")
    wanted = set(attack)
    said = np.array([value is not None and as_text(value) in wanted for value in columns.pop(label)], bool)
    return Labelled(columns, said)


def train_model(rows: Labelled, options: TrainingOptions, *, data: str, test: Labelled | None = None) -> Document:
    """Train and judge. Raises ``InvalidInput``, ``LimitExceeded``, and ``Unavailable`` without the extra."""
    n = len(rows.attack)
    if n > MAX_TRAINING_ROWS:
        raise LimitExceeded("rows of training", maximum=MAX_TRAINING_ROWS, seen=n)
    kinds = int(rows.attack.sum()), int((~rows.attack).sum())
    if n < MIN_ROWS or min(kinds) < MIN_OF_A_KIND:
        raise InvalidInput(
            "events", f"{kinds[0]} attacks and {kinds[1]} others are too few to learn from and be judged"
        )
    rng = Rng(options.seed).child("model")
    fit, held, judged = _split(rows, options, rng, test)
    coding = fit_coding(fit.columns, exclude=options.exclude)
    x_fit, x_held, x_test = (coding.rows(part.columns, len(part.attack)) for part in (fit, held, judged))
    trees = train_trees(
        x_fit, fit.attack, coding.features, seed=options.seed, options=BoostingOptions(trees=options.trees)
    )
    held_scores = trees.log_odds(x_held)
    if held.attack.all() or not held.attack.any():
        raise InvalidInput("events", "the part for the threshold has one kind only; try the order random")
    calibration = Calibration.fitted(held_scores, held.attack)
    floor = float(np.quantile(held_scores[~held.attack], 1.0 - options.false_alarms))
    passing = held_scores[held.attack & (held_scores > floor)]
    ceiling = float(np.quantile(passing, LOST_AT_CEILING)) if len(passing) else floor
    metrics = _judged(trees.log_odds(x_test), calibration, judged.attack, floor, rng)
    document = Document(
        form=1, name=options.name, title=options.title, log_source=options.log_source, severity=options.severity,
        techniques=options.techniques, coding=coding, trees=trees.to_bytes(), calibration=calibration, floor=floor,
        ceiling=ceiling,
        scores=Distribution.of(trees.log_odds(x_fit)), watched=_watched(trees, x_fit),
        provenance=Provenance(
            data=data, data_sha256=_digest(rows, test), split=_told(options, test), rows=n,
            attacks=kinds[0], test_rows=len(judged.attack), base_rate=float(judged.attack.mean()), seed=options.seed,
            library=_library(), options={"trees": float(options.trees), "false_alarms": options.false_alarms},
            metrics=metrics, baselines=_baselines(x_fit, fit.attack, x_test, judged.attack),
        ),
    )  # fmt: skip
    return read_document(document.to_bytes())[0]


def _split(
    rows: Labelled, options: TrainingOptions, rng: Rng, test: Labelled | None
) -> tuple[Labelled, Labelled, Labelled]:  # fmt: skip
    n = len(rows.attack)
    order = np.arange(n)
    if options.order == "random":
        order = np.random.default_rng(rng.child("split").bits(64)).permutation(n)
    cut = int((_FIT if test is None else 1.0 - _HELD) * n)
    until = cut + int(_HELD * n)
    return rows.at(order[:cut]), rows.at(order[cut:until]), rows.at(order[until:]) if test is None else test


def _told(options: TrainingOptions, test: Labelled | None) -> str:
    how = "in order of time" if options.order == "time" else f"drawn by seed {options.seed}"
    return (
        f"70 % fit, 15 % threshold, 15 % judged, {how}" if test is None
        else f"85 % fit, 15 % threshold, {how}; judged on a set apart"
    )  # fmt: skip


def _judged(
    scores: NDArray[np.float64], calibration: Calibration, attack: NDArray[np.bool_], floor: float, rng: Rng
) -> dict[str, Figure | float | None]:
    said, passed = calibration.apply(scores), scores > floor
    even, few = confusion(said > 0.5, attack), confusion(passed, attack)
    right = (said > 0.5) == attack
    return {
        "accuracy": _figure(bootstrap(lambda at: float(right[at].mean()), len(right), rng=rng.child("bootstrap"))),
        "false_positive_rate": _figure(even.false_positive_rate), "recall": _figure(even.recall),
        "recall_at_threshold": _figure(few.recall),
        "false_positive_rate_at_threshold": _figure(few.false_positive_rate),
        "precision_at_threshold": _figure(few.precision),
        "precision_at_one_in_ten_thousand": round(float(few.precision_at(_BASE_RATE)), 4),
        "roc_area": round(ranked_area(scores, attack), 4) if 0 < attack.sum() < len(attack) else None,
        "brier": round(float(brier(said, attack)), 4),
        "calibration_error": round(float(calibration_error(reliability(said, attack))), 4),
    }  # fmt: skip


def _figure(interval: Interval) -> Figure:
    return Figure(*(round(float(bound), 5) for bound in interval))


def _watched(trees: Trees, x: NDArray[np.float64]) -> dict[str, Distribution]:
    """The features that trees ask for most, as they were."""
    asked = np.bincount(trees.feature[trees.feature >= 0], minlength=len(trees.features))
    chosen = [int(at) for at in np.argsort(-asked, kind="stable")[:WATCHED_FEATURES] if asked[at]]
    return {trees.features[at]: Distribution.of(x[:, at]) for at in chosen}


def _baselines(
    x_fit: NDArray[np.float64], fit: NDArray[np.bool_], x_test: NDArray[np.float64], attack: NDArray[np.bool_]
) -> dict[str, Figure | float | None]:
    majority = bool(fit.mean() > 0.5)
    found: dict[str, Figure | float | None] = {"majority_accuracy": round(float((attack == majority).mean()), 5)}
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ModuleNotFoundError:
        return found
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    model.fit(x_fit, fit)
    counted = confusion(model.predict(x_test).astype(bool), attack)
    return found | {
        "logistic_accuracy": _figure(counted.accuracy), "logistic_recall": _figure(counted.recall),
        "logistic_false_positive_rate": _figure(counted.false_positive_rate),
    }  # fmt: skip


def _library() -> str:
    try:
        import lightgbm
    except ModuleNotFoundError as error:
        hint = "pip install 'phalanx[learning]'"
        raise Unavailable("training of trees", "LightGBM is not installed", hint=hint) from error
    return f"lightgbm {lightgbm.__version__}"


def _digest(rows: Labelled, test: Labelled | None) -> str:
    """What tells this data from any other, whatever file it was in."""
    made = hashlib.sha256()
    for part in (rows, test):
        if part is not None:
            for name in sorted(part.columns):
                made.update(repr((name, list(part.columns[name]))).encode())
            made.update(part.attack.tobytes())
    return made.hexdigest()
