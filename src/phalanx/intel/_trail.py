"""Events around one of them, for rooms that look for their own words in them."""

import json
from collections.abc import Sequence

from phalanx.core import Event, EventId, Nearby, Offload, TenantId, split_event_id
from phalanx.intel._hunting import events_in, lines_with
from phalanx.intel._model import Chunk
from phalanx.intel._queries import EventLog


class StoredTrail:
    """A ``Trail`` over the journal of accepted events, within the bounds of one hunt."""

    def __init__(self, events: EventLog, offload: Offload) -> None:
        self._events, self._offload = events, offload

    async def near(self, tenant: TenantId, event: EventId, words: Sequence[str], *, limit: int) -> Nearby:
        batch, _ = split_event_id(event)
        needles = {word: _forms(word.lower()) for word in words if word}
        found: list[Event] = []
        looked_at = 0
        async for part in self._events.parts_around(tenant, batch):
            looked_at += sum(len(lines) for _, lines in part)
            # A chunk may have thousands of lines: off the event loop.
            found += await self._offload.run(_having, part, needles, limit - len(found))
            if len(found) >= limit:
                break
        return Nearby(sorted(found, key=_time), looked_at)


def _forms(word: str) -> tuple[bytes, ...]:
    """How it stands in a line: plain, and as JSON writes it."""
    return tuple({word.encode(), json.dumps(word, ensure_ascii=False)[1:-1].encode()})


def _having(
    part: Sequence[tuple[Chunk, Sequence[bytes]]], needles: dict[str, tuple[bytes, ...]], limit: int
) -> list[Event]:
    found: list[Event] = []
    for chunk, lines in part:
        rows = sorted(lines_with(needles, lines))[: limit - len(found)]
        found += [event for _, event in events_in(chunk, lines, rows)]
        if len(found) >= limit:
            break
    return found


def _time(event: Event) -> int:
    return event.time_ns
