"""What comes of a question: events, or counts of them; put together from what each shard gives."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from phalanx.core import EventBatch, EventId, event_id
from phalanx.intel.archive._asking import Mask
from phalanx.intel.archive._columns import events_of, value_of
from phalanx.intel.archive._limits import MAX_BARS, MAX_COUNTED_VALUES
from phalanx.intel.archive._names import LOG_SOURCE, READER, meant
from phalanx.intel.archive._query import CountBy
from phalanx.intel.archive._segment import Shard

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bar:
    """How many events there are from ``start_ns`` on, for one span."""

    start_ns: int
    events: int


@dataclass(frozen=True, slots=True)
class Group:
    """How many events have these values; an empty text stands for none."""

    values: tuple[str, ...]
    events: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the order of answers, which is from the newest event back."""

    time_ns: int
    event: EventId

    def __str__(self) -> str:
        return f"{self.time_ns}:{self.event}"

    def __lt__(self, other: "Mark") -> bool:
        return (self.time_ns, self.event) < (other.time_ns, other.event)


def mark_of(text: str) -> Mark | None:
    """The mark that a page gave out; None when it is not one."""
    time_ns, colon, event = text.partition(":")
    if not colon or not time_ns.removeprefix("-").isdigit() or len(time_ns) > 20:
        return None
    return Mark(int(time_ns), EventId(event))


