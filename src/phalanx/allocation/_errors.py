"""Errors of the room; the tree is drawn in the package's docstring."""

from collections.abc import Sequence

from phalanx.core import Unavailable


class NothingFits(Unavailable):
    """No device meets the requirement. ``refusals`` says why, for each device, or for many that are alike."""

    code = "nothing-fits"

    def __init__(self, wanted: str, refusals: Sequence[str]) -> None:
        reason = "; ".join(refusals) if refusals else "there are no devices"
        super().__init__(f"a device for {wanted}", reason, hint="ask for less, wait, or add a device")
        self.refusals = tuple(refusals)


class NoWindow(Unavailable):
    """Nothing is free in time. ``from_ns`` and ``until_ns`` are where a window was looked for."""

    code = "no-window"

    def __init__(self, resources: str, from_ns: int, until_ns: int) -> None:
        super().__init__(f"a window on {resources}", "what is booked leaves none in time", hint="ask for a later end")
        self.from_ns, self.until_ns = from_ns, until_ns


class DeviceFailed(Unavailable):
    """One device did not do its work. ``device``; the work may go elsewhere."""

    code = "device-failed"

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(device, reason)
        self.device = device


class NoDeviceLeft(Unavailable):
    """Every device that fits has failed, or is paused because it did. ``failures`` says what each said."""

    code = "no-device-left"

    def __init__(self, failures: Sequence[str]) -> None:
        super().__init__("a device", "; ".join(failures) or "there is none", hint="it is tried again after a pause")
        self.failures = tuple(failures)
