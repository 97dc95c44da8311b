"""Errors of the room; the tree is drawn in the package's docstring."""

from collections.abc import Sequence

from phalanx.core import Unavailable


class NoDeviceFits(Unavailable):
    """No device can run the circuit. ``refusals`` says why, for each device, or for many that are alike."""

    code = "no-device-fits"

    def __init__(self, wanted: str, refusals: Sequence[str]) -> None:
        reason = "; ".join(refusals) if refusals else "there are no devices"
        super().__init__(f"a device for {wanted}", reason, hint="add a device, or ask for less")
        self.refusals = tuple(refusals)
