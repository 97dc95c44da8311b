"""Events that the node itself makes: what its decoys, canaries and watchers saw.

They take the way of any other event, so that a touch of a decoy is found, assessed and recorded like
everything else. One JSON object a line; ``phalanx`` says what kind it is. The reader for them is not among
those that senders may name: nobody outside can send such an event.
"""

from collections.abc import Mapping

import msgspec

from phalanx.core import (
    Clock,
    EventId,
    Overloaded,
    StorageFull,
    TenantId,
    Unavailable,
    Value,
    event_id,
    iso_from_ns,
)
from phalanx.intel._intake import Intake
from phalanx.intel._limits import OWN_EVENT_AGAIN_S
from phalanx.intel.reading import PRODUCT

_to_json = msgspec.json.Encoder()


class OwnEvents:
    """Implements ``core.EventSink`` over an intake, and waits where that has no room."""

    def __init__(self, intake: Intake, clock: Clock) -> None:
        self._intake = intake
        self._clock = clock

    async def submit(
        self, kind: str, fields: Mapping[str, Value], *, tenant: TenantId, at_ns: int, key: str
    ) -> EventId:
        line = _to_json.encode({PRODUCT: kind, "time": iso_from_ns(at_ns), **fields})
        while True:
            try:
                accepted = await self._intake.accept_own(line, tenant=tenant, idempotency_key=key)
            except (Overloaded, StorageFull, Unavailable):
                await self._clock.sleep(OWN_EVENT_AGAIN_S)
            else:
                return event_id(accepted.batch, 0)
