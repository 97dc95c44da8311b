"""Asks models about events: promoted ones find, those in shadow are counted, and both are watched for drift.

What comes is held against what a model was trained on: its scores and the features that its trees ask for most, by the
population stability index over the latest events; and the mean of its probabilities by ADWIN. When the index says that
this is something else, a finding says so, once until it is as before: a model that does not fit any more is not to be
believed. Its threshold follows the house above its floor, like every other's.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.core import EventBatch, Severity, TenantId
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._houses import Remembering
from phalanx.intel.models._document import Distribution, Document
from phalanx.intel.models._limits import (
    DRIFT_CALM_PSI,
    DRIFT_MIN_EVENTS,
    DRIFT_PSI,
    MAX_ROWS,
    PASSING,
    WINDOW_EVENTS,
)
from phalanx.intel.models._models import Asked
from phalanx.learning import AdaptiveThreshold, Drift

DETECTOR: Final = "models"
DRIFTED: Final = Pattern(
    name="model-drift",
    title="Events are no longer like those that a model was trained on",
    severity=Severity.LOW,
    description="What the model says of them is not to be believed until it is trained anew, or they are as before.",
    confidence=0.6,
)


class Known(Protocol):
    """Who knows which models are asked. ``Models``, as far as it is needed here."""

    def asked(self, tenant: TenantId) -> Sequence[Asked]: ...


class Watch(msgspec.Struct):
    """What one model saw of one tenant's events: how many, how many passed, and how they were distributed."""

    threshold: AdaptiveThreshold
    scores: list[float]
    features: dict[str, list[float]]
    events: int = 0
    passed: int = 0
    drift: Drift = msgspec.field(default_factory=Drift)
    is_told: bool = False

    def psi(self, document: Document) -> tuple[float, str]:
        """The largest index, and whose it is: the scores', or a feature's."""
        found = {"scores": document.scores.psi(np.array(self.scores))}
        for name, counts in self.features.items():
            found[name] = document.watched[name].psi(np.array(counts))
        worst = max(found, key=lambda name: found[name])
        return found[worst], worst


class House(msgspec.Struct):
    """By model."""

    watches: dict[str, Watch] = msgspec.field(default_factory=dict)


class ModelDetector(Remembering[House]):
    """``models`` says which are asked, and which of them may speak."""

    name = DETECTOR
    house_type = House

    def __init__(self, models: Known) -> None:
        super().__init__()
        self._models = models

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        asked = self._models.asked(batch.tenant)
        own = [one for one in asked if one.document.is_about(batch.log_source)]
        if not own:
            return ()
        house = self.house(batch.tenant)
        known = {one.id for one in asked}
        for gone in [name for name in house.watches if name not in known]:
            del house.watches[gone]
        hits: list[Hit] = []
        n = min(len(batch), MAX_ROWS)
        for one in own:
            rows = one.document.coding.rows(batch.columns, n)
            hits += self._ask(house, one, batch, rows)
        return hits

    def thresholds(self, tenant: TenantId) -> Mapping[str, AdaptiveThreshold]:
        """Of the models that may speak, by their patterns."""
        house = self._houses.get(tenant)
        if house is None:
            return {}
        speaking = {one.id: one.pattern.name for one in self._models.asked(tenant) if one.promoted}
        return {speaking[key]: watch.threshold for key, watch in house.watches.items() if key in speaking}

    def _ask(self, house: House, one: Asked, batch: EventBatch, rows: NDArray[np.float64]) -> list[Hit]:
        document = one.document
        watch = house.watches.get(one.id)
        if watch is None:
            watch = house.watches[one.id] = new_watch(document)
        scores = one.trees.log_odds(rows)
        chances = document.calibration.apply(scores)
        hits = []
        for place, (score, chance) in enumerate(zip(scores.tolist(), chances.tolist(), strict=True)):
            watch.drift.add(min(1.0, max(0.0, chance)))
            if watch.threshold.passes(score):
                watch.passed += 1
                if one.promoted:
                    hits.append(_hit(one, batch, place, score, chance, watch))
        watch.events += len(scores)
        _distribute(watch, one, scores, rows)
        drifted = _drifted(watch, one, batch)
        return hits if drifted is None else [*hits, drifted]


def new_watch(document: Document) -> Watch:
    """Nothing was seen yet."""
    return Watch(
        AdaptiveThreshold.between(document.floor, document.ceiling, passing=PASSING),
        [0.0] * len(document.scores.parts),
        {name: [0.0] * len(known.parts) for name, known in document.watched.items()},
    )


def _distribute(watch: Watch, one: Asked, scores: NDArray[np.float64], rows: NDArray[np.float64]) -> None:
    def add(into: list[float], known: Distribution, values: NDArray[np.float64]) -> list[float]:
        counts = np.array(into) + known.counts(values)
        return [float(count) for count in (counts / 2 if counts.sum() > WINDOW_EVENTS else counts)]

    watch.scores = add(watch.scores, one.document.scores, scores)
    for name, known in one.document.watched.items():
        watch.features[name] = add(watch.features[name], known, rows[:, one.places[name]])


def _drifted(watch: Watch, one: Asked, batch: EventBatch) -> Hit | None:
    if watch.events < DRIFT_MIN_EVENTS:
        return None
    psi, worst = watch.psi(one.document)
    if psi < DRIFT_CALM_PSI:
        watch.is_told = False
    if psi < DRIFT_PSI or watch.is_told:
        return None
    watch.is_told = True
    told = (
        f"What the model {one.document.name} ({one.id}) sees ({worst}) is distributed otherwise than in training: a "
        f"population stability index of {psi:.2f}, {DRIFT_PSI} is much; "
        f"{watch.drift.changes} changes of the mean of its scores."
    )
    return Hit(DRIFTED, batch, (len(batch) - 1,), (), one.id, told)


def _hit(one: Asked, batch: EventBatch, place: int, score: float, chance: float, watch: Watch) -> Hit:
    measured = one.document.provenance.metrics.get("precision_at_one_in_ten_thousand")
    stands = (
        f"; where one event in 10,000 is an attack, {measured:.0%} of what it tells is"
        if isinstance(measured, float)
        else ""
    )
    told = (
        f"The model {one.document.name} ({one.id}) gives it {chance:.0%} (log-odds {score:.1f}, threshold "
        f"{watch.threshold.standing:.1f}){stands}."
    )
    return Hit(one.pattern, batch, (place,), told=told, confidence=round(min(0.95, max(0.05, chance)), 2))
