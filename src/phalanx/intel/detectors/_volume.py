"""Volume: a host sends, logs or fails many times more, or less, than it does at this hour of the week.

What is counted by hour has heavy tails, so it is judged as logarithms: the distance from what is expected of this hour
of the week, over a scale that is the median of such distances, never less than what chance makes of a count. What is
expected moves with each hour towards what came, and no hour can pull it far. Until an hour of the week is known, the
same hour of other days answers for it, with a wider scale; before a day is over nothing is said. The bar follows the
house, with a floor (``AdaptiveThreshold``).

Told as soon as an hour's count is over its bar, once an hour; that it fell short is told when the hour is over.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import expm1, isnan, log1p, sqrt
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.agents import Toolbox
from phalanx.core import NS_PER_S, EventBatch, Severity, TenantId
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._subjects import HOST_FIELDS
from phalanx.intel.detectors._limits import (
    MAX_NAME_CHARS,
    MAX_VOLUME_PLACES,
    MAX_VOLUMES,
    VOLUME_ABSENT_HOURS,
    VOLUME_AHEAD_S,
    VOLUME_CEILING,
    VOLUME_FACTOR,
    VOLUME_FLOOR,
    VOLUME_HABIT,
    VOLUME_HOUR_S,
    VOLUME_LEAST_SCALE,
    VOLUME_MIN_HOURS,
    VOLUME_OWN,
    VOLUME_PASSING,
    VOLUME_PULL,
    VOLUME_RESIDUALS,
    VOLUME_SLOTS,
    VOLUME_UNSURE,
    VOLUME_WEIGHT,
)
from phalanx.intel.sigma import as_text
from phalanx.learning import AdaptiveThreshold

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
# By product and service: who sends, and how much.
_SENT: Final = {("zeek", "conn"): ("id.orig_h", "orig_bytes"), ("suricata", "flow"): ("src_ip", "flow.bytes_toserver")}
# By product and service: where it came from, the field that says so, and what it says.
_FAILURES: Final = {
    ("windows", "security"): (("IpAddress", "TargetUserName"), "EventID", "4625"),
    ("linux", "sshd"): (("src_ip", "user"), "action", "failed"),
}


class _Volume(msgspec.Struct, array_like=True):
    """One entity: the hour that is counted, what came in it, and what is usual, as logarithms of float16."""

    hour: int
    count: float
    bar: float
    expected: float
    hours: int
    told: bool
    slots: bytearray
    residuals: bytearray


class _House(msgspec.Struct):
    """What is usual for a tenant; the entity heard last at the end."""

    since_hour: int
    volumes: dict[str, _Volume] = msgspec.field(default_factory=dict)
    thresholds: dict[str, AdaptiveThreshold] = msgspec.field(default_factory=dict)


class VolumeDetector:
    """Tells of hours whose count is far from what is usual."""

    name = "volume"

    def __init__(self) -> None:
        self._houses: dict[TenantId, _House] = {}
        self._changed: set[TenantId] = set()

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        hits: list[Hit] = []
        for measure, entity, hour, amount, places in _counted(batch):
            house = self._houses.get(batch.tenant)
            if house is None:
                house = self._houses[batch.tenant] = _new_house(hour)
            self._changed.add(batch.tenant)
            key = f"{measure}|{entity}"
            volume = house.volumes.pop(key, None)
            if volume is None:
                volume = _new_volume(house, _MEASURES[measure], hour)
            house.volumes[key] = volume
            if len(house.volumes) > MAX_VOLUMES:
                del house.volumes[next(iter(house.volumes))]
            if hour < volume.hour:
                # Late: its hour was judged already.
                continue
            if hour > volume.hour:
                hits += _closed(house, batch, measure, entity, volume, hour, places)
            volume.count += amount
            if volume.count > volume.bar and not volume.told:
                volume.told = True
                hits.append(_over(batch, measure, entity, volume, places))
        return hits

    def thresholds(self, tenant: TenantId) -> Mapping[str, AdaptiveThreshold]:
        """By the name of the pattern that each holds back."""
        house = self._houses.get(tenant)
        return {} if house is None else house.thresholds

    def state(self, tenant: TenantId) -> bytes | None:
        if tenant not in self._changed:
            return None
        self._changed.discard(tenant)
        return msgspec.msgpack.encode(self._houses[tenant])

    def restore(self, tenant: TenantId, state: bytes | None) -> None:
        self._changed.discard(tenant)
        if state is None:
            self._houses.pop(tenant, None)
        else:
            self._houses[tenant] = msgspec.msgpack.decode(state, type=_House)


def _new_house(hour: int) -> _House:
    patterns = [measure.pattern for measure in _MEASURES.values()] + [SHORT]
    return _House(
        hour,
        thresholds={
            pattern.name: AdaptiveThreshold.between(VOLUME_FLOOR, VOLUME_CEILING, passing=VOLUME_PASSING)
            for pattern in patterns
        },
    )


def _new_volume(house: _House, meant: _Measure, hour: int) -> _Volume:
    silent = meant.rare and hour - house.since_hour >= VOLUME_MIN_HOURS
    usual = np.full(VOLUME_SLOTS, 0.0 if silent else np.nan, np.float16).tobytes()
    unknown = np.full(VOLUME_RESIDUALS, np.nan, np.float16).tobytes()
    made = _Volume(
        hour, 0.0, np.inf, 0.0, VOLUME_MIN_HOURS if silent else 0, told=False, slots=bytearray(usual),
        residuals=bytearray(unknown),
    )  # fmt: skip
    _set_bar(house, meant, made)
    return made


def _counted(batch: EventBatch) -> Iterator[tuple[str, str, int, float, list[int]]]:
    """Measure, entity, hour, amount and places of what is counted in the batch, hours in order."""
    source = batch.log_source
    if source.product == "phalanx":
        return
    found: dict[tuple[int, str, str], tuple[float, list[int]]] = {}
    latest_ns = batch.accepted_at_ns + VOLUME_AHEAD_S * NS_PER_S
    hour_ns = VOLUME_HOUR_S * NS_PER_S
    hours = [at_ns // hour_ns if at_ns <= latest_ns else -1 for at_ns in batch.times_ns]
    for measure, place, entity, amount in _amounts(batch):
        if hours[place] >= 0:
            total, places = found.get((hours[place], measure, entity), (0.0, []))
            if len(places) < MAX_VOLUME_PLACES:
                places.append(place)
            else:
                places[-1] = place
            found[hours[place], measure, entity] = total + amount, places
    for hour, measure, entity in sorted(found):
        yield measure, entity, hour, *found[hour, measure, entity]


def _amounts(batch: EventBatch) -> Iterator[tuple[str, int, str, float]]:
    """Measure, place, entity and amount of each event that counts."""
    source, columns = batch.log_source, batch.columns
    who = (source.product, source.service)
    log = source.service or source.category or source.product
    hosts = next((columns[name] for name in HOST_FIELDS.get(source.product, ()) if name in columns), None)
    if hosts is not None:
        for place, host in enumerate(hosts):
            if host:
                yield "events", place, f"{as_text(host).lower()[:MAX_NAME_CHARS]} {log}", 1.0
    if who in _SENT:
        senders, sizes = (columns.get(name) for name in _SENT[who])
        for place, (sender, size) in enumerate(zip(senders or (), sizes or (), strict=False)):
            if sender and isinstance(size, int | float) and 0 < size < 2**53:
                yield "out", place, as_text(sender)[:MAX_NAME_CHARS], float(size)
    if who in _FAILURES:
        names, field, said = _FAILURES[who]
        for place, value in enumerate(columns.get(field) or ()):
            if value is not None and as_text(value) == said:
                texts = (as_text(columns[name][place]) for name in names if name in columns)
                entity = next((text for text in texts if text not in ("", "-")), "")
                if entity:
                    yield "failed", place, entity.lower()[:MAX_NAME_CHARS], 1.0


def _closed(
    house: _House, batch: EventBatch, measure: str, entity: str, volume: _Volume, hour: int, places: list[int]
) -> Iterator[Hit]:  # fmt: skip
    """The hours up to ``hour`` are over; what was usual learns from them, and the bar of ``hour`` is set."""
    meant = _MEASURES[measure]
    short = None
    if hour - volume.hour > VOLUME_ABSENT_HOURS and not meant.rare:
        # Who was away for so long says nothing of what is usual; of the hour before he went, something.
        _learn(house, meant, volume)
        volume.hour, volume.count, volume.told = hour, 0.0, False
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
        volume.hour += 1
        volume.count, volume.told = 0.0, False
    _set_bar(house, meant, volume)
    if short is not None:
        yield short


def _learn(house: _House, meant: _Measure, volume: _Volume) -> tuple[float, float] | None:
    """Take in an hour that is over; what came and what was expected, when it fell far short."""
    slots, residuals = _arrays(volume)
    slot, came = volume.hour % VOLUME_SLOTS, log1p(volume.count)
    usual, short = _expected(slots, volume.hour), None
    own = float(slots[slot])
    if not usual.known:
        # Of other hours of the day nothing follows.
        slots[slot] = came
    else:
        scale = _scale(residuals, usual)
        distance = came - usual.at
        if volume.hours >= VOLUME_MIN_HOURS:
            house.thresholds[meant.pattern.name].learn((max(0.0, distance / scale),))
            if meant.short is not None and usual.sure:
                passed = house.thresholds[meant.short.name].passes(max(0.0, -distance / scale))
                mean = expm1(usual.at)
                if passed and mean >= meant.least and volume.count * VOLUME_FACTOR < mean:
                    short = volume.count, mean
        # A new hour of the week begins near its like; a known one moves a part of the way. Neither is pulled far.
        most = VOLUME_PULL * scale
        residuals[volume.hours % VOLUME_RESIDUALS] = _within(distance, 2 * most)
        slots[slot] = (
            usual.at + _within(distance, most) if isnan(own) else own + VOLUME_WEIGHT * _within(came - own, 3 * most)
        )
    volume.hours += 1
    return short


def _within(distance: float, most: float) -> float:
    return min(max(distance, -most), most)


def _set_bar(house: _House, meant: _Measure, volume: _Volume) -> None:
    slots, residuals = _arrays(volume)
    usual = _expected(slots, volume.hour)
    if volume.hours < VOLUME_MIN_HOURS or isnan(usual.at):
        volume.bar, volume.expected = np.inf, 0.0
        return
    volume.expected = expm1(usual.at)
    above = house.thresholds[meant.pattern.name].standing * _scale(residuals, usual)
    over = expm1(min(usual.at + above, 60.0))
    volume.bar = max(over, meant.least, VOLUME_FACTOR * volume.expected)


def _arrays(volume: _Volume) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    return np.frombuffer(volume.slots, np.float16), np.frombuffer(volume.residuals, np.float16)


class _Usual(NamedTuple):
    """A logarithm that is expected, whether this hour of the week was seen before, and whether its like was."""

    at: float
    sure: bool
    known: bool


def _expected(slots: NDArray[np.float16], hour: int) -> _Usual:
    """What is usual at ``hour``; not a number when nothing is.

    One hour of one week says little: with it go the same hours of days like it. Where it is far from all of them it is
    a habit of its own, such as a weekly backup, and answers alone.
    """
    slot = hour % VOLUME_SLOTS
    week = slots.reshape(7, 24)[:, hour % 24].astype(np.float64)
    # Hours are counted from a Thursday, and days 2 and 3 of that week are the weekend.
    day, own = slot // 24, float(slots[slot])
    like = week[2:4] if day in (2, 3) else np.concatenate((week[:2], week[4:]))
    like = like[~np.isnan(like)]
    if not isnan(own):
        middle = float(np.median(like))
        alone = abs(own - middle) > VOLUME_HABIT
        return _Usual(own if alone else VOLUME_OWN * own + (1.0 - VOLUME_OWN) * middle, sure=True, known=True)
    for seen, known in ((like, True), (week[~np.isnan(week)], True), (slots[~np.isnan(slots)], False)):
        if len(seen):
            return _Usual(float(np.median(seen)), sure=False, known=known)
    return _Usual(np.nan, sure=False, known=False)


def _scale(residuals: NDArray[np.float16], usual: _Usual) -> float:
    """How far an ordinary hour is from what is expected of it."""
    seen = residuals[~np.isnan(residuals)]
    # 1.4826 medians of absolute distances are one standard deviation, where there is one.
    spread = 1.4826 * float(np.median(np.abs(seen))) if len(seen) else VOLUME_LEAST_SCALE
    mean = expm1(max(0.0, usual.at))
    # The last is what chance makes of the logarithm of a count.
    scale = max(spread, VOLUME_LEAST_SCALE, sqrt(mean) / (1.0 + mean))
    return scale if usual.sure else scale * VOLUME_UNSURE


def _over(batch: EventBatch, measure: str, entity: str, volume: _Volume, places: list[int]) -> Hit:
    meant = _MEASURES[measure]
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
