"""Ports: what the rooms need from the outside, and from rooms they may not import.

Durable state goes through ``Store`` and ``Journal`` and nothing else. Each has three implementations that pass one
contract suite (``phalanx.testing.contracts``): simulated (loses power on demand), embedded (SQLite, segment files)
and PostgreSQL.
"""

from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ParamSpec, Protocol, TypeVar

from phalanx.core._ids import TenantId, TraceId
from phalanx.core._limits import MAX_CHUNK_BYTES, MAX_PAGE_ROWS

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Table:
    """A named set of rows. ``indexes`` are the names that rows may be found by.

    ``sealed`` says that the contents of rows belong to their tenant alone: a store that seals, seals them.
    """

    name: str
    indexes: tuple[str, ...] = ()
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """Write a row. ``index`` maps a declared index to the values the row is found under."""

    table: Table
    tenant: TenantId
    key: str
    value: bytes
    index: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row; removing what is not there is not an error."""

    table: Table
    tenant: TenantId
    key: str


@dataclass(frozen=True, slots=True)
class Expect:
    """A condition on a commit: the row is at ``version``; 0 means it does not exist."""

    table: Table
    tenant: TenantId
    key: str
    version: int


Write = Put | Delete


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row. ``version`` grows with every write to the store."""

    key: str
    value: bytes
    version: int


class Store(Protocol):
    """A transactional, ordered key–value store with declared indexes.

    Every row belongs to a tenant and no call reads across two. Keys and index values are ordered by their UTF-8
    bytes. Results are a snapshot of one moment per call.
    """

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None: ...

    async def scan(
        self,
        table: Table,
        tenant: TenantId,
        *,
        prefix: str = "",
        after: str = "",
        limit: int = MAX_PAGE_ROWS,
        reverse: bool = False,
    ) -> list[Row]:
        """Rows in key order (or reversed), starting strictly past the key ``after``."""
        ...

    async def find(
        self,
        table: Table,
        tenant: TenantId,
        index: str,
        value: str,
        *,
        after: str = "",
        limit: int = MAX_PAGE_ROWS,
        reverse: bool = False,
    ) -> list[Row]:
        """Rows that carry ``value`` in ``index``, in key order, past the key ``after``."""
        ...

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        """The index values of a row, in order; empty if there is no row or it has none."""
        ...

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        """Write all or nothing and return the commit's version; on return it is durable.

        Raises ``Conflict`` if an expectation fails and ``StorageFull`` if there is no room; either way nothing was
        written.
        """
        ...

    async def tenants(self, table: Table) -> list[TenantId]:
        """Tenants that have rows in ``table``, in order."""
        ...

    async def close(self) -> None: ...


class Journal(Protocol):
    """An append-only sequence of byte records, numbered from 0, durable when acknowledged."""

    @property
    def start(self) -> int:
        """Offset of the oldest record still stored."""
        ...

    @property
    def end(self) -> int:
        """Offset that the next acknowledged record will have."""
        ...

    async def append(self, records: Sequence[bytes]) -> int:
        """Append all records, consecutively, and return the first one's offset once durable.

        A torn append is undone on the next opening; an acknowledged one never is.
        """
        ...

    async def read(
        self, offset: int, *, max_records: int = MAX_PAGE_ROWS, max_bytes: int = MAX_CHUNK_BYTES
    ) -> list[bytes]:
        """Records from ``offset`` on; at least one if there is one, then within both bounds."""
        ...

    async def trim(self, before: int) -> None:
        """Allow records before ``before`` to be dropped; ``start`` tells which ones were."""
        ...

    async def close(self) -> None: ...


class Journals(Protocol):
    """Opens journals by name."""

    async def open(self, name: str) -> Journal: ...


class Blobs(Protocol):
    """Files of bytes under names chosen by their writer: written once, never changed.

    Files left unfinished by a crash may be listed: the writer keeps track of what it finished.
    """

    async def write(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        """Write a new one and return its size; on return it is durable.

        Raises ``StorageFull`` if there is no room, and whatever ``pieces`` raises; either way nothing of it is
        left.
        """
        ...

    async def read(self, name: str, offset: int, n: int) -> bytes:
        """Up to ``n`` bytes from ``offset``, fewer only at the end. Raises ``NotFound``."""
        ...

    async def names(self) -> list[str]:
        """All names, in order."""
        ...

    async def remove(self, name: str) -> None:
        """Removing a file that does not exist is not an error."""
        ...


class Transport(Protocol):
    """Unreliable datagrams between named places: may lose, delay, duplicate or reorder.

    ``send`` never waits for the peer. ``receive`` waits for the next datagram and its sender.
    """

    @property
    def address(self) -> str: ...

    def send(self, to: str, datagram: bytes) -> None: ...

    async def receive(self) -> tuple[str, bytes]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer of another place. Nothing in it may be trusted."""

    status: int
    content_type: str
    body: bytes


class HttpCaller(Protocol):
    """Asks other places over HTTP, once."""

    async def post(self, url: str, body: bytes, *, content_type: str, max_bytes: int, within_s: float) -> HttpAnswer:
        """Raises ``Unavailable`` if no answer came in time and ``LimitExceeded`` if it was too long."""
        ...


class Offload(Protocol):
    """Runs CPU-bound work off the event loop (in a bounded pool; inline in a simulation)."""

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...


class KernelCompiler(Protocol):
    """Has numeric kernels compiled elsewhere, so that this process finds them ready and does not stand still."""

    async def compile(self, *groups: str) -> None:
        """Returns once those groups are compiled. Raises ``Unavailable`` if that is not possible."""
        ...


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What the ledger is asked to record. The same ``id`` is recorded once, however often it is sent.

    ``body`` may be made unreadable later, with everything else of its tenant; the rest stays for good. ``custody``
    names who held the evidence until it was recorded, in order.
    """

    id: str
    tenant: TenantId
    trace: TraceId
    at_ns: int
    actor: str
    action: str
    subject: str
    case: str
    body: Mapping[str, Any] = field(default_factory=dict)
    custody: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditReceipt:
    """Where the ledger put an entry."""

    entry: str
    index: int
    leaf_hash: str


class AuditSink(Protocol):
    """The ledger, as seen by rooms below and beside it. Durable when it returns."""

    async def record(self, entry: AuditEntry) -> AuditReceipt: ...


class AlertLevel(Enum):
    """How soon a person should look."""

    NOTICE = "notice"
    WARNING = "warning"
    URGENT = "urgent"


class AlertSink(Protocol):
    """Where a room reports what a person must know. Never blocks, never raises."""

    def alert(self, level: AlertLevel, room: str, text: str, **context: str | float) -> None: ...
