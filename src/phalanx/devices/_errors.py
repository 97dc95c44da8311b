"""Errors of the room; the tree is drawn in the package's docstring."""

import re
from collections.abc import Mapping, Sequence

from phalanx.core import Unavailable


class NoDeviceFits(Unavailable):
    """No device can run the circuit. ``refusals`` says why, for each device, or for many that are alike."""

    code = "no-device-fits"

    def __init__(self, wanted: str, refusals: Sequence[str]) -> None:
        reason = "; ".join(refusals) if refusals else "there are no devices"
        super().__init__(f"a device for {wanted}", reason, hint="add a device, or ask for less")
        self.refusals = tuple(refusals)


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
