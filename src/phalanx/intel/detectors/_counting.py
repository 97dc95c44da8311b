"""What of a batch counts for whom: one group for each measure, entity and hour, in the order of hours."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from phalanx.core import NS_PER_S, EventBatch, Value
from phalanx.intel._subjects import HOST_FIELDS
from phalanx.intel.detectors._limits import (
    MAX_NAME_CHARS,
    MAX_NAMES_KEPT,
    MAX_VOLUME_PLACES,
    VOLUME_AHEAD_S,
    VOLUME_HOUR_S,
)
from phalanx.intel.sigma import as_text

# By product and service: who sends, and how much.
_SENT: Final = {("zeek", "conn"): ("id.orig_h", "orig_bytes"), ("suricata", "flow"): ("src_ip", "flow.bytes_toserver")}
# By product and service: where it came from, the field that says so, and what it says.
_FAILURES: Final = {
    ("windows", "security"): (("IpAddress", "TargetUserName"), "EventID", "4625"),
    ("linux", "sshd"): (("src_ip", "user"), "action", "failed"),
}
_HOUR_NS: Final = VOLUME_HOUR_S * NS_PER_S


# What came of one key in one hour, and the places of its events.
Came = tuple[float, list[int]]


def counted(batch: EventBatch) -> list[tuple[tuple[int, str], Came]]:
    """By hour and key, in this order: what came, and the first places of it and the last.

    A key is a measure and an entity, with a bar between them.
    """
    if batch.log_source.product == "phalanx" or not len(batch):
        return []
    first, latest = min(batch.times_ns) // _HOUR_NS, max(batch.times_ns)
    ahead_ns = batch.accepted_at_ns + VOLUME_AHEAD_S * NS_PER_S
    if first == latest // _HOUR_NS and latest <= ahead_ns:
        hours: Sequence[int] = ()
    else:
        hours = [at_ns // _HOUR_NS if at_ns <= ahead_ns else -1 for at_ns in batch.times_ns]
    found: dict[tuple[int, str], Came] = {}
    for key, places, amounts in _amounts(batch):
        if not hours:
            _add(found, (first, key), places, amounts)
            continue
        for number, place in enumerate(places):
            if hours[place] >= 0:
                _add(found, (hours[place], key), [place], amounts[number : number + 1])
    return [(key, (came, _evidence(places))) for key, (came, places) in sorted(found.items())]


def _add(found: dict[tuple[int, str], Came], key: tuple[int, str], places: list[int], amounts: list[float]) -> None:
    came = sum(amounts) if amounts else float(len(places))
    known = found.get(key)
    # Two spellings of one name come to the same key.
    found[key] = (came, places) if known is None else (known[0] + came, sorted(known[1] + places))


def _evidence(places: list[int]) -> list[int]:
    return places if len(places) <= MAX_VOLUME_PLACES else [*places[: MAX_VOLUME_PLACES - 1], places[-1]]


def _amounts(batch: EventBatch) -> Iterator[tuple[str, list[int], list[float]]]:
    """Key, places and amounts (none: each counts as one) of events that count."""
    source, columns = batch.log_source, batch.columns
    for name in HOST_FIELDS.get(source.product, ()):
        if name in columns:
            log = source.service or source.category or source.product
            for host, places in _grouped(columns[name]).items():
                yield _events_key(host, log), places, []
            break
    who = (source.product, source.service)
    if who in _SENT:
        yield from _sent(columns, *_SENT[who])
    if who in _FAILURES:
        yield from _failed(columns, *_FAILURES[who])


def _grouped(column: Sequence[Value]) -> dict[str, list[int]]:
    """Places by what stands there, where something does."""
    groups: dict[str, list[int]] = {}
    for place, value in enumerate(column):
        if value:
            text = value if value.__class__ is str else as_text(value)
            if text in groups:
                groups[text].append(place)
            else:
                groups[text] = [place]
    return groups


@lru_cache(MAX_NAMES_KEPT)
def _events_key(host: str, log: str) -> str:
    return f"events|{host.lower()[:MAX_NAME_CHARS]} {log}"


def _sent(
    columns: Mapping[str, Sequence[Value]], who: str, how_much: str
) -> Iterator[tuple[str, list[int], list[float]]]:  # fmt: skip
    if who not in columns or how_much not in columns:
        return
    sizes = columns[how_much]
    for sender, places in _grouped(columns[who]).items():
        kept = [
            (place, float(size)) for place in places
            if isinstance(size := sizes[place], int | float) and 0 < size < 2**53
        ]  # fmt: skip
        if kept:
            yield f"out|{sender[:MAX_NAME_CHARS]}", [place for place, _ in kept], [size for _, size in kept]


def _failed(
    columns: Mapping[str, Sequence[Value]], names: Sequence[str], field: str, said: str
) -> Iterator[tuple[str, list[int], list[float]]]:  # fmt: skip
    for place, value in enumerate(columns.get(field) or ()):
        if value is not None and as_text(value) == said:
            texts = (as_text(columns[name][place]) for name in names if name in columns)
            entity = next((text for text in texts if text not in ("", "-")), "")
            if entity:
                yield f"failed|{entity.lower()[:MAX_NAME_CHARS]}", [place], []
