"""Sequences: what comes after what. Steps of a host that never follow each other here, and starts with odd ancestors.

*Chains.* The codes of a host's events in one log are a chain; runs of one code are one step. How surprising a step is
after the two before it follows from counts over the whole house: a model of order two that falls back to order one and
zero where it knows little (Witten and Bell 1991), in a sketch of fixed size. The score is the mean over the latest
steps; the threshold follows the house, never below its floor. A chain is told once until it is ordinary again.

*Ancestry.* A program that is often started by another, but never when that one was itself started by this: ``word →
cmd → powershell`` where ``explorer → cmd → powershell`` is usual. New children of a parent are what ``rarity`` tells.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import log2
from typing import ClassVar, Final

import msgspec

from phalanx.agents import Toolbox
from phalanx.core import EventBatch, EventId, Severity, Value, event_ids
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._houses import Bar, Following, WithThresholds, heard
from phalanx.intel._subjects import HOST_FIELDS
from phalanx.intel.detectors._limits import (
    ANCESTRY_CEILING_BITS,
    ANCESTRY_FLOOR_BITS,
    ANCESTRY_MIN_SEEN,
    CHAIN_CEILING_BITS,
    CHAIN_EVIDENCE,
    CHAIN_FALLEN_BITS,
    CHAIN_FLOOR_BITS,
    CHAIN_MIN_STEPS,
    CHAIN_STEPS,
    MAX_CHAINS,
    MAX_LINEAGES,
    MAX_NAME_CHARS,
    MAX_NAMES_KEPT,
    MAX_PLACES_KEPT,
    PASSING,
)
from phalanx.intel.detectors._sketch import Sketch, places_of
from phalanx.intel.sigma import as_text

CHAIN: Final = Pattern(
    name="odd-sequence",
    title="Events of a host follow each other as they never do",
    severity=Severity.LOW,
    description="The latest events of one log of a host are a sequence that this house does not have.",
    confidence=0.25,
    techniques=("T1059",),
    tactics=("execution",),
)
ANCESTRY: Final = Pattern(
    name="odd-ancestry",
    title="Program is started as usual, by one that was not",
    severity=Severity.LOW,
    description="Parent and child are well known; who started the parent is not, when it starts this child.",
    confidence=0.35,
    techniques=("T1059",),
    tactics=("execution",),
    fields=("ParentImage", "ParentProcessName", "Image", "NewProcessName", "CommandLine"),
)
_CODES: Final = {"windows": ("EventID",), "aws": ("eventName",), "linux": ("type", "action"), "ecs": ("event.action",)}
_PARENTS: Final = ("ParentImage", "ParentProcessName")
_CHILDREN: Final = ("Image", "NewProcessName")


# Places in both rows of a sketch: of what came after the same steps, of this one after them, and of kinds that came.
_Counters = tuple[int, ...]


class _Chain(msgspec.Struct, array_like=True):
    """The latest steps of a host in one log, how surprising each was, their events, and whether it was told."""

    steps: list[str] = msgspec.field(default_factory=list)
    bits: list[float] = msgspec.field(default_factory=list)
    events: list[str] = msgspec.field(default_factory=list)
    told: bool = False
    # Steps since a score was learned from: one of each stretch counts, or an attack would raise its own bar.
    unlearned: int = 0


class _House(WithThresholds):
    """What is usual for a tenant."""

    sketch: Sketch = msgspec.field(default_factory=Sketch.new)
    chains: dict[str, _Chain] = msgspec.field(default_factory=dict)
    # By host and program: who started it last.
    lineages: dict[str, str] = msgspec.field(default_factory=dict)


class SequenceDetector(Following[_House]):
    """Tells of chains and ancestries that are not those of the house."""

    name = "sequence"
    house_type = _House
    bars: ClassVar = {
        CHAIN.name: Bar(CHAIN_FLOOR_BITS, CHAIN_CEILING_BITS, PASSING),
        ANCESTRY.name: Bar(ANCESTRY_FLOOR_BITS, ANCESTRY_CEILING_BITS, PASSING),
    }

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        starts, steps = _starts(batch), _steps(batch)
        if not starts and not steps:
            return ()
        house = self.house(batch.tenant)
        hits = [hit for one in starts if (hit := _started(house, batch, *one)) is not None]
        if steps:
            id_of, log = event_ids(batch.batch), batch.log_source.service or batch.log_source.category
            for place, name, step in steps:
                chain = heard(house.chains, name, _Chain, most=MAX_CHAINS)
                if chain.steps and chain.steps[-1] == step:
                    continue
                bar = _stepped(house, chain, log, step, id_of(batch.rows[place]))
                if bar is not None:
                    hits.append(_odd(batch, place, name, chain, bar))
        if house.sketch.full:
            house.sketch.halve()
        return hits


def _host(batch: EventBatch) -> Sequence[Value]:
    for name in HOST_FIELDS.get(batch.log_source.product, ()):
        if name in batch.columns:
            return batch.columns[name]
    return (None,) * len(batch)


def _steps(batch: EventBatch) -> list[tuple[int, str, str]]:
    """Place, chain and code of each event whose code is another than the one before it in its chain."""
    source, columns = batch.log_source, batch.columns
    names = [name for name in _CODES.get(source.product, ()) if name in columns]
    if not names:
        return []
    log = source.service or source.category
    chains: dict[str, str] = {}
    last: dict[str, str] = {}
    steps = []
    for place, (host, code) in enumerate(zip(_host(batch), columns[names[0]], strict=True)):
        if code is None:
            continue
        name = host if host.__class__ is str else as_text(host)
        chain = chains.get(name)
        if chain is None:
            chain = chains[name] = f"{_lower(name)} {log}"
        step = _code(code)
        if last.get(chain) != step:
            last[chain] = step
            steps.append((place, chain, step))
    return steps


def _starts(batch: EventBatch) -> list[tuple[int, str, str, str]]:
    """Place, host, parent and child of each start of a program."""
    if batch.log_source.category != "process_creation":
        return []
    parents, children = (
        next((batch.columns[name] for name in names if name in batch.columns), None) for names in (_PARENTS, _CHILDREN)
    )
    if parents is None or children is None:
        return []
    return [
        (place, _lower(as_text(host)), _program(as_text(parent)), _program(as_text(child)))
        for place, (host, parent, child) in enumerate(zip(_host(batch), parents, children, strict=True))
        if parent and child
    ]


@lru_cache(MAX_NAMES_KEPT)
def _lower(host: str) -> str:
    return host.lower()[:MAX_NAME_CHARS]


@lru_cache(MAX_NAMES_KEPT, typed=True)
def _code(value: Value) -> str:
    return as_text(value)[:MAX_NAME_CHARS]


@lru_cache(MAX_NAMES_KEPT)
def _program(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].lower()[:MAX_NAME_CHARS]


def _started(house: _House, batch: EventBatch, place: int, host: str, parent: str, child: str) -> Hit | None:
    """Remember a start; a hit when its ancestry is odd."""
    grand = house.lineages.get(f"{host}|{parent}", "")
    key = f"{host}|{child}"
    house.lineages.pop(key, None)
    house.lineages[key] = parent
    if len(house.lineages) > MAX_LINEAGES:
        del house.lineages[next(iter(house.lineages))]
    if not grand:
        return None
    sketch = house.sketch
    known, times, together = sketch.take(*_ancestry_places(grand, parent, child))
    sketch.total += 1
    if known < ANCESTRY_MIN_SEEN // 10 or times < ANCESTRY_MIN_SEEN or together:
        return None
    bits = log2(2.0 * times + 2.0)
    if not house.thresholds[ANCESTRY.name].passes(bits):
        return None
    told = (
        f"{grand} started {parent} {times} times before and {parent} started {child} {known} times, but never after "
        f"{grand}: {bits:.1f} bits of surprise."
    )
    return Hit(ANCESTRY, batch, (place,), told=told)


@lru_cache(MAX_PLACES_KEPT)
def _ancestry_places(grand: str, parent: str, child: str) -> tuple[tuple[int, int], ...]:
    """Where the sketch counts a start, who started its parent, and both together."""
    return (
        places_of(f"c|{parent}|{child}".encode()),
        places_of(f"a|{grand}|{parent}".encode()),
        places_of(f"t|{grand}|{parent}|{child}".encode()),
    )


def _stepped(house: _House, chain: _Chain, log: str, step: str, event: EventId) -> float | None:
    """Remember a step; the bar that the chain passes with it, and did not before."""
    ready = house.sketch.total >= CHAIN_MIN_STEPS
    bits = _surprise(house.sketch, _step_places(log, tuple(chain.steps[-2:]), step))
    chain.steps.append(step)
    chain.bits.append(bits)
    chain.events.append(event)
    if len(chain.events) > CHAIN_EVIDENCE:
        del chain.events[0]
    if len(chain.steps) > CHAIN_STEPS:
        del chain.steps[0], chain.bits[0]
    if not ready or len(chain.bits) < CHAIN_STEPS:
        return None
    score = sum(chain.bits) / CHAIN_STEPS
    threshold = house.thresholds[CHAIN.name]
    # Most scores are below the least that the bar can be, and nothing was told.
    bar = threshold.standing if chain.told or score > threshold.floor else threshold.floor
    chain.unlearned += 1
    if chain.unlearned >= CHAIN_STEPS and not chain.told:
        chain.unlearned = 0
        threshold.learn((score,))
    if score < bar - CHAIN_FALLEN_BITS:
        chain.told = False
    elif score > bar and not chain.told:
        chain.told = True
        return bar
    return None


def _odd(batch: EventBatch, place: int, name: str, chain: _Chain, bar: float) -> Hit:
    score = sum(chain.bits) / CHAIN_STEPS
    steps = " → ".join(chain.steps)
    told = f"{name}: {steps} surprises by {score:.1f} bits a step, where the house stays below {bar:.1f}."
    confidence = round(min(0.6, CHAIN.confidence + 0.05 * (score - bar)), 2)
    earlier = tuple(EventId(event) for event in chain.events[:-1])
    return Hit(CHAIN, batch, (place,), (), name, told, confidence, earlier)


@lru_cache(MAX_PLACES_KEPT)
def _step_places(log: str, before: tuple[str, ...], step: str) -> tuple[_Counters, ...]:
    """Where the sketch counts ``step`` after none, one and two of those before it."""
    found = []
    for order in range(len(before) + 1):
        context = "|".join((log, *before[len(before) - order :])) if order else log
        found.append((
            *places_of(f"{order}n|{context}".encode()),
            *places_of(f"{order}w|{context}|{step}".encode()),
            *places_of(f"{order}k|{context}".encode()),
        ))  # fmt: skip
    return tuple(found)


def _surprise(sketch: Sketch, places: tuple[_Counters, ...]) -> float:
    """Bits of surprise at a step that is counted at ``places``, and its count. Written out, for it is asked often."""
    # Nothing is impossible: below order zero each of a thousand codes is as likely as another.
    chance = 1.0 / 1_024.0
    sketch.total += 1
    one, other = sketch.rows
    for after, after_too, whole, whole_too, kinds, kinds_too in places:
        times, too = one[after], other[after_too]
        if times <= too:
            one[after] = times + 1
        if too <= times:
            times = too
            other[after_too] = too + 1
        together, too = one[whole], other[whole_too]
        if together <= too:
            one[whole] = together + 1
        if too <= together:
            together = too
            other[whole_too] = too + 1
        if together and not times:
            continue
        different, too = one[kinds], other[kinds_too]
        if not together:
            if different <= too:
                one[kinds] = different + 1
            if too <= different:
                other[kinds_too] = too + 1
        if times:
            if too < different:
                different = too
            # Keys that collide may count for each other.
            different = different or 1
            chance = min(1.0, (together + different * chance) / (times + different))
    return -log2(chance)


def sequence_detector(_: Toolbox) -> SequenceDetector:
    """As the plug-in ``sequence``."""
    return SequenceDetector()
