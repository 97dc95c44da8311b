"""Errors of the room; the tree is drawn in the package's docstring."""

from collections.abc import Sequence

from phalanx.core import Unavailable


class NothingFits(Unavailable):
    """No device meets the requirement. ``refusals`` says why, one line for each device considered."""

    code = "nothing-fits"

    def __init__(self, wanted: str, refusals: Sequence[str]) -> None:
        reason = "; ".join(refusals) if refusals else "there are no devices"
        super().__init__(f"a device for {wanted}", reason, hint="ask for less, wait, or add a device")
        self.refusals = tuple(refusals)
