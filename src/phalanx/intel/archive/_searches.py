"""Asking the archive: within a time, off the event loop, and only so many at once."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ParamSpec, TypeVar

import msgspec
import numpy as np

from phalanx.core import (
    NS_PER_S,
    Clock,
    Event,
    EventBatch,
    NotFound,
    Offload,
    Overloaded,
    StorageCorrupt,
    StorageError,
    TenantId,
    id_time_ns,
    split_event_id,
)
from phalanx.intel._limits import END_OF_TIME_NS
from phalanx.intel.archive._answers import (
    Mark,
    Rows,
    batches_at,
    counted_blocks,
    event_blocks,
    in_order,
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
from phalanx.intel.archive._run import (
    Answer,
    Run,
    TimeUp,
    add_part,
    ask_memory,
    is_of_spans,
    judge_at,
    may_be_shown,
    part_of,
)
from phalanx.intel.archive._segment import PieceShard, SegmentShard, Shard
from phalanx.intel.archive._unheard import Unheard
from phalanx.intel.sigma import RuleSet

P = ParamSpec("P")
T = TypeVar("T")


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
            run.unheard = Unheard(query)
            run.limit, run.after = min(limit, MAX_ANSWER_ROWS) if query.stage is None else 0, after
            await self._done(tenant, run)
            return run.answer

    def _begun(self, query: Query, node: Node, timeout_s: float) -> Run:
        begun_ns = self._clock.monotonic_ns()
        return Run(
            query, node, *bounds_of(query.where), self._clock.monotonic_ns, begun_ns,
            begun_ns + round(min(timeout_s, MAX_TIMEOUT_S) * NS_PER_S),
        )  # fmt: skip

    async def _done(self, tenant: TenantId, run: Run) -> None:
        looked = self._archive.begin(tenant)
        try:
            await self._all(run, looked.segments, looked.shards)
        except TimeUp:
            run.answer.complete = False
        finally:
            # What still runs in a thread stops at its next look.
            run.stopped = True
            await self._archive.end(looked)
        self._finish(run)
        run.answer.took_ns = self._clock.monotonic_ns() - run.begun_ns

    async def rules(
        self, tenant: TenantId, rules: RuleSet, *, low_ns: int = 0, high_ns: int = END_OF_TIME_NS, limit: int = 100,
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
        self, tenant: TenantId, lookups: Sequence[Lookup], *, low_ns: int = 0, high_ns: int = END_OF_TIME_NS,
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
        """How many events are in segments that reach into a time."""
        segments = self._archive.segments(tenant)
        return sum(one.events for one in segments if one.low_ns < high_ns and one.high_ns >= low_ns)

    async def event(self, tenant: TenantId, ident: str) -> Event:
        """The event of that id, without the line that it came in. Raises ``NotFound``, and ``StorageCorrupt`` where it
        may be in a segment that cannot be read.
        """
        batch, row = split_event_id(ident)
        looked = self._archive.begin(tenant)
        failed: StorageError | NotFound | None = None
        try:
            for shard in looked.shards:
                if len(at := _placed(shard, batch, row)):
                    return _lone(batches_at(shard, at))
            # A segment is written after what is in it was accepted, mostly soon, unless the clock was set back.
            after_ns = id_time_ns(ident)
            for segment in sorted(looked.segments, key=lambda one: (one.at_ns < after_ns, one.at_ns)):
                try:
                    found = await self._event_in(segment, batch, row)
                except (StorageError, NotFound) as error:
                    failed = failed or error
                    continue
                if found is not None:
                    return found
        finally:
            await self._archive.end(looked)
        if failed is not None:
            raise StorageCorrupt("the archive", 0, f"a segment cannot be read: {failed.message}") from failed
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

    async def _all(self, run: Run, segments: list[Segment], shards: list[PieceShard]) -> None:
        for shard in shards:
            if self._wanted(run, shard.low_ns, shard.high_ns, shard.n):
                _hear(run, shard)
                part = await self._offload.run(ask_memory, run, shard)
                if part is not None:
                    add_part(run, part)
            await asyncio.sleep(0)
        todo = [one for one in segments if self._wanted(run, one.low_ns, one.high_ns, one.events)]
        todo.sort(key=lambda one: (one.high_ns, one.id))

        async def work() -> None:
            while todo:
                run.check()
                await self._ask_readable(run, todo.pop())

        await _all_of([work() for _ in range(SEGMENTS_AT_ONCE)])
        await self._show(run)

    def _wanted(self, run: Run, low_ns: int, high_ns: int, events: int) -> bool:
        if low_ns < run.high_ns and high_ns >= run.low_ns:
            run.answer.looked_at += 1
            run.answer.asked += events
            return True
        run.answer.skipped += 1
        return False

    async def _ask_readable(self, run: Run, segment: Segment) -> None:
        """Ask a segment; one that cannot be read is told with the answer, which has what others say."""
        try:
            await self._ask(run, segment)
        except NotFound:
            # Unless its tenant was erased meanwhile.
            if self._archive.holds(segment):
                run.cannot_read(segment)
        except StorageError:
            run.cannot_read(segment)

    async def _ask(self, run: Run, segment: Segment) -> None:
        files = self._archive.files
        shard = await files.use(segment)
        try:
            _hear(run, shard)
            asked = Asked(run.node, shard)
            told = await files.load(segment, shard, asked.first_blocks(), asked.choose, run.check)
            wanted = await files.load(segment, shard, told, asked.narrow, run.check) if told else asked.value_blocks()
            wanted = await files.load(segment, shard, wanted, asked.test, run.check)
            mask = await files.load(segment, shard, wanted, asked.mask, run.check)
            if not mask.any():
                return
            if run.judge is not None:
                await self._judge_all(run, segment, shard, mask)
                return
            shown = may_be_shown(run, shard)
            blocks = counted_blocks(run.query.stage, shard) if isinstance(run.query.stage, CountBy) else []
            blocks += ["times", "places", "origins"] if shown else ["times"] if is_of_spans(run, shard) else []
            add_part(run, await files.load(segment, shard, blocks, part_of, run, shard, segment, mask, shown=shown))
        finally:
            files.done(segment)

    async def _judge_all(self, run: Run, segment: Segment, shard: SegmentShard, mask: Mask) -> None:
        at = np.flatnonzero(mask)
        files = self._archive.files
        blocks = await files.load(segment, shard, ["times", "places", "origins"], event_blocks, shard, at)
        blocks += await files.load(segment, shard, blocks, value_blocks, shard, at)
        for start in range(0, len(at), JUDGED_ROWS):
            rows = at[start : start + JUDGED_ROWS]
            async with run.judging:
                run.tally.events += await files.load(segment, shard, blocks, judge_at, run, shard, rows)

    async def _show(self, run: Run) -> None:
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
                try:
                    batches.extend(await self._batches(source, sorted(places)))
                except (StorageError, NotFound):
                    assert isinstance(source, Segment), "what is in memory is at hand"
                    run.cannot_read(source)

        await _all_of([work() for _ in range(SEGMENTS_AT_ONCE)])
        run.answer.events = in_order(batches, [mark.event for mark, _, source in run.top if not _is_lost(run, source)])
        run.is_shown = True

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

    def _finish(self, run: Run) -> None:
        answer, stage = run.answer, run.query.stage
        answer.total = run.tally.events
        if answer.complete and run.unheard is not None:
            answer.unknown = run.unheard.told()
        answer.bars, answer.span_ns = run.tally.shown_bars(), run.tally.span_ns
        if isinstance(stage, CountBy):
            answer.groups, answer.rough = run.tally.shown_groups(stage.limit), run.tally.cut
        # What cannot be shown has its place all the same, so that the next page is behind it.
        if run.limit and len(run.top) == run.limit and run.is_shown:
            answer.after = str(run.top[-1][0])


def _hear(run: Run, shard: Shard) -> None:
    if run.unheard is not None:
        run.unheard.hear(shard.by_lower)


async def _all_of(works: Sequence[Awaitable[None]]) -> None:
    """Wait for all of them, also where one fails: none goes on behind the answer's back."""
    for error in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(error, BaseException):
            raise error


def _is_lost(run: Run, source: Segment | Shard) -> bool:
    return isinstance(source, Segment) and source.file in run.damaged


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
