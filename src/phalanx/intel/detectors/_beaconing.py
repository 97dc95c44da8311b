"""Beaconing: a host that calls a destination in step, as a program does that waits for orders.

Of the gaps between the latest contacts of a pair, the score says how alike they are: one minus the median distance
from the median gap, over that gap (robust: a night's pause or a lost record moves it little), times the symmetry of
the gaps. Jitter of a fifth of the gap leaves it above the floor. What many hosts of the house call in step is
none. Each pair is held against the floor by itself: a threshold that followed all pairs of the house would rise with
every beacon, and many of them would hide each other.

Memory: the latest contacts of the pairs heard last, bounded by ``_limits``.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final

import msgspec

from phalanx.agents import Toolbox
from phalanx.core import NS_PER_S, Entity, EventBatch, Severity, Value
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._houses import Remembering, heard
from phalanx.intel.detectors._limits import (
    BEACON_COMMON_HOSTS,
    BEACON_CONTACTS,
    BEACON_FALLEN,
    BEACON_FLOOR,
    BEACON_MAX_GAP_S,
    BEACON_MIN_CONTACTS,
    BEACON_MIN_GAP_S,
    MAX_NAME_CHARS,
    MAX_PAIRS,
)
from phalanx.intel.sigma import as_text

BEACON: Final = Pattern(
    name="beaconing",
    title="Host calls a destination in step",
    severity=Severity.MEDIUM,
    description="What waits for orders calls at nearly equal gaps, and so does honest software that polls.",
    confidence=0.5,
    techniques=("T1071",),
    tactics=("command-and-control",),
)
# By service of the log source: host, destination, port.
_CONTACTS: Mapping[tuple[str, str], tuple[str, str, str]] = {
    ("zeek", "conn"): ("id.orig_h", "id.resp_h", "id.resp_p"),
    ("windows", "sysmon"): ("SourceIp", "DestinationIp", "DestinationPort"),
    ("suricata", "flow"): ("src_ip", "dest_ip", "dest_port"),
}


class _Pair(msgspec.Struct):
    """Contacts of one host with one destination, oldest first, and whether it was told."""

    times_s: list[float] = msgspec.field(default_factory=list)
    told: bool = False


class _House(msgspec.Struct):
    """Pairs, the one heard last at the end."""

    pairs: dict[str, _Pair] = msgspec.field(default_factory=dict)


class BeaconDetector(Remembering[_House]):
    """Tells of pairs that are in step, each once until it falls out of step."""

    name = "beaconing"
    house_type = _House

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        contacts = list(_contacts(batch))
        if not contacts:
            return ()
        house = self.house(batch.tenant)
        hits = []
        for place, host, destination, at_s in contacts:
            pair = heard(house.pairs, f"{host}>{destination}", _Pair, most=MAX_PAIRS)
            score = _score(pair, at_s)
            if score is None:
                continue
            if score < BEACON_FALLEN:
                pair.told = False
            elif score <= BEACON_FLOOR:
                continue
            elif not pair.told and not _is_common(house, destination):
                pair.told = True
                hits.append(_hit(batch, place, host, destination, pair, score))
        return hits


def _contacts(batch: EventBatch) -> Iterator[tuple[int, str, str, float]]:
    """Place, host, destination with port, and time of each contact in the batch."""
    named = _CONTACTS.get((batch.log_source.product, batch.log_source.service))
    columns = [batch.columns.get(name) for name in named or ()]
    if len(columns) != 3 or columns[0] is None or columns[1] is None:
        return
    ports: Sequence[Value] = columns[2] or (None,) * len(batch)
    for place, (host, destination, port) in enumerate(zip(columns[0], columns[1], ports, strict=True)):
        if host and destination:
            to = f"{as_text(destination)[:MAX_NAME_CHARS]}:{as_text(port)[:5]}"
            yield place, as_text(host)[:MAX_NAME_CHARS], to, batch.times_ns[place] / NS_PER_S


def _score(pair: _Pair, at_s: float) -> float | None:
    """How much in step the pair is with this contact; None when that cannot be said yet."""
    if pair.times_s and at_s - pair.times_s[-1] < BEACON_MIN_GAP_S:
        # Several connections of one call, or records out of order: one contact.
        return None
    pair.times_s.append(at_s)
    del pair.times_s[:-BEACON_CONTACTS]
    if len(pair.times_s) < BEACON_MIN_CONTACTS:
        return None
    gaps = sorted(later - earlier for earlier, later in zip(pair.times_s, pair.times_s[1:], strict=False))
    middle = median(gaps)
    if middle > BEACON_MAX_GAP_S:
        return 0.0
    apart = median(abs(gap - middle) for gap in gaps) / middle
    low, high = gaps[len(gaps) // 4], gaps[(3 * len(gaps)) // 4]
    lean = abs((high + low - 2 * middle) / (high - low)) if high - low > middle * 0.05 else 0.0
    return max(0.0, 1.0 - apart) * (1.0 - 0.2 * lean)


def _is_common(house: _House, destination: str) -> bool:
    """Whether so many hosts call the destination that it belongs to the house's daily life."""
    end = f">{destination}"
    return sum(key.endswith(end) for key in house.pairs) >= BEACON_COMMON_HOSTS


def _hit(batch: EventBatch, place: int, host: str, destination: str, pair: _Pair, score: float) -> Hit:
    gaps = [later - earlier for earlier, later in zip(pair.times_s, pair.times_s[1:], strict=False)]
    address, _, port = destination.rpartition(":")
    told = (
        f"{host} called {address} port {port} {len(pair.times_s)} times, about every {median(gaps):.0f} s; "
        f"the gaps are alike by {score:.2f} of 1."
    )
    # Half of what polls in step is honest software: more than even odds need more than the rhythm.
    confidence = round(0.35 + 0.3 * (score - BEACON_FLOOR) / (1.0 - BEACON_FLOOR), 2)
    entities = (Entity("ip", host), Entity("ip", address))
    return Hit(BEACON, batch, (place,), entities, f"{host}>{destination}", told, confidence)


def beacon_detector(_: Toolbox) -> BeaconDetector:
    """As the plug-in ``beaconing``."""
    return BeaconDetector()
