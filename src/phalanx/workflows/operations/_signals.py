"""Signals of several steps become one assessment.

Each step says how likely the feared event is, with an interval. They are combined by the weighted mean of their log
odds: signals that rest on the same evidence do not add up as if they were independent. ``scale`` and ``shift`` are
a calibration fitted on labelled data; without one the answer says that it is not calibrated, and a low probability
is too little evidence (``inconclusive``), not innocence (``benign``).

What would change the verdict is computed, not guessed: each signal is left out, and each is moved to where the
verdict changes. A signal that was answered classically in place of a quantum step has its odds halved and doubled
for its interval, and takes a quarter of its share from the confidence.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded, Verdict

SUSPICIOUS_FROM, COMPROMISED_FROM = 0.15, 0.70
MAX_SIGNALS = 64
_LEAST = 1e-4
_FAR = 30.0
_DEGRADED_ODDS = math.log(2.0)
# The share of its confidence that an answer loses where a classical step stood in for a quantum one.
DEGRADED_COST = 0.25
# What is not calibrated is told with less confidence, however narrow its interval.
UNCALIBRATED = 0.6
_ORDER = {Verdict.BENIGN: 0, Verdict.INCONCLUSIVE: 0, Verdict.SUSPICIOUS: 1, Verdict.COMPROMISED: 2}


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """How likely what is feared is, as one step sees it. ``degraded`` says why it was answered classically."""

    name: str
    probability: float
    interval: tuple[float, float]
    summary: str
    weight: float = 1.0
    degraded: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a signal added: the answer's log odds with it, less those without it."""

    name: str
    summary: str
    log_odds: float
    probability: float
    weight: float
    degraded: str


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What would change the verdict: this signal left out (``probability`` is -1), or at that probability."""

    signal: str
    probability: float
    verdict: Verdict
    text: str


class Fused(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. ``turns`` has the smallest changes first."""

    verdict: Verdict
    probability: float
    interval: tuple[float, float]
    confidence: float
    parts: tuple[Part, ...]
    turns: tuple[Turn, ...]
    calibrated: bool
    degraded: str


def fuse(signals: Sequence[Signal], *, scale: float = 1.0, shift: float = 0.0, calibrated: bool = False) -> Fused:
    """Put ``signals`` together. Raises ``InvalidInput``, which names the field."""
    _check(signals)
    weights = [one.weight for one in signals]
    odds = [_logit(one.probability) for one in signals]
    middle = _chance(_pooled(odds, weights), scale, shift)
    lows, highs = zip(*map(_interval, signals), strict=True)
    ends = [_chance(_pooled(list(end), weights), scale, shift) for end in (lows, highs)]
    without = [_chance(_pooled(_left(odds, at), _left(weights, at)), scale, shift) for at in range(len(signals))]
    interval = (min(*ends, middle, *without), max(*ends, middle, *without)) if len(signals) > 1 else (ends[0], ends[1])
    verdict = verdict_of(middle, calibrated=calibrated)
    share = sum(one.weight for one in signals if one.degraded) / sum(weights)
    confidence = (1.0 - (interval[1] - interval[0])) * (1.0 - DEGRADED_COST * share)
    parts = tuple(
        Part(
            name=one.name, summary=one.summary, probability=one.probability, weight=one.weight, degraded=one.degraded,
            log_odds=_logit(middle) - _logit(without[at]) if len(signals) > 1 else _logit(middle),
        )
        for at, one in enumerate(signals)
    )  # fmt: skip
    return Fused(
        verdict=verdict, probability=middle, interval=interval, parts=parts,
        confidence=confidence if calibrated else UNCALIBRATED * confidence,
        turns=tuple(_turns(signals, odds, weights, without, verdict, scale, shift, calibrated=calibrated)),
        calibrated=calibrated,
        degraded="; ".join(dict.fromkeys(one.degraded for one in signals if one.degraded)),
    )  # fmt: skip


