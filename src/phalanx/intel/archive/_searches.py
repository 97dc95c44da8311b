"""Asking the archive: within a time, off the event loop, and only so many at once."""

import asyncio
import heapq
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple, ParamSpec, TypeVar

import msgspec
import numpy as np

from phalanx.core import (
    NS_PER_S,
    Clock,
    Event,
    EventBatch,
    EventId,
    NotFound,
    Offload,
    Overloaded,
    TenantId,
    event_id,
    id_time_ns,
    split_event_id,
)
from phalanx.intel.archive._answers import (
    Bar,
    Group,
    Mark,
    Rows,
    Tally,
    batches_at,
    counted,
    counted_blocks,
    event_blocks,
    in_order,
    newest,
    value_blocks,
)
from phalanx.intel.archive._archive import Archive
from phalanx.intel.archive._asking import Asked, Mask, Node, made_ready
from phalanx.intel.archive._limits import (
    DEFAULT_TIMEOUT_S,
    JUDGED_ROWS,
    MAX_ANSWER_ROWS,
    MAX_TIMEOUT_S,
    MAX_WAITING_SEARCHES,
    SEARCHES_AT_ONCE,
    SEGMENTS_AT_ONCE,
)
from phalanx.intel.archive._listed import Lookup, listed_events
from phalanx.intel.archive._model import Segment
from phalanx.intel.archive._query import CountBy, Query, Time, Timeline, bounds_of
from phalanx.intel.archive._retro import RuleHit, candidates_of
from phalanx.intel.archive._segment import PieceShard, SegmentShard, Shard
from phalanx.intel.sigma import RuleSet

P = ParamSpec("P")
T = TypeVar("T")


class _TimeUp(Exception):
    """The question took too long, or nobody waits for the answer any more."""


