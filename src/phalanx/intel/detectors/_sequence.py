"""Sequences: what comes after what. Steps of a host that never follow each other here, and starts with odd ancestors.

*Chains.* The codes of a host's events in one log are a chain; runs of one code are one step. How surprising a step is
after the two before it follows from counts over the whole house: a model of order two that falls back to order one and
zero where it knows little (Witten and Bell 1991), in a sketch of fixed size. The score is the mean over the latest
steps; the threshold follows the house, never below its floor. A chain is told once until it is ordinary again.

*Ancestry.* A program that is often started by another, but never when that one was itself started by this: ``word →
cmd → powershell`` where ``explorer → cmd → powershell`` is usual. New children of a parent are what ``rarity`` tells.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import log2
from typing import Final

import msgspec

from phalanx.agents import Toolbox
from phalanx.core import EventBatch, EventId, Severity, TenantId, Value, event_id
from phalanx.intel._detector import Hit, Pattern
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
    PASSING,
)
from phalanx.intel.detectors._sketch import Sketch, count, places_of, seen
from phalanx.intel.sigma import as_text
from phalanx.learning import AdaptiveThreshold

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


class _Chain(msgspec.Struct, array_like=True):
    """The latest steps of a host in one log, how surprising each was, their events, and whether it was told."""

    steps: list[str] = msgspec.field(default_factory=list)
    bits: list[float] = msgspec.field(default_factory=list)
    events: list[str] = msgspec.field(default_factory=list)
    told: bool = False
    # Steps since a score was learned from: one of each stretch counts, or an attack would raise its own bar.
    unlearned: int = 0


class _House(msgspec.Struct):
    """What is usual for a tenant."""

    sketch: Sketch
    thresholds: dict[str, AdaptiveThreshold]
    chains: dict[str, _Chain] = msgspec.field(default_factory=dict)
    # By host and program: who started it last.
    lineages: dict[str, str] = msgspec.field(default_factory=dict)


class SequenceDetector:
    """Tells of chains and ancestries that are not those of the house."""

    name = "sequence"

    def __init__(self) -> None:
        self._houses: dict[TenantId, _House] = {}
        self._rows: dict[TenantId, list[memoryview]] = {}
        self._changed: set[TenantId] = set()

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        starts, steps = list(_starts(batch)), list(_steps(batch))
        if not starts and not steps:
            return ()
        house = self._houses.get(batch.tenant)
        if house is None:
            house = self._houses[batch.tenant] = _new_house()
            self._rows[batch.tenant] = house.sketch.view()
        self._changed.add(batch.tenant)
        rows = self._rows[batch.tenant]
        hits = [hit for one in starts if (hit := _started(house, rows, batch, *one)) is not None]
        hits += [hit for one in steps if (hit := _stepped(house, rows, batch, *one)) is not None]
        if house.sketch.full:
            house.sketch.halve()
        return hits

    def thresholds(self, tenant: TenantId) -> Mapping[str, AdaptiveThreshold]:
        """By the name of the pattern that each holds back."""
        house = self._houses.get(tenant)
        return {} if house is None else house.thresholds

    def state(self, tenant: TenantId) -> bytes | None:
        if tenant not in self._changed:
            return None
        self._changed.discard(tenant)
        return msgspec.msgpack.encode(self._houses[tenant])

    def restore(self, tenant: TenantId, state: bytes | None) -> None:
        self._changed.discard(tenant)
        self._houses.pop(tenant, None)
        self._rows.pop(tenant, None)
        if state is not None:
            house = self._houses[tenant] = msgspec.msgpack.decode(state, type=_House)
            self._rows[tenant] = house.sketch.view()


def _new_house() -> _House:
    return _House(
        Sketch.new(),
        {
            CHAIN.name: AdaptiveThreshold.between(CHAIN_FLOOR_BITS, CHAIN_CEILING_BITS, passing=PASSING),
            ANCESTRY.name: AdaptiveThreshold.between(ANCESTRY_FLOOR_BITS, ANCESTRY_CEILING_BITS, passing=PASSING),
        },
    )


def _host(batch: EventBatch) -> Sequence[Value]:
    columns = (batch.columns.get(name) for name in HOST_FIELDS.get(batch.log_source.product, ()))
    return next((column for column in columns if column is not None), (None,) * len(batch))


def _steps(batch: EventBatch) -> Iterator[tuple[int, str, str]]:
    """Place, chain and code of each event whose code is another than the one before it in its chain."""
    source = batch.log_source
    names = [name for name in _CODES.get(source.product, ()) if name in batch.columns]
    if not names:
        return
    log = source.service or source.category
    last: dict[str, str] = {}
    for place, (host, code) in enumerate(zip(_host(batch), batch.columns[names[0]], strict=True)):
        if code is None:
            continue
        chain, step = f"{as_text(host).lower()[:MAX_NAME_CHARS]} {log}", as_text(code)[:MAX_NAME_CHARS]
        if last.get(chain) != step:
            last[chain] = step
            yield place, chain, step


def _starts(batch: EventBatch) -> Iterator[tuple[int, str, str, str]]:
    """Place, host, parent and child of each start of a program."""
    if batch.log_source.category != "process_creation":
        return
    hosts = _host(batch)
    parents, children = (
        next((batch.columns[name] for name in names if name in batch.columns), None) for names in (_PARENTS, _CHILDREN)
    )
    if parents is None or children is None:
        return
    for place, (host, parent, child) in enumerate(zip(hosts, parents, children, strict=True)):
        if parent and child:
            yield place, as_text(host).lower()[:MAX_NAME_CHARS], _program(as_text(parent)), _program(as_text(child))


def _program(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].lower()[:MAX_NAME_CHARS]


def _started(
    house: _House, rows: list[memoryview], batch: EventBatch, place: int, host: str, parent: str, child: str
) -> Hit | None:  # fmt: skip
    """Remember a start; a hit when its ancestry is odd."""
    grand = house.lineages.get(f"{host}|{parent}", "")
    key = f"{host}|{child}"
    house.lineages.pop(key, None)
    house.lineages[key] = parent
    if len(house.lineages) > MAX_LINEAGES:
        del house.lineages[next(iter(house.lineages))]
    if not grand:
        return None
    pair = places_of(f"c|{parent}|{child}".encode())
    above = places_of(f"a|{grand}|{parent}".encode())
    whole = places_of(f"t|{grand}|{parent}|{child}".encode())
    known, times, together = seen(rows, pair), seen(rows, above), seen(rows, whole)
    for at in (pair, above, whole):
        count(rows, at)
    house.sketch.total += 1
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


def _stepped(
    house: _House, rows: list[memoryview], batch: EventBatch, place: int, name: str, step: str
) -> Hit | None:  # fmt: skip
    """Remember a step; a hit when the chain is odd with it."""
    chain = house.chains.pop(name, None) or _Chain()
    house.chains[name] = chain
    if len(house.chains) > MAX_CHAINS:
        del house.chains[next(iter(house.chains))]
    if chain.steps and chain.steps[-1] == step:
        return None
    ready = house.sketch.total >= CHAIN_MIN_STEPS
    log = name.rpartition(" ")[2]
    bits = _surprise(house.sketch, rows, log, chain.steps, step)
    chain.steps = [*chain.steps[-(CHAIN_STEPS - 1) :], step]
    chain.bits = [*chain.bits[-(CHAIN_STEPS - 1) :], bits]
    chain.events = [*chain.events[-(CHAIN_EVIDENCE - 1) :], event_id(batch.batch, batch.rows[place])]
    if not ready or len(chain.bits) < CHAIN_STEPS:
        return None
    score = sum(chain.bits) / CHAIN_STEPS
    threshold = house.thresholds[CHAIN.name]
    bar = threshold.standing
    chain.unlearned += 1
    if chain.unlearned >= CHAIN_STEPS and not chain.told:
        chain.unlearned = 0
        threshold.learn((score,))
    if score < bar - CHAIN_FALLEN_BITS:
        chain.told = False
    elif score > bar and not chain.told:
        chain.told = True
        told = (
            f"{name}: {' → '.join(chain.steps)} surprises by {score:.1f} bits a step, where the house stays below "
            f"{bar:.1f}."
        )
        confidence = round(min(0.6, CHAIN.confidence + 0.05 * (score - bar)), 2)
        earlier = tuple(EventId(event) for event in chain.events[:-1])
        return Hit(CHAIN, batch, (place,), (), name, told, confidence, earlier)
    return None


def _surprise(sketch: Sketch, rows: list[memoryview], log: str, before: Sequence[str], step: str) -> float:
    """Bits of surprise at ``step`` after those before it; then it is counted."""
    # Nothing is impossible: below order zero each of a thousand codes is as likely as another.
    chance = 1.0 / 1_024.0
    sketch.total += 1
    for order in range(min(3, len(before) + 1)):
        context = "|".join((log, *before[len(before) - order :])) if order else log
        after = places_of(f"{order}n|{context}".encode())
        kinds = places_of(f"{order}k|{context}".encode())
        whole = places_of(f"{order}w|{context}|{step}".encode())
        times, together = seen(rows, after), seen(rows, whole)
        # Keys that collide may count for each other.
        different = max(1, seen(rows, kinds))
        chance = min(1.0, (together + different * chance) / (times + different)) if times else chance
        count(rows, after)
        count(rows, whole)
        if not together:
            count(rows, kinds)
    return -log2(chance)


def sequence_detector(_: Toolbox) -> SequenceDetector:
    """As the plug-in ``sequence``."""
    return SequenceDetector()
