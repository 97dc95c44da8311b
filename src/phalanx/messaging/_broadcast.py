"""An emergency to everybody, with a report of who has it."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.core import NS_PER_MS, Clock
from phalanx.messaging._kinds import Outcome
from phalanx.messaging._limits import MAX_NAMED_REFUSALS
from phalanx.messaging._receipt import Receipt


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """How far an emergency got in the time that was given. What is open goes on being delivered.

    ``open`` names the first members and processes without an end, ``open_count`` counts them; ``refused`` likewise.
    """

    envelope: str
    at_ns: int
    took_ms: float
    taken: int
    open_count: int
    open: tuple[str, ...]
    refusals: int
    refused: tuple[tuple[str, Outcome], ...]

    @property
    def is_complete(self) -> bool:
        """Everybody who was to get it took it."""
        return not self.open_count and not self.refusals


async def reported(receipt: Receipt, clock: Clock, within_s: float) -> DeliveryReport:
    """Wait until every recipient came to an end, but no longer than ``within_s``."""
    started_ns = clock.monotonic_ns()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await receipt.ended()
    still: Sequence[str] = sorted(receipt.outstanding)
    return DeliveryReport(
        envelope=receipt.envelope.id, at_ns=receipt.envelope.at_ns,
        took_ms=(clock.monotonic_ns() - started_ns) / NS_PER_MS, taken=receipt.taken, open_count=len(still),
        open=tuple(still[:MAX_NAMED_REFUSALS]), refusals=receipt.refusals, refused=tuple(receipt.refused),
    )  # fmt: skip
