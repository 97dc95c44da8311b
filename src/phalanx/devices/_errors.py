"""Errors of the room; the tree is drawn in the package's docstring."""

import asyncio
import re
from collections.abc import Mapping, Sequence

from phalanx.core import InvalidInput, LimitExceeded, PhalanxError, StorageError, Unavailable


class NoDeviceFits(Unavailable):
    """No device can run the circuit. ``refusals`` says why, for each device, or for many that are alike."""

    code = "no-device-fits"

    def __init__(self, wanted: str, refusals: Sequence[str]) -> None:
        reason = "; ".join(refusals) if refusals else "there are no devices"
        super().__init__(f"a device for {wanted}", reason, hint="add a device, or ask for less")
        self.refusals = tuple(refusals)


class TooDear(PhalanxError):
    """A job takes more than its tenant has left. ``may_cost`` is what it may cost; ``None``: no device would help."""

    may_cost: float | None = None


class VendorAway(Unavailable):
    """A vendor is not reached, or says that it is down: what it has of ours is not known to be lost, and it may come
    back."""

    code = "vendor-away"


class MaybeSent(Unavailable):
    """A vendor did not say whether it took a job: it may be there, and be billed. ``key`` is what it was sent under."""

    code = "maybe-sent"
    key: str

    def __init__(self, device: str, key: str) -> None:
        super().__init__(
            device, "it did not say whether it took the job, which is not sent a second time",
            hint=f"look for a job named {key} there before submitting it anew",
        )  # fmt: skip
        self.key = key


class SentBefore(MaybeSent):
    """The same, of what an earlier life of the node was about to send: no vendor has failed."""


class HeldBack(Unavailable):
    """Nothing is sent there now: it failed, and is left alone for a while, or others have booked it."""


# Of what a job asks, of what this node stores, or that nothing was sent: no failures of the device where it is.
OF_THE_JOB = (InvalidInput, LimitExceeded, StorageError, SentBefore, HeldBack)


def as_told(error: Exception) -> str:
    """What a job says of it. Of what may be at a vendor, also what to do."""
    if not isinstance(error, PhalanxError):
        return f"{type(error).__name__}: {error}"
    return f"{error}: {error.hint}" if isinstance(error, MaybeSent) else str(error)


class LeftSending(asyncio.CancelledError):
    """Who sent a job was stopped while it was on its way: it may arrive, and nobody hears what it is called there."""


# So many that refuse for the same reason are all named.
_ALL_NAMED = 3
_NUMBER = re.compile(r"\d[\d.,]*")


def in_short(refused: Mapping[str, str]) -> list[str]:
    """Refusals by device as sentences: those of few first; what is told of many, but for the numbers in it, once.

    Of many the one is named that has most of what is counted: it was nearest.
    """
    alike: dict[str, list[str]] = {}
    for name, refusal in refused.items():
        alike.setdefault(_NUMBER.sub("#", refusal), []).append(name)
    told = []
    for names in sorted(alike.values(), key=len):
        if len(names) > _ALL_NAMED:
            nearest = max(names, key=lambda name: _first_number(refused[name]))
            told.append(f"{nearest} {refused[nearest]}, and so it is with {len(names) - 1} others")
        else:
            told += [f"{name} {refused[name]}" for name in names]
    return told


def _first_number(text: str) -> float:
    found = _NUMBER.search(text)
    return float(found.group().strip(".,").replace(",", "")) if found else 0.0
