"""The records and tables of this room."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    BatchId,
    Put,
    Record,
    Table,
    TenantId,
    decode,
    encode,
)

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]

FINDINGS: Final = Table("findings", indexes=("case", "trace", "severity", "rule"), sealed=True)
BATCHES: Final = Table("batches", indexes=("source",), sealed=True)
QUARANTINE: Final = Table("quarantine", sealed=True)
REPLAYS: Final = Table("quarantine_replays", sealed=True)
CURSORS: Final = Table("cursors")
DETECTOR_STATES: Final = Table("detector_states", sealed=True)
IDEMPOTENCY: Final = Table("idempotency", sealed=True)

_SENTINEL_CURSOR = "sentinel"


class Chunk(Record, frozen=True, kw_only=True, tag="chunk"):
    """A record of the intake journal: bytes as they were accepted, under the batch id ``id``.

    ``at_ns`` is when they were accepted, ``events`` the number of lines that are not blank.
    ``digest`` is set together with ``idempotency_key``, to tell a repetition from a mistake.
    ``total_bytes`` is the size of all data accepted since the journal began, this included, so that
    the journal can be cut to a size without reading through it. ``sealed`` says that ``data`` is
    sealed for the tenant (``_sealing``).
    """

    VERSION: ClassVar[int] = 2
    UPGRADES: ClassVar[Mapping[int, Upgrade]] = {1: lambda fields: {**fields, "sealed": False}}

    reader: str
    events: int
    data: bytes
    total_bytes: int
    idempotency_key: str = ""
    digest: str = ""
    sealed: bool = False


class BatchEntry(Record, frozen=True, kw_only=True, tag="batch"):
    """Where the accepted batch ``id`` lies in the intake journal, and what was found in it.

    ``latest_ns`` is when the latest of its events happened; 0 where that is not known.
    """

    VERSION: ClassVar[int] = 2
    # What version 2 added has a default that says what version 1 was.
    UPGRADES: ClassVar[Mapping[int, Upgrade]] = {1: dict}

    offset: int
    reader: str
    events: int
    rejected: int
    sources: tuple[str, ...]
    latest_ns: int = 0


class UsedKey(Record, frozen=True, kw_only=True, tag="used-key"):
    """What an idempotency key was used for: the batch ``id``. Kept as long as the batch."""

    offset: int
    events: int
    digest: str


class BadRow(msgspec.Struct, frozen=True):
    """A line that could not be read: its row, why, and how it begins."""

    row: int
    reason: str
    excerpt: str


class Quarantine(Record, frozen=True, kw_only=True, tag="quarantine"):
    """Lines of one batch, close together, that were not events. ``id`` is the event id of the first.

    Whole as they came they are in the journal.
    """

    batch: BatchId
    reader: str
    lines: tuple[BadRow, ...]


class Cursor(Record, frozen=True, kw_only=True, tag="cursor"):
    """How far the journal was consumed: all rows of records before ``offset``, and ``row`` rows of that one."""

    offset: int
    row: int

    @classmethod
    def at(cls, offset: int, row: int, *, at_ns: int) -> "Cursor":
        return cls(id=_SENTINEL_CURSOR, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=at_ns, offset=offset, row=row)

    def put(self) -> Put:
        return Put(CURSORS, self.tenant, self.id, encode(self))


class DetectorState(Record, frozen=True, kw_only=True, tag="detector-state"):
    """What the detector ``id`` remembers of a tenant, as of the cursor it was committed with."""

    data: bytes

    def put(self) -> Put:
        return Put(DETECTOR_STATES, self.tenant, self.id, encode(self))


def cursor_key() -> tuple[Table, TenantId, str]:
    """Where the one cursor lies."""
    return CURSORS, DEFAULT_TENANT, _SENTINEL_CURSOR


def read_cursor(value: bytes | None) -> Cursor:
    """The stored cursor, or the beginning of the journal."""
    return Cursor.at(0, 0, at_ns=0) if value is None else decode(value, Cursor)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receipt of a chunk that is durable. A ``duplicate`` was accepted before; this is its receipt."""

    batch: BatchId
    events: int
    offset: int
    duplicate: bool = False
