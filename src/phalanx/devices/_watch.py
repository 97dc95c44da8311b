"""Looks at live machines again and again, keeps what is new, and tells people what drifted."""

from collections.abc import Awaitable, Callable

from phalanx.core import AlertLevel, AlertSink, Clock, PhalanxError
from phalanx.devices._backend import LiveBackend
from phalanx.devices._fleet import Fleet
from phalanx.devices._history import History
from phalanx.devices._limits import MAX_TOLD_DRIFTS, WATCH_EVERY_S

Changed = Callable[[str, str], Awaitable[object]]
"""Is told of a device that is not what it was, and why: what waits for it may want another."""


async def watch_devices(
    fleet: Fleet, history: History, clock: Clock, alerts: AlertSink, changed: Changed | None = None
) -> None:
    """Until cancelled. Emulated machines do not change: they are not looked at."""
    live = [one for one in map(fleet.backend, fleet.names()) if isinstance(one, LiveBackend)]
    while True:
        for backend in live:
            try:
                device = await backend.look()
            except PhalanxError as error:
                alerts.alert(AlertLevel.NOTICE, "devices", f"{backend.device.name} does not say how it is: {error}")
                continue
            found = await history.observe(device)
            if changed is not None and not device.status.takes_work:
                await changed(device.name, f"it is {device.status.value}")
            if found:
                if changed is not None:
                    await changed(backend.device.name, f"its calibration drifted: {found[0]}")
                told = "; ".join(str(one) for one in found[:MAX_TOLD_DRIFTS])
                more = f" and {len(found) - MAX_TOLD_DRIFTS} more" if len(found) > MAX_TOLD_DRIFTS else ""
                alerts.alert(AlertLevel.WARNING, "devices", f"the calibration of {device.name} drifted: {told}{more}")
        await clock.sleep(WATCH_EVERY_S)