@dataclass(slots=True)
class Answer:
    """What was found. ``total`` events in all; ``events`` the newest of them, ``after`` where the next page begins.

    ``complete`` is False when time was up: then not everything was looked at. ``asked`` is how many events are in the
    segments that were.
    """

    events: list[tuple[EventBatch, int]] = field(default_factory=list)
    total: int = 0
    after: str = ""
    bars: list[Bar] = field(default_factory=list)
    span_ns: int = 0
    groups: list[Group] = field(default_factory=list)
    complete: bool = True
    looked_at: int = 0
    skipped: int = 0
    asked: int = 0
    took_ns: int = 0

    def widen(self, span_ns: int) -> None:
        """Count in spans of so long a time, a multiple of those there are."""
        wider: Counter[int] = Counter()
        for bar in self.bars:
            wider[bar.start_ns // span_ns * span_ns] += bar.events
        self.bars, self.span_ns = [Bar(start_ns, events) for start_ns, events in sorted(wider.items())], span_ns


@dataclass(slots=True)
class _Run:
    """One question under way."""

    query: Query
    node: Node
    low_ns: int
    high_ns: int
    now_ns: Callable[[], int]
    begun_ns: int
    ends_ns: int
    stopped: bool = False
    limit: int = 0
    after: Mark | None = None
    tally: Tally = field(default_factory=Tally)
    # Judges the events meant, and says how many of them it kept; without it all are.
    judge: Callable[[list[EventBatch]], int] | None = None
    answer: Answer = field(default_factory=Answer)
    # One shard after another is judged: compiled rules are not to be asked by two threads at once.
    judging: asyncio.Lock = field(default_factory=asyncio.Lock)
    # The newest so far: mark, and where it is.
    top: list[tuple[Mark, int, Segment | Shard]] = field(default_factory=list)

    def check(self) -> None:
        """Raises when time is up."""
        if self.stopped or self.now_ns() > self.ends_ns:
            raise _TimeUp


class Searches:
    """Questions to one archive."""

    def __init__(self, archive: Archive, clock: Clock, offload: Offload) -> None:
        self._archive = archive
        self._clock = clock
        self._offload = offload
        self._turn = asyncio.Semaphore(SEARCHES_AT_ONCE)
        self._waiting = 0

    async def search(
        self, tenant: TenantId, query: Query, *, limit: int = 100, after: Mark | None = None, bars_ns: int = 0,
        timeout_s: float = DEFAULT_TIMEOUT_S, text: str = "",
    ) -> Answer:  # fmt: skip
        """Answer a question. ``bars_ns`` asks for a histogram of that span beside the events.

        Raises ``InvalidQuery``, and ``Overloaded`` when too many wait for an answer. A question that is cancelled
        stops soon.
        """
        node = await self._offload.run(made_ready, query.where, text or str(query))
        async with self._taken():
            run = self._begun(query, node, timeout_s)
            run.tally.span_ns = query.stage.span_ns if isinstance(query.stage, Timeline) else bars_ns
            run.limit, run.after = min(limit, MAX_ANSWER_ROWS) if query.stage is None else 0, after
            await self._done(tenant, run)
            return run.answer

    def _begun(self, query: Query, node: Node, timeout_s: float) -> _Run:
        begun_ns = self._clock.monotonic_ns()
        return _Run(
            query, node, *bounds_of(query.where), self._clock.monotonic_ns, begun_ns,
            begun_ns + round(min(timeout_s, MAX_TIMEOUT_S) * NS_PER_S),
        )  # fmt: skip

    async def _done(self, tenant: TenantId, run: _Run) -> None:
        segments, shards = self._archive.begin(tenant)
        try:
            await self._all(run, segments, shards)
        except _TimeUp:
            run.answer.complete = False
        finally:
            # What still runs in a thread stops at its next look.
            run.stopped = True
            await self._archive.end()
        self._finish(run)
        run.answer.took_ns = self._clock.monotonic_ns() - run.begun_ns

    async def rules(
        self, tenant: TenantId, rules: RuleSet, *, low_ns: int = 0, high_ns: int = 1 << 62, limit: int = 100,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> tuple[list[RuleHit], Answer]:  # fmt: skip
        """Ask rules of what is kept; the newest hits, and how much was looked at: ``total`` are all hits.

        Rules that correlate events are not asked. Raises as ``search`` does.
        """
        node = candidates_of(tuple(rules.rules.values()), low_ns, high_ns)

        def judge(batch: EventBatch) -> list[tuple[str, int]]:
            return [(hit.rule.name, hit.place) for hit in rules.evaluate(batch)]

        return await self._judged(tenant, node, judge, (low_ns, high_ns), limit, timeout_s)

    async def listed(
        self, tenant: TenantId, lookups: Sequence[Lookup], *, low_ns: int = 0, high_ns: int = 1 << 62,
        limit: int = 100, timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> tuple[list[RuleHit], Answer]:  # fmt: skip
        """Ask lists of what is kept; as ``rules`` does, with what a lookup says in place of a rule's name."""

        def judge(batch: EventBatch) -> list[tuple[str, int]]:
            return [found for one in lookups for found in one.judge(batch)]

        node = listed_events(lookups, low_ns, high_ns)
        return await self._judged(tenant, node, judge, (low_ns, high_ns), limit, timeout_s)

    async def _judged(
        self, tenant: TenantId, node: Node, judge: Callable[[EventBatch], list[tuple[str, int]]],
        window_ns: tuple[int, int], limit: int, timeout_s: float,
    ) -> tuple[list[RuleHit], Answer]:  # fmt: skip
        hits: list[RuleHit] = []
        limit = min(limit, MAX_ANSWER_ROWS)

        def judged(batches: list[EventBatch]) -> int:
            found = [RuleHit(name, batch, at) for batch in batches for name, at in judge(batch)]
            hits[:] = heapq.nlargest(limit, [*hits, *found], key=lambda hit: hit.batch.times_ns[hit.at])
            return len(found)

        async with self._taken():
            run = self._begun(Query(Time(*window_ns, "")), node, timeout_s)
            run.judge = judged
            await self._done(tenant, run)
        return hits, run.answer

    def held(self, tenant: TenantId, low_ns: int, high_ns: int) -> int:
        """About how many events a question about that time looks at, before it is asked."""
        segments = self._archive.segments(tenant)
        reached = sum(one.events for one in segments if one.low_ns < high_ns and one.high_ns >= low_ns)
        return reached + self._archive.waiting

    async def event(self, tenant: TenantId, ident: str) -> Event:
        """The event of that id, without the line that it came in. Raises ``NotFound``."""
        batch, row = split_event_id(ident)
        segments, shards = self._archive.begin(tenant)
        try:
            for shard in shards:
                if len(at := _placed(shard, batch, row)):
                    return _lone(batches_at(shard, at))
            # A segment is written after what is in it was accepted, mostly soon.
            after_ns = id_time_ns(ident)
            for segment in sorted((one for one in segments if one.at_ns >= after_ns), key=lambda one: one.at_ns):
                found = await self._event_in(segment, batch, row)
                if found is not None:
                    return found
        finally:
            await self._archive.end()
        raise NotFound("event", ident, hint="it was never accepted, is not read yet, or is no longer kept")

    async def _event_in(self, segment: Segment, batch: str, row: int) -> Event | None:
        files = self._archive.files
        shard = await files.use(segment)
        try:
            if not await files.load(segment, shard, ["origins"], _is_of, shard, batch):
                return None
            at = await files.load(segment, shard, ["places", "origins"], _placed, shard, batch, row)
        finally:
            files.done(segment)
        return _lone(await self._batches(segment, at.tolist())) if len(at) else None

    @asynccontextmanager
    async def _taken(self) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING_SEARCHES:
            raise Overloaded("the queue of searches", retry_after_s=1)
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def _all(self, run: _Run, segments: list[Segment], shards: list[PieceShard]) -> None:
        for shard in shards:
            if self._wanted(run, shard.low_ns, shard.high_ns, shard.n):
                part = await self._offload.run(_ask_memory, run, shard)
                if part is not None:
                    _add(run, part)
            await asyncio.sleep(0)
        todo = [one for one in segments if self._wanted(run, one.low_ns, one.high_ns, one.events)]
        todo.sort(key=lambda one: (one.high_ns, one.id))

        async def work() -> None:
            while todo:
                run.check()
                await self._ask(run, todo.pop())

        await _all_of([work() for _ in range(SEGMENTS_AT_ONCE)])
        await self._show(run)

    def _wanted(self, run: _Run, low_ns: int, high_ns: int, events: int) -> bool:
        if low_ns < run.high_ns and high_ns >= run.low_ns:
            run.answer.looked_at += 1
            run.answer.asked += events
            return True
        run.answer.skipped += 1
        return False

    async def _ask(self, run: _Run, segment: Segment) -> None:
        files = self._archive.files
        try:
            shard = await files.use(segment)
        except NotFound:
            # A tenant was erased meanwhile.
            return
        try:
            asked = Asked(run.node, shard)
            wanted = await files.load(segment, shard, asked.first_blocks(), asked.choose)
            wanted = await files.load(segment, shard, wanted, asked.test, run.check)
            mask = await files.load(segment, shard, wanted, asked.mask, run.check)
            if not mask.any():
                return
            if run.judge is not None:
                await self._judge(run, segment, shard, mask)
                return
            shown = _may_be_shown(run, shard)
            blocks = counted_blocks(run.query.stage, shard) if isinstance(run.query.stage, CountBy) else []
            blocks += ["times", "places", "origins"] if shown else ["times"] if _is_of_spans(run, shard) else []
            _add(run, await files.load(segment, shard, blocks, _part, run, shard, segment, mask, shown=shown))
        finally:
            files.done(segment)

    async def _judge(self, run: _Run, segment: Segment, shard: SegmentShard, mask: Mask) -> None:
        at = np.flatnonzero(mask)
        files = self._archive.files
        blocks = await files.load(segment, shard, ["times", "places", "origins"], event_blocks, shard, at)
        blocks += await files.load(segment, shard, blocks, value_blocks, shard, at)
        for start in range(0, len(at), JUDGED_ROWS):
            rows = at[start : start + JUDGED_ROWS]
            async with run.judging:
                run.tally.events += await files.load(segment, shard, blocks, _judge, run, shard, rows)

    async def _show(self, run: _Run) -> None:
        """Read the events that are shown."""
        where: dict[int, tuple[Segment | Shard, list[int]]] = {}
        for _, place, source in run.top:
            where.setdefault(id(source), (source, []))[1].append(place)
        todo = list(where.values())
        batches: list[EventBatch] = []

        async def work() -> None:
            while todo:
                run.check()
                source, places = todo.pop()
                batches.extend(await self._batches(source, sorted(places)))

        await _all_of([work() for _ in range(SEGMENTS_AT_ONCE)])
        run.answer.events = in_order(batches, [mark.event for mark, _, _ in run.top])

    async def _batches(self, source: Segment | Shard, places: list[int]) -> list[EventBatch]:
        at = np.array(places, np.int64)
        if isinstance(source, Shard):
            return await self._offload.run(batches_at, source, at)
        files = self._archive.files
        shard = await files.use(source)
        try:
            blocks = await files.load(source, shard, ["times", "places", "origins"], event_blocks, shard, at)
            blocks += await files.load(source, shard, blocks, value_blocks, shard, at)
            return await files.load(source, shard, blocks, batches_at, shard, at)
        finally:
            files.done(source)

    def _finish(self, run: _Run) -> None:
        answer, stage = run.answer, run.query.stage
        answer.total = run.tally.events
        answer.bars, answer.span_ns = run.tally.shown_bars(), run.tally.span_ns
        if isinstance(stage, CountBy):
            answer.groups = run.tally.shown_groups(stage.limit)
        if run.limit and len(answer.events) == run.limit and answer.events:
            batch, at = answer.events[-1]
            answer.after = str(Mark(batch.times_ns[at], _id(batch, at)))


async def _all_of(works: Sequence[Awaitable[None]]) -> None:
    """Wait for all of them, also where one fails: none goes on behind the answer's back."""
    for error in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(error, BaseException):
            raise error


def _is_of(shard: Shard, batch: str) -> bool:
    return any(one.batch == batch for one in shard.origins)


def _placed(shard: Shard, batch: str, row: int) -> Rows:
    """Where the event of that row of a batch is."""
    origin, rows = shard.places
    own = np.array([one.batch == batch for one in shard.origins], bool)
    return np.flatnonzero(own[origin] & (rows == row))


def _lone(batches: list[EventBatch]) -> Event:
    """The one event there is, with its fields in place of the line."""
    fields = Event(batches[0], 0).fields()
    return Event(replace(batches[0], raw=[msgspec.json.encode(fields)]), 0)


class _Part(NamedTuple):
    """What one shard has for an answer. ``times_ns`` are those of its events, or the one span that all are in."""

    events: int
    times_ns: Rows | int | None
    groups: Counter[tuple[str, ...]] | None
    found: list[tuple[Mark, int, Segment | Shard]]


def _may_be_shown(run: _Run, shard: Shard) -> bool:
    """Whether events of the shard may be among those that are shown, and are not just counted."""
    if not run.limit or (run.after is not None and shard.low_ns > run.after.time_ns):
        return False
    return len(run.top) < run.limit or shard.high_ns >= run.top[-1][0].time_ns


def _is_of_spans(run: _Run, shard: Shard) -> bool:
    """Whether the shard's events are in several spans of a histogram."""
    span_ns = run.tally.span_ns
    return bool(span_ns) and shard.low_ns // span_ns != shard.high_ns // span_ns


def _part(run: _Run, shard: Shard, source: Segment | Shard, mask: Mask, *, shown: bool) -> _Part:
    run.check()
    times_ns: Rows | int | None = shard.low_ns if run.tally.span_ns else None
    if _is_of_spans(run, shard):
        times_ns = shard.times_ns[mask]
    return _Part(
        int(np.count_nonzero(mask)), times_ns,
        counted(run.query.stage, shard, mask) if isinstance(run.query.stage, CountBy) else None,
        [(mark, place, source) for mark, place in newest(shard, mask, run.limit, run.after)] if shown else [],
    )  # fmt: skip


def _add(run: _Run, part: _Part) -> None:
    """Add what a shard has to the answer; on the event loop, so one after another."""
    run.tally.events += part.events
    if isinstance(part.times_ns, int):
        run.tally.add_at(part.times_ns, part.events)
    elif part.times_ns is not None:
        run.tally.add_times(part.times_ns)
    if part.groups is not None:
        run.tally.add_groups(part.groups)
    if part.found:
        run.top = heapq.nlargest(run.limit, [*run.top, *part.found], key=lambda one: one[0])


def _ask_memory(run: _Run, shard: Shard) -> _Part | None:
    asked = Asked(run.node, shard)
    asked.choose()
    asked.test(run.check)
    mask = asked.mask(run.check)
    if not mask.any():
        return None
    if run.judge is None:
        return _part(run, shard, shard, mask, shown=_may_be_shown(run, shard))
    at = np.flatnonzero(mask)
    kept = sum(_judge(run, shard, at[start : start + JUDGED_ROWS]) for start in range(0, len(at), JUDGED_ROWS))
    return _Part(kept, None, None, [])


def _judge(run: _Run, shard: Shard, at: Rows) -> int:
    run.check()
    assert run.judge is not None, "somebody judges"
    return run.judge(batches_at(shard, at))


def _id(batch: EventBatch, at: int) -> EventId:
    return event_id(batch.batch, batch.rows[at])
