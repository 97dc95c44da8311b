"""Delivering the demo's stream, as collectors would that can be restarted.

Every chunk carries an idempotency key of its own (``demo-{seed}-{start}-{n}``). A replay that was cut
off is simply begun again: what had been accepted is recognised and not doubled.
"""

from dataclasses import dataclass, replace
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


def happening_now(intrusion: Intrusion, now_ns: int, *, speed: float) -> Intrusion:
    """The same stream, dated so that a replay that begins now ends when its last events happen.

    Nothing is delivered before it happened; with a ``speed`` under 1 the stream begins now instead.
    """
    lasts_s = intrusion.length_s / speed if speed > 0 else 0.0
    ahead_s = max(0.0, intrusion.length_s - lasts_s)
    return replace(intrusion, start_ns=now_ns - int(ahead_s * NS_PER_S))


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
        key = f"demo-{intrusion.seed}-{intrusion.start_ns // NS_PER_S}-{chunk.number}"
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
