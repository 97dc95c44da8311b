"""Indicators asked of events that came before them."""

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass

from phalanx.core import Clock, EventBatch, EventId, Offload, event_id
from phalanx.intel.indicators._detector import hits_of
from phalanx.intel.indicators._indicators import Indicators
from phalanx.intel.indicators._limits import MAX_RETRO_HITS


@dataclass(frozen=True, slots=True)
class RetroHit:
    """A stored event in which something is that is looked for now."""

    event: EventId
    time_ns: int
    title: str
    told: str
    confidence: float


@dataclass(frozen=True, slots=True)
class RetroMatch:
    """What was found, and in how much; ``took_ns`` is how long. ``whole``: there is no more to look through."""

    hits: tuple[RetroHit, ...]
    events: int
    batches: int
    took_ns: int
    whole: bool


async def retro_match(
    indicators: Indicators, stored: AsyncIterable[Sequence[EventBatch]], offload: Offload, clock: Clock, *, most: int
) -> RetroMatch:
    """Ask everything that is looked for of ``stored`` batches, of ``most`` groups at most."""
    hits: list[RetroHit] = []
    events = groups = 0
    whole = True
    began_ns = clock.monotonic_ns()
    async for batches in stored:
        if groups >= most or len(hits) >= MAX_RETRO_HITS:
            whole = False
            break
        groups += 1
        for batch in batches:
            events += len(batch)
            hits += await offload.run(_of_batch, indicators, batch)
    return RetroMatch(tuple(hits[:MAX_RETRO_HITS]), events, groups, clock.monotonic_ns() - began_ns, whole)


def _of_batch(indicators: Indicators, batch: EventBatch) -> list[RetroHit]:
    return [
        RetroHit(
            event_id(batch.batch, batch.rows[hit.place]), batch.times_ns[hit.place], hit.rule.title, hit.told,
            hit.rule.confidence,
        )
        for hit in hits_of(indicators, batch)
    ]  # fmt: skip
