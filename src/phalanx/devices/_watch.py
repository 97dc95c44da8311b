"""Looks at live machines again and again, keeps what is new, and tells people what drifted."""

from phalanx.core import AlertLevel, AlertSink, Clock, PhalanxError
from phalanx.devices._backend import LiveBackend
from phalanx.devices._fleet import Fleet
from phalanx.devices._history import History
from phalanx.devices._limits import MAX_TOLD_DRIFTS, WATCH_EVERY_S


async def watch_devices(fleet: Fleet, history: History, clock: Clock, alerts: AlertSink) -> None:
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
            if found:
                told = "; ".join(str(one) for one in found[:MAX_TOLD_DRIFTS])
                more = f" and {len(found) - MAX_TOLD_DRIFTS} more" if len(found) > MAX_TOLD_DRIFTS else ""
                alerts.alert(AlertLevel.WARNING, "devices", f"the calibration of {device.name} drifted: {told}{more}")
        await clock.sleep(WATCH_EVERY_S)
