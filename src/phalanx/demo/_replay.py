"""Delivering the demo's stream, as collectors would that can be restarted.

Every chunk carries an idempotency key of its own (``demo-{seed}-{n}``). A replay that was cut
off is simply begun again: what had been accepted is recognised and not doubled.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from phalanx.core import NS_PER_S, Clock, Overloaded
from phalanx.demo._intrusion import Intrusion


class Accept(Protocol):
    """The intake, or something that reaches one. Raises ``Overloaded`` when the chunk must come again.

    What it returns has ``duplicate``: whether the chunk had been accepted before.
    """

    async def __call__(self, data: bytes, *, reader: str, idempotency_key: str) -> Any: ...


@dataclass(slots=True)
class ReplayReport:
    """What a replay delivered. ``waits`` counts how often it was told to come again later."""

    chunks: int = 0
    events: int = 0
    duplicates: int = 0
    waits: int = 0


async def replay(intrusion: Intrusion, accept: Accept, clock: Clock, *, speed: float = 1.0) -> ReplayReport:
    """Deliver every chunk at its time, ``speed`` times as fast; with ``speed`` 0, as fast as they are taken."""
    report = ReplayReport()
    started_ns = clock.monotonic_ns()
    for chunk in intrusion.chunks():
        if speed > 0:
            due_ns = started_ns + int(chunk.at_offset_s / speed * NS_PER_S)
            early_s = (due_ns - clock.monotonic_ns()) / NS_PER_S
            if early_s > 0:
                await clock.sleep(early_s)
        key = f"demo-{intrusion.seed}-{chunk.number}"
        while True:
            try:
                accepted = await accept(chunk.data, reader=chunk.reader_hint, idempotency_key=key)
                break
            except Overloaded as overloaded:
                report.waits += 1
                await clock.sleep(overloaded.context["retry_after_s"])
        report.chunks += 1
        report.events += len(chunk.lines)
        report.duplicates += bool(accepted.duplicate)
    return report