@dataclass(slots=True)
class Tally:
    """Counts as they grow, over spans or groups."""

    span_ns: int = 0
    bars: Counter[int] = field(default_factory=Counter)
    groups: Counter[tuple[str, ...]] = field(default_factory=Counter)
    events: int = 0
    cut: bool = False

    def add_times(self, times_ns: Rows) -> None:
        if not self.span_ns or not len(times_ns):
            return
        spans = times_ns // self.span_ns
        first = int(spans.min())
        if int(spans.max()) - first < len(spans) + MAX_BARS:
            every = np.bincount(spans - first)
            there = np.flatnonzero(every)
            spans, counts = there + first, every[there]
        else:
            spans, counts = np.unique(spans, return_counts=True)
        for span, count in zip(spans.tolist(), counts.tolist(), strict=True):
            self.bars[span] += count
        self._widen()

    def add_at(self, time_ns: int, events: int) -> None:
        """Count events that are all in the span of ``time_ns``."""
        self.bars[time_ns // self.span_ns] += events
        self._widen()

    def _widen(self) -> None:
        # Twice as long, until there are few enough.
        while len(self.bars) > MAX_BARS:
            self.span_ns *= 2
            wider: Counter[int] = Counter()
            for span, count in self.bars.items():
                wider[span // 2] += count
            self.bars = wider

    def shown_bars(self) -> list[Bar]:
        return [Bar(span * self.span_ns, count) for span, count in sorted(self.bars.items())]

    def add_groups(self, counted: Counter[tuple[str, ...]]) -> None:
        self.groups.update(counted)
        if len(self.groups) > MAX_COUNTED_VALUES:
            self.groups = Counter(dict(self.groups.most_common(MAX_COUNTED_VALUES // 2)))
            self.cut = True

    def shown_groups(self, limit: int) -> list[Group]:
        ordered = sorted(self.groups.items(), key=lambda one: (-one[1], one[0]))
        return [Group(values, count) for values, count in ordered[:limit]]


def counted_blocks(stage: CountBy, shard: Shard) -> list[str]:
    """What is needed to count by these fields."""
    named = any(name.lower() in (LOG_SOURCE, READER) for name in stage.fields)
    blocks = ["places", "origins"] if named else []
    return blocks + [f"{kind}{at}" for name in stage.fields for at in _columns(name, shard) for kind in "vc"]


def counted(stage: CountBy, shard: Shard, mask: Mask) -> Counter[tuple[str, ...]]:
    """How many of the events have which values."""
    if not stage.fields:
        return Counter({(): int(np.count_nonzero(mask))})
    at = np.flatnonzero(mask)
    codes, texts = zip(*(_one(name, shard, at) for name in stage.fields), strict=True)
    if len(codes) == 1:
        counts = np.bincount(codes[0], minlength=1)
        return Counter({(texts[0](int(code)),): int(counts[code]) for code in np.flatnonzero(counts)})
    found: Counter[tuple[str, ...]] = Counter()
    rows, counts = np.unique(np.stack(codes), axis=1, return_counts=True)
    for row, count in zip(rows.T.tolist(), counts.tolist(), strict=True):
        found[tuple(text(code) for text, code in zip(texts, row, strict=True))] += count
    return found


def _one(name: str, shard: Shard, at: Rows) -> tuple[Rows, Callable[[int], str]]:
    """Codes of a field for some events, and what turns a code into text."""
    if name.lower() in (LOG_SOURCE, READER):
        names = [str(one.log_source) if name.lower() == LOG_SOURCE else one.reader for one in shard.kinds]
        order = {text: number for number, text in enumerate(dict.fromkeys(names))}
        shown = list(order)
        numbers = np.array([order[text] for text in names], np.int64)
        return numbers[shard.kind_of][shard.places[0][at]], lambda code: shown[code]
    columns = _columns(name, shard)
    if len(columns) == 1:
        values = shard.values(columns[0])
        return shard.codes(columns[0])[at], lambda code: values.text(code) if code else ""
    codes, starts = np.zeros(len(at), np.int64), [0]
    for column in columns:
        own = shard.codes(column)[at].astype(np.int64)
        # The first field that is there counts.
        codes = np.where((codes == 0) & (own > 0), own + starts[-1], codes)
        starts.append(starts[-1] + len(shard.values(column)))

    def text(code: int) -> str:
        if code == 0:
            return ""
        number = int(np.searchsorted(starts, code, side="left")) - 1
        return shard.values(columns[number]).text(code - starts[number])

    return codes, text


def _columns(name: str, shard: Shard) -> list[int]:
    return sorted({at for one in meant(name) for low in one.fields for at in shard.by_lower.get(low, ())})


def ids_of(shard: Shard, at: Rows) -> list[EventId]:
    """The ids of some events."""
    origin, rows = shard.places
    return [
        event_id(shard.origins[number].batch, row)
        for number, row in zip(origin[at].tolist(), rows[at].tolist(), strict=True)
    ]


def newest(shard: Shard, mask: Mask, limit: int, after: Mark | None) -> list[tuple[Mark, int]]:
    """The newest of the events past ``after``, with their places, at most ``limit`` of them."""
    at = np.flatnonzero(mask)
    times = shard.times_ns[at]
    if after is not None:
        kept = times <= after.time_ns
        at, times = at[kept], times[kept]
    # Among events of one time the ids decide, so all of the last time that is shown are looked at.
    extra = 0 if after is None else int(np.count_nonzero(times == after.time_ns))
    if len(at) > limit + extra:
        bar = np.partition(times, -(limit + extra))[-(limit + extra)]
        kept = times >= bar
        at, times = at[kept], times[kept]
    marks = [
        (Mark(time, event), place)
        for time, event, place in zip(times.tolist(), ids_of(shard, at), at.tolist(), strict=True)
    ]
    if after is not None:
        marks = [one for one in marks if one[0] < after]
    marks.sort(key=lambda one: one[0], reverse=True)
    return marks[:limit]


def event_blocks(shard: Shard, at: Rows) -> list[str]:
    """What is needed to show some events."""
    return ["times", "places", "origins"] + [f"c{field}" for field in _fields_of(shard, at)]


def value_blocks(shard: Shard, at: Rows) -> list[str]:
    """What is needed besides: values of the columns that the events have."""
    return [f"v{field}" for field in _fields_of(shard, at) if shard.codes(field)[at].any()]


def _fields_of(shard: Shard, at: Rows) -> list[int]:
    """Columns that events of their log sources may have."""
    origin = shard.places[0]
    sources = {shard.origins[number].log_source for number in np.unique(origin[at]).tolist()}
    return [field for field in shard.names.values() if shard.has(field, sources)]


def batches_at(shard: Shard, at: Rows) -> list[EventBatch]:
    """Some events as batches; their blocks are loaded."""
    origin, rows = shard.places
    sources = {shard.origins[number].log_source for number in np.unique(origin[at]).tolist()}
    columns = {}
    for name, number in shard.names.items():
        if not shard.has(number, sources):
            continue
        codes = shard.codes(number)[at]
        if not codes.any():
            continue
        # The first of them is 0, which is none.
        used = np.unique(np.append(codes, 0))
        values = shard.values(number)
        shown = [None if code == 0 else value_of(values.key(code)) for code in used.tolist()]
        columns[name] = (shown, np.searchsorted(used, codes).astype(np.uint32))
    return events_of(columns, shard.tenant, shard.times_ns[at], shard.origins, origin[at], rows[at])


def in_order(batches: Sequence[EventBatch], order: Sequence[EventId]) -> list[tuple[EventBatch, int]]:
    """Events of batches in the order of their ids."""
    places = {event.id: (batch, event.index) for batch in batches for event in batch}
    return [places[one] for one in order]
