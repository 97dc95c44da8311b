"""The live page's rows: one way each, as stations on a line.

A way is what followed from one event. It is made of the stored waypoints every time it is
shown, so a row can never say more or less than the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phalanx.core import Severity


@dataclass(frozen=True, slots=True)
class Tag:
    """A short word set apart. ``kind`` is good, warn, bad, quantum, accent or empty."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """One station of one way. ``state`` is none, running, done, refused or failed."""

    label: str
    state: str = "none"
    what: str = ""
    when: str = ""
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """One row."""

    trace: str
    at_ns: int
    title: str
    severity: Severity
    about: str
    stops: tuple[Stop, ...]