def pooled_log_odds(
    probabilities: Sequence[npt.NDArray[np.float64]], weights: Sequence[float] | None = None
) -> npt.NDArray[np.float64]:  # fmt: skip
    """What ``fuse`` puts together before it is calibrated, for many rows at once."""
    if not probabilities:
        raise InvalidInput("probabilities", "there are no signals")
    held = [np.clip(one, _LEAST, 1.0 - _LEAST) for one in probabilities]
    shares = np.asarray(weights if weights is not None else [1.0] * len(held), dtype=np.float64)
    odds = np.stack([np.log(one / (1.0 - one)) for one in held])
    return np.asarray(shares @ odds / shares.sum())


def verdict_of(probability: float, *, calibrated: bool) -> Verdict:
    """The word for a probability. A low one may be called benign only where it is calibrated on labelled data."""
    if probability >= COMPROMISED_FROM:
        return Verdict.COMPROMISED
    if probability >= SUSPICIOUS_FROM:
        return Verdict.SUSPICIOUS
    return Verdict.BENIGN if calibrated else Verdict.INCONCLUSIVE


def _check(signals: Sequence[Signal]) -> None:
    if not signals:
        raise InvalidInput("signals", "there are none")
    if len(signals) > MAX_SIGNALS:
        raise LimitExceeded("signals of one assessment", maximum=MAX_SIGNALS, seen=len(signals))
    for at, one in enumerate(signals):
        low, high = one.interval
        if not 0 <= low <= one.probability <= high <= 1:  # also refuses NaN
            raise InvalidInput(f"signals[{at}].interval", f"{one.name}: {low} ≤ {one.probability} ≤ {high} is not so")
        if not 0 < one.weight < math.inf:
            raise InvalidInput(f"signals[{at}].weight", f"{one.name}: is above zero, got {one.weight}")


def _logit(probability: float) -> float:
    held = min(max(probability, _LEAST), 1.0 - _LEAST)
    return math.log(held / (1.0 - held))


def _chance(log_odds: float, scale: float, shift: float) -> float:
    held = min(max(scale * log_odds + shift, -_FAR), _FAR)
    return 1.0 / (1.0 + math.exp(-held))


def _pooled(odds: Sequence[float], weights: Sequence[float]) -> float:
    return sum(w * one for w, one in zip(weights, odds, strict=True)) / sum(weights) if weights else 0.0


def _left(values: Sequence[float], at: int) -> list[float]:
    return [*values[:at], *values[at + 1 :]]


def _interval(signal: Signal) -> tuple[float, float]:
    wide = _DEGRADED_ODDS if signal.degraded else 0.0
    return _logit(signal.interval[0]) - wide, _logit(signal.interval[1]) + wide


def _turns(
    signals: Sequence[Signal], odds: Sequence[float], weights: Sequence[float], without: Sequence[float],
    verdict: Verdict, scale: float, shift: float, *, calibrated: bool,
) -> list[Turn]:  # fmt: skip
    found: list[tuple[float, Turn]] = []
    total = sum(weights)
    for at, one in enumerate(signals):
        other = verdict_of(without[at], calibrated=calibrated)
        if len(signals) > 1 and other is not verdict:
            text = f"without {one.name} it would be {other.value} ({without[at]:.2f})"
            found.append((abs(odds[at]), Turn(signal=one.name, probability=-1.0, verdict=other, text=text)))
        rest = sum(w * o for w, o in zip(_left(weights, at), _left(odds, at), strict=True))
        for edge in (SUSPICIOUS_FROM, COMPROMISED_FROM):
            if scale <= 0:
                continue
            wanted = ((_logit(edge) - shift) / scale * total - rest) / one.weight
            beyond = wanted > odds[at]
            turned = verdict_of(edge if beyond else math.nextafter(edge, 0.0), calibrated=calibrated)
            away = abs(wanted - odds[at])
            if turned is verdict or abs(wanted) > -_logit(_LEAST) or _ORDER[turned] == _ORDER[verdict]:
                continue
            if abs(_ORDER[turned] - _ORDER[verdict]) > 1:
                continue  # the nearer edge says it already
            chance = _chance(wanted, 1.0, 0.0)
            text = f"if {one.name} were {chance:.2f} instead of {one.probability:.2f} it would be {turned.value}"
            found.append((away, Turn(signal=one.name, probability=chance, verdict=turned, text=text)))
    return [turn for _, turn in sorted(found, key=lambda one: (one[0], one[1].signal, one[1].text))]
