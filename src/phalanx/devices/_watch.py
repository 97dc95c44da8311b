"""Looks at live machines at intervals, stores what is new, and tells people what drifted."""

from collections.abc import Awaitable, Callable

from phalanx.core import NS_PER_S, AlertLevel, AlertSink, Clock, PhalanxError
from phalanx.devices._backend import LiveBackend
from phalanx.devices._fleet import Fleet
from phalanx.devices._history import History
from phalanx.devices._limits import MAX_TOLD_DRIFTS, QUEUE_GROWN, QUEUE_GROWN_JOBS, QUEUE_GROWN_S, WATCH_EVERY_S
from phalanx.devices._model import DeviceModel, QueueState

Changed = Callable[[str, str], Awaitable[object]]
"""Is told of a device that is not what it was, and why: what waits for it may want another."""
Grown = Callable[[DeviceModel, QueueState, History], Awaitable[str]]
"""Says, given a device as it is and its queue at the last look, whether that is too long; in words."""


def longer(before: QueueState, now: QueueState) -> str:
    """In words, where a queue has become much longer than it was when it was last looked at."""
    if before.wait_ns_p50 is not None and now.wait_ns_p50 is not None:
        grown_s = (now.wait_ns_p50 - before.wait_ns_p50) / NS_PER_S
        if grown_s >= QUEUE_GROWN_S and now.wait_ns_p50 >= QUEUE_GROWN * before.wait_ns_p50:
            return (
                f"its queue grew: work waits {now.wait_ns_p50 / NS_PER_S:.0f} s there, {grown_s:.0f} s more than before"
            )
        return ""
    if before.depth is None or now.depth is None:
        return ""
    if now.depth - before.depth >= QUEUE_GROWN_JOBS and now.depth >= QUEUE_GROWN * before.depth:
        return f"its queue grew from {before.depth} to {now.depth} jobs"
    return ""


async def watch_devices(
    fleet: Fleet, history: History, clock: Clock, alerts: AlertSink, changed: Changed | None = None,
    grown: Grown | None = None,
) -> None:  # fmt: skip
    """Until cancelled. Emulated machines do not change: they are not looked at.

    ``grown`` judges queues, if there is somebody who knows each machine's; else it is by how much they grew.
    """
    live = [one for one in map(fleet.backend, fleet.names()) if isinstance(one, LiveBackend)]
    while True:
        for backend in live:
            before = backend.device.queue
            try:
                device = await backend.look()
            except PhalanxError as error:
                alerts.alert(AlertLevel.NOTICE, "devices", f"{backend.device.name} does not say how it is: {error}")
                continue
            found = await history.observe(device)
            if changed is not None and not device.status.takes_work:
                await changed(device.name, f"it is {device.status.value}")
            worse = longer(before, device.queue) if grown is None else await grown(device, before, history)
            if changed is not None and worse:
                await changed(device.name, worse)
            if found:
                if changed is not None:
                    await changed(backend.device.name, f"its calibration drifted: {found[0]}")
                told = "; ".join(str(one) for one in found[:MAX_TOLD_DRIFTS])
                more = f" and {len(found) - MAX_TOLD_DRIFTS} more" if len(found) > MAX_TOLD_DRIFTS else ""
                alerts.alert(AlertLevel.WARNING, "devices", f"the calibration of {device.name} drifted: {told}{more}")
        await clock.sleep(WATCH_EVERY_S)
