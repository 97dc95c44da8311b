"""The records and tables of delivering and drawing, and the one shape in which things are told."""

from typing import Any, Final

import msgspec

from phalanx.core import Entity, Record, Severity, Table, TenantId

OUTBOX: Final = Table("sink_outbox", sealed=True)
SINK_STATES: Final = Table("sink_states", sealed=True)
SINK_LETTERS: Final = Table("sink_letters", indexes=("sink",), sealed=True)
SOURCE_STATES: Final = Table("source_states", sealed=True)

FINDING, CASE, DECISION, EVENT, PROBE = "finding", "case", "decision", "event", "probe"
KINDS: Final = (FINDING, CASE, DECISION, EVENT)


class Notice(Record, frozen=True, kw_only=True, tag="notice"):
    """Something that sinks may tell, as it was when it was written; ``id`` is its place in the tenant's order.

    ``what`` is a kind of item, ``record`` the encoded record, ``fresh`` whether it was new then.
    """

    what: str
    subject: str
    fresh: bool
    record: bytes


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink is told: one finding, case, decision or event, in words that every product has a place for.

    ``id`` is the same whenever the same is told again, so that a peer can know it. ``subject`` is the id of the
    record, ``revision`` grows with it.
    """

    id: str
    kind: str
    subject: str
    revision: int
    fresh: bool
    tenant: TenantId
    trace: str
    at_ns: int
    severity: Severity
    title: str
    text: str
    case: str = ""
    entities: tuple[Entity, ...] = ()
    techniques: tuple[str, ...] = ()
    fields: dict[str, Any] = {}
    raw: str = ""

    def entity(self, kind: str) -> str:
        """The first entity of a type, empty when there is none."""
        return next((one.value for one in self.entities if one.type == kind), "")


class Place(msgspec.Struct, frozen=True, order=True):
    """How far something was told: all notices before ``seq``, and ``row`` items of that one."""

    seq: int = 0
    row: int = 0


class Past(msgspec.Struct, frozen=True):
    """A replay from the tables: what was recorded since ``since_ns``, up to now behind ``key`` and ``row`` of it."""

    since_ns: int
    key: str = ""
    row: int = 0


class SinkState(Record, frozen=True, kw_only=True, tag="sink-state"):
    """Where a sink stands, in the same commit as what came of a parcel.

    ``planned`` is how many items the next parcel must have: it was sent under a key, and nobody knows yet whether
    it arrived. ``lost`` counts what will never be told, ``skipped`` what the filter left out.
    """

    place: Place = Place()
    past: Past | None = None
    planned: int = 0
    paused: bool = False
    delivered: int = 0
    refused: int = 0
    lost: int = 0
    skipped: int = 0
    retries: int = 0
    bytes_sent: int = 0
    last_error: str = ""
    last_error_at_ns: int = 0
    last_delivered_at_ns: int = 0


class SinkLetter(Record, frozen=True, kw_only=True, tag="sink-letter"):
    """An item that a peer refuses for good, and why; kept so that it can be looked at and sent again."""

    sink: str
    reason: str
    item: Item


class SourceState(Record, frozen=True, kw_only=True, tag="source-state"):
    """Where a source stands.

    ``planned`` is the position behind the chunk that is on its way into the intake, and ``pending`` its bytes, where
    the source could not give them again. ``epoch`` counts how often it was set to another place than behind what was
    drawn last: the same positions mean something else then.
    """

    position: str = ""
    epoch: int = 0
    planned: str = ""
    pending: bytes = b""
    paused: bool = False
    events: int = 0
    bytes_drawn: int = 0
    doubled: int = 0
    gaps: int = 0
    refused: int = 0
    last_error: str = ""
    last_error_at_ns: int = 0
    last_drawn_at_ns: int = 0
