"""One question under way: what it looks for, how far it is, and what each shard adds to its answer."""

import asyncio
import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from phalanx.core import EventBatch
from phalanx.intel.archive._answers import Bar, Group, Mark, Rows, Tally, batches_at, counted, newest
from phalanx.intel.archive._asking import Asked, Mask, Node
from phalanx.intel.archive._limits import JUDGED_ROWS
from phalanx.intel.archive._model import Segment
from phalanx.intel.archive._query import CountBy, Query
from phalanx.intel.archive._segment import Shard
from phalanx.intel.archive._unheard import Unheard, Unknown


class TimeUp(Exception):
    """The question took too long, or nobody waits for the answer any more."""


@dataclass(slots=True)
class Answer:
    """What was found. ``total`` events in all; ``events`` the newest of them, ``after`` where the next page begins.

    ``complete`` is False when time was up, or events are in segments that could not be read, of which there are
    ``unreadable``: then not everything was looked at. ``asked`` is how many events are in the segments that were,
    ``unknown`` which names in the question none of them has. ``rough`` says that there were more different values
    than are counted, so that groups may have more events than is told.
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
    unknown: tuple[Unknown, ...] = ()
    unreadable: int = 0
    rough: bool = False

    def widen(self, span_ns: int) -> None:
        """Count in spans of so long a time, a multiple of those there are."""
        wider: Counter[int] = Counter()
        for bar in self.bars:
            wider[bar.start_ns // span_ns * span_ns] += bar.events
        self.bars, self.span_ns = [Bar(start_ns, events) for start_ns, events in sorted(wider.items())], span_ns


@dataclass(slots=True)
class Run:
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
    unheard: Unheard | None = None
    # One shard after another is judged: compiled rules are not to be asked by two threads at once.
    judging: asyncio.Lock = field(default_factory=asyncio.Lock)
    # The newest so far: mark, and where it is.
    top: list[tuple[Mark, int, Segment | Shard]] = field(default_factory=list)
    is_shown: bool = False
    # Files that could not be read.
    damaged: set[str] = field(default_factory=set)

    def cannot_read(self, segment: Segment) -> None:
        """Tell with the answer that events are missing."""
        self.answer.complete = False
        if segment.file not in self.damaged:
            self.damaged.add(segment.file)
            self.answer.unreadable += segment.events

    def check(self) -> None:
        """Raises when time is up."""
        if self.stopped or self.now_ns() > self.ends_ns:
            raise TimeUp


class Part(NamedTuple):
    """What one shard has for an answer. ``times_ns`` are those of its events, or the one span that all are in."""

    events: int
    times_ns: Rows | int | None
    groups: Counter[tuple[str, ...]] | None
    found: list[tuple[Mark, int, Segment | Shard]]


def may_be_shown(run: Run, shard: Shard) -> bool:
    """Whether events of the shard may be among those that are shown, and are not just counted."""
    if not run.limit or (run.after is not None and shard.low_ns > run.after.time_ns):
        return False
    return len(run.top) < run.limit or shard.high_ns >= run.top[-1][0].time_ns


def is_of_spans(run: Run, shard: Shard) -> bool:
    """Whether the shard's events are in several spans of a histogram."""
    span_ns = run.tally.span_ns
    return bool(span_ns) and shard.low_ns // span_ns != shard.high_ns // span_ns


def part_of(run: Run, shard: Shard, source: Segment | Shard, mask: Mask, *, shown: bool) -> Part:
    run.check()
    times_ns: Rows | int | None = shard.low_ns if run.tally.span_ns else None
    if is_of_spans(run, shard):
        times_ns = shard.times_ns[mask]
    return Part(
        int(np.count_nonzero(mask)), times_ns,
        counted(run.query.stage, shard, mask) if isinstance(run.query.stage, CountBy) else None,
        [(mark, place, source) for mark, place in newest(shard, mask, run.limit, run.after)] if shown else [],
    )  # fmt: skip


def add_part(run: Run, part: Part) -> None:
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


def ask_memory(run: Run, shard: Shard) -> Part | None:
    asked = Asked(run.node, shard)
    asked.choose(run.check)
    asked.test(run.check)
    mask = asked.mask(run.check)
    if not mask.any():
        return None
    if run.judge is None:
        return part_of(run, shard, shard, mask, shown=may_be_shown(run, shard))
    at = np.flatnonzero(mask)
    kept = sum(judge_at(run, shard, at[start : start + JUDGED_ROWS]) for start in range(0, len(at), JUDGED_ROWS))
    return Part(kept, None, None, [])


def judge_at(run: Run, shard: Shard, at: Rows) -> int:
    run.check()
    assert run.judge is not None, "somebody judges"
    return run.judge(batches_at(shard, at))
