"""Volume: a host sends, logs or fails many times more, or less, than it does at this hour of the week.

What is counted by hour (``_counting``) is held against what is usual of the hour of the week (``_hours``); before a day
is over nothing is said. The bar follows the house, with a floor (``AdaptiveThreshold``).

Told as soon as an hour's count is over its bar, once an hour; that it fell short is told when the hour is over.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import expm1, inf, log1p
from typing import Final, NamedTuple

import msgspec

from phalanx.agents import Toolbox
from phalanx.core import EventBatch, Severity
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._houses import Bar, Following, WithThresholds
from phalanx.intel.detectors._counting import counted
from phalanx.intel.detectors._hours import Volume
from phalanx.intel.detectors._limits import (
    MAX_VOLUMES,
    VOLUME_ABSENT_HOURS,
    VOLUME_CEILING,
    VOLUME_FACTOR,
    VOLUME_FLOOR,
    VOLUME_MIN_HOURS,
    VOLUME_PASSING,
    VOLUME_SLOTS,
)

OUT: Final = Pattern(
    name="volume-out",
    title="Host sends far more than it does at this hour",
    severity=Severity.MEDIUM,
    description="Bytes to other hosts, over what this hour of the week leads to expect. A backup sends, too.",
    confidence=0.4,
    techniques=("T1048",),
    tactics=("exfiltration",),
)
FAILED: Final = Pattern(
    name="volume-failed-logons",
    title="Far more failed logons than at this hour",
    severity=Severity.MEDIUM,
    description="Failed logons from one place, over what this hour of the week leads to expect.",
    confidence=0.5,
    techniques=("T1110",),
    tactics=("credential-access",),
)
EVENTS: Final = Pattern(
    name="volume-events",
    title="Host logs far more than it does at this hour",
    severity=Severity.LOW,
    description="Events of one host and log, over what this hour of the week leads to expect.",
    confidence=0.25,
    techniques=("T1499",),
    tactics=("impact",),
)
SHORT: Final = Pattern(
    name="volume-short",
    title="Host logs far less than it does at this hour",
    severity=Severity.LOW,
    description="Events of one host and log fell far short of what this hour of the week leads to expect.",
    confidence=0.3,
    techniques=("T1562.002",),
    tactics=("defense-evasion",),
)


class _Measure(NamedTuple):
    """What is counted, from what count on it can be told, and what tells that it fell short.

    ``rare`` is what mostly does not happen: who was never heard had none in all the hours before.
    """

    pattern: Pattern
    least: float
    unit: str
    short: Pattern | None = None
    rare: bool = False


_MEASURES: Final[Mapping[str, _Measure]] = {
    "events": _Measure(EVENTS, 200.0, "events", SHORT),
    "out": _Measure(OUT, 20_000_000.0, "bytes"),
    "failed": _Measure(FAILED, 20.0, "failed logons", rare=True),
}


class _House(WithThresholds):
    """What is usual for a tenant; the entity heard last at the end."""

    since_hour: int = 0
    volumes: dict[str, Volume] = msgspec.field(default_factory=dict)


class VolumeDetector(Following[_House]):
    """Tells of hours whose count is far from what is usual."""

    name = "volume"
    house_type = _House
    bars = dict.fromkeys(
        (*(one.pattern.name for one in _MEASURES.values()), SHORT.name),
        Bar(VOLUME_FLOOR, VOLUME_CEILING, VOLUME_PASSING),
    )

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        came = counted(batch)
        if not came:
            return ()
        hits: list[Hit] = []
        house = self.house(batch.tenant)
        house.since_hour = house.since_hour or came[0][0][0]
        volumes = house.volumes
        for (hour, key), (amount, places) in came:
            volume = volumes.pop(key, None)
            if volume is None:
                volume = _new_volume(house, _measure(key), hour)
            volumes[key] = volume
            if len(volumes) > MAX_VOLUMES:
                del volumes[next(iter(volumes))]
            if hour < volume.hour:
                # Late: its hour was judged already.
                continue
            if hour > volume.hour:
                hits += _closed(house, batch, key, volume, hour, places)
            volume.count += amount
            if volume.count > volume.bar and not volume.told:
                volume.told = True
                hits.append(_over(batch, key, volume, places))
        return hits


def _measure(key: str) -> _Measure:
    return _MEASURES[key.partition("|")[0]]


def _new_volume(house: _House, meant: _Measure, hour: int) -> Volume:
    made = Volume.new(hour, silent=meant.rare and hour - house.since_hour >= VOLUME_MIN_HOURS)
    _set_bar(house, meant, made)
    return made


def _closed(
    house: _House, batch: EventBatch, key: str, volume: Volume, hour: int, places: list[int]
) -> Iterator[Hit]:  # fmt: skip
    """The hours up to ``hour`` are over; what was usual learns from them, and the bar of ``hour`` is set."""
    meant, entity, short = _measure(key), key.partition("|")[2], None
    if hour - volume.hour > VOLUME_ABSENT_HOURS and not meant.rare:
        # Who was away for so long says nothing of what is usual; of the hour before he went, something.
        _learn(house, meant, volume)
        volume.begin(hour)
    elif hour - volume.hour > VOLUME_SLOTS:
        # Of what happens seldom, a week says all.
        volume.hour, volume.count = hour - VOLUME_SLOTS, 0.0
    while volume.hour < hour:
        told = _learn(house, meant, volume)
        if told is not None and short is None and meant.short is not None:
            short = Hit(
                meant.short, batch, tuple(places[:1]), (), f"{entity} short",
                f"{entity}: {told[0]:.0f} {meant.unit} in an hour in which about {told[1]:.0f} are usual.",
            )  # fmt: skip
        volume.begin(volume.hour + 1)
    _set_bar(house, meant, volume)
    if short is not None:
        yield short


def _learn(house: _House, meant: _Measure, volume: Volume) -> tuple[float, float] | None:
    """Take in an hour that is over; what came and what was expected, when it fell far short."""
    learned = volume.learn()
    if learned is None:
        return None
    house.thresholds[meant.pattern.name].learn((max(0.0, learned.scales),))
    if meant.short is None or not learned.sure:
        return None
    passed = house.thresholds[meant.short.name].passes(max(0.0, -learned.scales))
    if passed and learned.mean >= meant.least and volume.count * VOLUME_FACTOR < learned.mean:
        return volume.count, learned.mean
    return None


def _set_bar(house: _House, meant: _Measure, volume: Volume) -> None:
    usual = volume.expect()
    if usual is None:
        volume.bar, volume.expected = inf, 0.0
        return
    volume.expected = usual.mean
    over = expm1(min(usual.at + house.thresholds[meant.pattern.name].standing * usual.scale, 60.0))
    volume.bar = max(over, meant.least, VOLUME_FACTOR * usual.mean)


def _over(batch: EventBatch, key: str, volume: Volume, places: list[int]) -> Hit:
    meant, entity = _measure(key), key.partition("|")[2]
    times = volume.count / max(1.0, volume.expected)
    told = (
        f"{entity}: {volume.count:.0f} {meant.unit} in this hour so far, about {volume.expected:.0f} are usual, "
        f"{times:.0f} times as many; the bar is {volume.bar:.0f}."
    )
    confidence = round(min(0.8, meant.pattern.confidence + 0.1 * log1p(volume.count / volume.bar)), 2)
    return Hit(meant.pattern, batch, tuple(places), (), entity, told, confidence)


def volume_detector(_: Toolbox) -> VolumeDetector:
    """As the plug-in ``volume``."""
    return VolumeDetector()
