"""Rarity: a program starts what it has never started here, or a user logs on where it never did.

For each starter the things that it started are counted; something new of a well-known starter surprises by
``−log2`` of its probability (the estimate of Krichevsky and Trofimov, so that nothing is impossible). The threshold
follows the surprises of the house and never goes below its floor. A starter seen seldom says nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import log2
from typing import Final

import msgspec

from phalanx.agents import Toolbox
from phalanx.core import EventBatch, Severity
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._houses import Bar, Following, WithThresholds, heard
from phalanx.intel.detectors._limits import (
    MAX_NAME_CHARS,
    MAX_STARTED,
    MAX_STARTERS,
    PASSING,
    RARE_CEILING_BITS,
    RARE_FLOOR_BITS,
    RARE_MIN_SEEN,
)
from phalanx.intel.sigma import as_text

RARE_CHILD: Final = Pattern(
    name="rare-child-process",
    title="Program starts what it never started here",
    severity=Severity.LOW,
    description="A well-known program started another for the first time in this house.",
    confidence=0.3,
    techniques=("T1059",),
    tactics=("execution",),
    fields=("ParentImage", "ParentProcessName", "Image", "NewProcessName", "CommandLine"),
)
RARE_LOGON: Final = Pattern(
    name="rare-logon",
    title="User logs on where it never did",
    severity=Severity.LOW,
    description="A user who logs on often did so on a host for the first time.",
    confidence=0.3,
    techniques=("T1078",),
    tactics=("initial-access", "lateral-movement"),
    fields=("TargetUserName", "user", "IpAddress", "src_ip"),
)
# By log source: the pattern, and the fields whose first present ones are starter and started.
_Fields = tuple[Pattern, tuple[str, ...], tuple[str, ...]]
_CHILD: _Fields = (RARE_CHILD, ("ParentImage", "ParentProcessName"), ("Image", "NewProcessName"))
_LOGON: _Fields = (RARE_LOGON, ("TargetUserName", "user"), ("Hostname", "Computer", "hostname"))
_WINDOWS_LOGON: Final = 4624


class _Starter(msgspec.Struct):
    """How often it was seen, and with what."""

    seen: int = 0
    started: dict[str, int] = msgspec.field(default_factory=dict)


class _House(WithThresholds):
    """What is usual for a tenant; the starter heard last at the end."""

    starters: dict[str, _Starter] = msgspec.field(default_factory=dict)


class RarityDetector(Following[_House]):
    """Tells of what a well-known starter does for the first time."""

    name = "rarity"
    house_type = _House
    bars = dict.fromkeys((RARE_CHILD.name, RARE_LOGON.name), Bar(RARE_FLOOR_BITS, RARE_CEILING_BITS, PASSING))

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        hits = []
        for place, pattern, starter, started in _pairs(batch):
            house = self.house(batch.tenant)
            bits, seen = _surprise(house, f"{pattern.name}:{starter}", started)
            if seen >= RARE_MIN_SEEN and house.thresholds[pattern.name].passes(bits):
                told = f"{starter} was seen {seen} times before, never with {started}: {bits:.1f} bits of surprise."
                hits.append(Hit(pattern, batch, (place,), told=told))
        return hits


def _pairs(batch: EventBatch) -> Iterator[tuple[int, Pattern, str, str]]:
    """Who did what, of the events that this detector is about."""
    source, columns = batch.log_source, batch.columns
    if source.category == "process_creation":
        pattern, left, right = _CHILD
        places: Sequence[int] = range(len(batch))
    elif source.service == "security":
        pattern, left, right = _LOGON
        codes = columns.get("EventID", ())
        places = [place for place, code in enumerate(codes) if as_text(code) == str(_WINDOWS_LOGON)]
    elif source.service == "sshd":
        pattern, left, right = _LOGON
        places = [place for place, action in enumerate(columns.get("action", ())) if action == "accepted"]
    else:
        return
    for place in places:
        starter, started = _first(columns, left, place), _first(columns, right, place)
        if starter and started:
            yield place, pattern, starter, started


def _first(columns: Mapping[str, Sequence[object]], names: Sequence[str], place: int) -> str:
    for name in names:
        column = columns.get(name)
        if column is not None and column[place]:
            return str(column[place]).replace("\\", "/").rpartition("/")[2].lower()[:MAX_NAME_CHARS]
    return ""


def _surprise(house: _House, key: str, started: str) -> tuple[float, int]:
    """Bits of surprise at what was started, and how often the starter was seen before; then both are remembered."""
    starter = heard(house.starters, key, _Starter, most=MAX_STARTERS)
    seen, before = starter.seen, starter.started.pop(started, 0)
    bits = -log2((before + 0.5) / (seen + 0.5 * (len(starter.started) + 2)))
    starter.seen += 1
    starter.started[started] = before + 1
    if len(starter.started) > MAX_STARTED:
        del starter.started[next(iter(starter.started))]
    return (bits if not before else 0.0), seen


def rarity_detector(_: Toolbox) -> RarityDetector:
    """As the plug-in ``rarity``."""
    return RarityDetector()
