"""How long what is sent now will wait at a vendor: by its queue as it is forecast, else as the vendor tells of it.

Vendors tell how many wait, how long that takes, both, or neither. Where a forecast says how many there will be, the
time is that of so many: by the vendor's own median for those who wait now, or by what a job usually takes.
"""

from dataclasses import dataclass
from typing import Protocol

from phalanx.allocation.forecasts._limits import MAX_QUEUES_KNOWN, STEP_S
from phalanx.allocation.forecasts._reading import ForecastRow
from phalanx.core import NS_PER_S, Clock, Origin
from phalanx.devices import DeviceModel

# What a job that waits at a vendor is taken to need, where the vendor does not say how long the wait is.
QUEUED_JOB_S = 10.0


class QueueForecasts(Protocol):
    """Who forecasts queues."""

    async def queue(self, device: str, /) -> ForecastRow | None: ...


@dataclass(frozen=True, slots=True)
class QueueWait:
    """``by`` says where it comes from; empty where nothing is known and nothing is expected."""

    seconds: float
    by: str


NO_WAIT = QueueWait(0.0, "")


class QueueWaits:
    """Waits of a node's machines. A forecast is good for a step; only real machines have a queue at a vendor."""

    def __init__(self, forecasts: QueueForecasts, clock: Clock) -> None:
        self._forecasts, self._clock = forecasts, clock
        self._known: dict[str, tuple[int, ForecastRow | None]] = {}

    async def of(self, model: DeviceModel) -> QueueWait:
        """What a circuit that is sent now is expected to wait."""
        if model.origin is not Origin.HARDWARE:
            return NO_WAIT
        return expected_wait(model, await self._forecast(model.name))

    async def _forecast(self, device: str) -> ForecastRow | None:
        now_ns = self._clock.monotonic_ns()
        until_ns, row = self._known.get(device, (-1, None))
        if now_ns >= until_ns:
            row = await self._forecasts.queue(device)
            if len(self._known) >= MAX_QUEUES_KNOWN:
                self._known.clear()
            self._known[device] = now_ns + STEP_S * NS_PER_S, row
        return row


def expected_wait(model: DeviceModel, row: ForecastRow | None) -> QueueWait:
    """By the forecast ``row`` of its queue, if there is one; else by what the vendor says."""
    queue, told_s = model.queue, (model.queue.wait_ns_p50 or 0) / NS_PER_S
    each_s = told_s / queue.depth if told_s and queue.depth else QUEUED_JOB_S
    if row is not None:
        between = f" [{row.low:.3g}, {row.high:.3g}]" if row.spread else ""
        return QueueWait(
            row.value * each_s, f"queue forecast, {row.by}: {row.value:.3g} jobs{between} of {each_s:.3g} s"
        )
    if told_s:
        return QueueWait(told_s, "the vendor's median")
    if queue.depth:
        return QueueWait(queue.depth * each_s, f"{queue.depth} jobs that wait now, of {each_s:.3g} s")
    return NO_WAIT
