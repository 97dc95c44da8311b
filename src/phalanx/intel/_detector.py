"""What finds something in events: the contract of detectors, ours and anybody's (``phalanx.detectors``).

- ``evaluate`` is pure but for the detector's own memory: it asks nobody, waits for nothing, and its work is bounded
  by the batch. It either raises before it remembers anything of the batch, or does not raise.
- Tenants are apart: what is found for one does not depend on the events of another.
- A detector that remembers says so by having ``state`` and ``restore``. The sentinel commits states together with
  its cursor and what was found, and restores them before the next event after a crash: nothing counts twice or not
  at all. The same batches after the same state give the same hits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from phalanx.core import Entity, EventBatch, EventId, Severity, TenantId
from phalanx.learning import AdaptiveThreshold
from phalanx.messaging import Marking

DETECTORS_GROUP = "phalanx.detectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What a detector knows to look for. ``name`` is unique in a node; findings carry it as their rule.

    ``fields`` are those that an explanation quotes. ``confidence`` is how far a hit is to be believed, from 0 to 1.
    """

    name: str
    title: str
    severity: Severity
    description: str = ""
    confidence: float = 0.5
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


class Hit(NamedTuple):
    """Something found in events of ``batch``, at ``places``; the last of them completed it.

    Hits of one pattern on one ``subject`` within one hour become one finding. The subject is the event's host unless
    it is told otherwise; ``entities`` are what it is about besides what the events name. ``told`` says why, in a
    sentence, and ``confidence`` replaces the pattern's. ``earlier`` are events of batches before, as evidence.
    ``marking`` is of the intelligence that it rests on: the finding is told no further than that may be.
    """

    rule: Pattern
    batch: EventBatch
    places: tuple[int, ...]
    entities: tuple[Entity, ...] = ()
    subject: str = ""
    told: str = ""
    confidence: float | None = None
    earlier: tuple[EventId, ...] = ()
    marking: Marking = Marking.CLEAR

    @property
    def place(self) -> int:
        """The place of the event that completed it."""
        return self.places[-1]


class Detector(Protocol):
    """Finds something in batches. ``name`` is unique in a node."""

    @property
    def name(self) -> str: ...

    def evaluate(self, batch: EventBatch) -> Sequence[Hit]:
        """What is found in ``batch``. Never blocks; raises before anything of the batch is remembered, or not."""
        ...


@runtime_checkable
class StatefulDetector(Detector, Protocol):
    """A detector whose hits depend on earlier batches."""

    def state(self, tenant: TenantId) -> bytes | None:
        """What it remembers of ``tenant``, at most ``MAX_DETECTOR_STATE_BYTES``; None when unchanged since it was last
        asked or restored."""
        ...

    def restore(self, tenant: TenantId, state: bytes | None) -> None:
        """Remember of ``tenant`` exactly ``state``, and nothing when it is None."""
        ...


@runtime_checkable
class AdaptiveDetector(StatefulDetector, Protocol):
    """A detector whose thresholds follow what it sees, and which people may steer."""

    def thresholds(self, tenant: TenantId) -> Mapping[str, AdaptiveThreshold]:
        """Those of ``tenant``, by the name of the pattern that each holds back; part of its state."""
        ...


def one_event(batch: EventBatch, place: int) -> EventBatch:
    """The batch of just the event at ``place``."""
    return EventBatch(
        batch.tenant,
        batch.batch,
        batch.log_source,
        batch.reader,
        batch.accepted_at_ns,
        (batch.rows[place],),
        (batch.times_ns[place],),
        (batch.raw[place],),
        {name: (column[place],) for name, column in batch.columns.items() if column[place] is not None},
    )
