"""When the node was up, told by itself: a row for each stretch, made longer at every beat.

What a beat missed was down: a stretch that is not continued in time ends where its last beat was, and the next beat
begins another. So times without a node show as gaps, to within two beats.
"""

import msgspec

from phalanx.allocation.reports._limits import MAX_UPTIME_SPANS, UPTIME_EVERY_S, UPTIME_GAP_S
from phalanx.core import DEFAULT_TENANT, NS_PER_S, Clock, Delete, Put, Store, Table

UPTIME = Table("report_uptime")


class Span(msgspec.Struct, frozen=True):
    """A stretch of time, in wall nanoseconds."""

    start_ns: int
    end_ns: int


class Uptime:
    """Writes that the node is up, for as long as it is, and reads back when it was."""

    def __init__(self, store: Store, clock: Clock, node: str) -> None:
        self._store, self._clock, self._node = store, clock, node

    async def run(self) -> None:
        """Until cancelled."""
        await self._forget()
        start_ns = last_ns = self._clock.wall_ns()
        while True:
            now_ns = self._clock.wall_ns()
            if not 0 <= now_ns - last_ns <= UPTIME_GAP_S * NS_PER_S:
                start_ns = now_ns
            last_ns = now_ns
            row = Put(
                UPTIME, DEFAULT_TENANT, f"{start_ns:020d}/{self._node}", msgspec.json.encode(Span(start_ns, now_ns))
            )
            await self._store.commit([row])
            await self._clock.sleep(UPTIME_EVERY_S)

    async def spans(self) -> list[Span]:
        """Of all nodes on this store, oldest first; of a time in which several were up there are several.

        A stretch whose next beat is not overdue reaches until now.
        """
        found: list[Span] = []
        now_ns = self._clock.wall_ns()
        after = ""
        while rows := await self._store.scan(UPTIME, DEFAULT_TENANT, after=after):
            for row in rows:
                span = msgspec.json.decode(row.value, type=Span)
                still_up = 0 <= now_ns - span.end_ns <= UPTIME_GAP_S * NS_PER_S
                found.append(Span(span.start_ns, now_ns) if still_up else span)
            after = rows[-1].key
        return sorted(found, key=lambda one: (one.start_ns, one.end_ns))

    async def _forget(self) -> None:
        """Drop the oldest stretches beyond what is kept."""
        kept = await self.spans()
        rows = await self._store.scan(UPTIME, DEFAULT_TENANT, limit=max(1, len(kept) - MAX_UPTIME_SPANS))
        if len(kept) > MAX_UPTIME_SPANS:
            await self._store.commit([Delete(UPTIME, DEFAULT_TENANT, row.key) for row in rows])
