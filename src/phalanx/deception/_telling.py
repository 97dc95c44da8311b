"""A touch is told: kept as a capture, alerted at once, and put into the node's own intake as an event.

The capture is durable before its event, and says whether that was taken. So a node that stops in
between tells it when it starts again, under the same key: one touch is one event.
"""

from phalanx.core import (
    AlertLevel,
    AlertSink,
    Clock,
    Delete,
    EventSink,
    StorageError,
    Store,
    Value,
    decode,
)
from phalanx.deception._limits import MAX_CAPTURES, SUBMIT_AGAIN_S, TRIM_EVERY, UNTOLD_PAGE
from phalanx.deception._model import CAPTURES, UNTOLD, Capture, Decoys, capture_put, with_event

DECOY, CANARY_FILE = "decoy", "canary-file"


class Telling:
    """Keeps captures and sees them through to the intake."""

    def __init__(self, decoys: Decoys, store: Store, events: EventSink, alerts: AlertSink, clock: Clock) -> None:
        self._decoys = decoys
        self._store = store
        self._events = events
        self._alerts = alerts
        self._clock = clock
        self._touches = 0

    async def touched(self, capture: Capture) -> Capture:
        """Keep it and tell of it; the capture with its event."""
        self._alerts.alert(
            AlertLevel.URGENT, "deception", f"somebody touched the {capture.decoy} decoy",
            peer=capture.peer, port=capture.port, capture=capture.id,
        )  # fmt: skip
        await self._keep(capture)
        self._touches += 1
        if self._touches % TRIM_EVERY == 0:
            await self._trim()
        return await self.tell(capture)

    async def tell(self, capture: Capture) -> Capture:
        """Put it into the intake, waiting for room there, and remember that it is."""
        event = await self.submit(DECOY, fields_of(capture, self._decoys.node), capture.at_ns, capture.id)
        told = with_event(capture, event)
        await self._keep(told)
        return told

    async def catch_up(self) -> int:
        """Tell what was kept and not told; how many."""
        told = 0
        while rows := await self._store.find(CAPTURES, self._decoys.tenant, "told", UNTOLD, limit=UNTOLD_PAGE):
            for row in rows:
                await self.tell(decode(row.value, Capture))
                told += 1
        return told

    async def _keep(self, capture: Capture) -> None:
        while True:
            try:
                await self._store.commit([capture_put(capture)])
            except StorageError:
                await self._clock.sleep(SUBMIT_AGAIN_S)
            else:
                return

    async def _trim(self) -> None:
        tenant = self._decoys.tenant
        kept = await self._store.scan(CAPTURES, tenant, reverse=True, limit=MAX_CAPTURES)
        while len(kept) == MAX_CAPTURES and (
            older := await self._store.scan(CAPTURES, tenant, reverse=True, after=kept[-1].key, limit=UNTOLD_PAGE)
        ):
            await self._store.commit([Delete(CAPTURES, tenant, row.key) for row in older])

    async def submit(self, kind: str, fields: dict[str, Value], at_ns: int, key: str) -> str:
        """One event of ours."""
        return await self._events.submit(kind, fields, tenant=self._decoys.tenant, at_ns=at_ns, key=key)


def fields_of(capture: Capture, node: str) -> dict[str, Value]:
    """What the event of a touch says."""
    return {
        "decoy": capture.decoy, "decoy_port": capture.port, "host": node, "src_ip": capture.peer,
        "src_port": capture.peer_port, "bytes": capture.size, "capture": capture.id, "canary": capture.canary,
        "ended": capture.ended, **capture.facts,
    }  # fmt: skip
