"""core.Store in memory, its commits in a write-ahead log that a power loss can hit.

The log is a segment journal on a simulated disk, so the bytes that survive are decided by the
same code and the same faults as in production. A commit shows only once its log record is
durable: what was acknowledged is there after any crash, and what was not is there wholly or not
at all. The log is replayed whole at the first use and never compacted; worlds do not last.
"""

import asyncio
import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from phalanx.core import (
    Conflict,
    Delete,
    Expect,
    InvalidInput,
    Journal,
    Journals,
    LimitExceeded,
    Put,
    Row,
    StorageError,
    Table,
    TenantId,
    Write,
)
from phalanx.testing._limits import (
    MAX_COMMIT_WRITES,
    MAX_INDEX_VALUE_BYTES,
    MAX_KEY_BYTES,
    MAX_LOG_PART_BYTES,
    MAX_VALUE_BYTES,
)

_LOG_NAME = "log"
_MORE, _LAST = b"\x00", b"\x01"


class _LoggedWrite(msgspec.Struct, array_like=True, frozen=True):
    table: str
    tenant: str
    key: str
    value: bytes | None  # None deletes
    index: tuple[tuple[str, str], ...] = ()


_to_log = msgspec.msgpack.Encoder().encode
_from_log = msgspec.msgpack.Decoder(tuple[_LoggedWrite, ...]).decode


class _Rows:
    """The rows of one table and tenant, by key and by index entry, each in order."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.keys: list[str] = []
        self.entries: dict[tuple[str, str], list[str]] = {}
        self.entries_of: dict[str, tuple[tuple[str, str], ...]] = {}

    def write(self, write: _LoggedWrite, version: int) -> None:
        key = write.key
        for entry in self.entries_of.pop(key, ()):
            keys = self.entries[entry]
            del keys[bisect.bisect_left(keys, key)]
            if not keys:
                del self.entries[entry]
        known = key in self.rows
        if write.value is None:
            if known:
                del self.rows[key], self.keys[bisect.bisect_left(self.keys, key)]
            return
        if not known:
            bisect.insort(self.keys, key)
        self.rows[key] = Row(key, write.value, version)
        self.entries_of[key] = write.index
        for entry in write.index:
            bisect.insort(self.entries.setdefault(entry, []), key)


class SimStore:
    """A ``Store`` on one simulated disk; opened by its first call."""

    def __init__(self, journals: Journals) -> None:
        self._journals = journals
        self._log: Journal | None = None
        self._opening: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._tables: dict[tuple[str, str], _Rows] = {}
        self._version = 0
        self._closed = False

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None:
        await self._open()
        rows = self._tables.get((table.name, tenant))
        return None if rows is None else rows.rows.get(key)

    async def scan(
        self,
        table: Table,
        tenant: TenantId,
        *,
        prefix: str = "",
        after: str = "",
        limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:
        await self._open()
        rows = self._tables.get((table.name, tenant))
        if rows is None:
            return []
        keys = rows.keys
        low = bisect.bisect_left(keys, prefix)
        high = bisect.bisect_left(keys, 1, low, key=lambda key: 0 if key.startswith(prefix) else 1)
        return [rows.rows[key] for key in _page(keys, low, high, after=after, limit=limit, reverse=reverse)]

    async def find(
        self,
        table: Table,
        tenant: TenantId,
        index: str,
        value: str,
        *,
        after: str = "",
        limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:
        if index not in table.indexes:
            raise InvalidInput(f"{table.name} index", f"{index!r} is not declared")
        await self._open()
        rows = self._tables.get((table.name, tenant))
        keys = [] if rows is None else rows.entries.get((index, value), [])
        if rows is None or not keys:
            return []
        return [rows.rows[key] for key in _page(keys, 0, len(keys), after=after, limit=limit, reverse=reverse)]

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        await self._open()
        rows = self._tables.get((table.name, tenant))
        found: dict[str, list[str]] = {}
        for index, value in sorted(rows.entries_of.get(key, ())) if rows is not None else ():
            found.setdefault(index, []).append(value)
        return found

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        if (seen := len(writes) + len(expect)) > MAX_COMMIT_WRITES:
            raise LimitExceeded("writes and expectations of a commit", maximum=MAX_COMMIT_WRITES, seen=seen)
        for condition in expect:
            _check_row(condition)
        logged = tuple(_logged(write) for write in writes)
        await self._open()
        # Shielded, because a commit whose caller gave up while it was being written takes place all the same.
        return await asyncio.shield(asyncio.create_task(self._commit(logged, tuple(expect)), name="store commit"))

    async def tenants(self, table: Table) -> list[TenantId]:
        await self._open()
        return sorted(
            TenantId(tenant) for (name, tenant), rows in self._tables.items() if name == table.name and rows.keys
        )

    def all_keys(self) -> list[tuple[str, str, str]]:
        """Table, tenant and key of every row, for checkers that compare what was left behind."""
        return sorted((*where, key) for where, rows in self._tables.items() for key in rows.keys)

    async def close(self) -> None:
        self._closed = True
        async with self._lock:
            if self._log is not None:
                await self._log.close()

    async def _commit(self, writes: tuple[_LoggedWrite, ...], expect: tuple[Expect, ...]) -> int:
        async with self._lock:
            log = self._require_open()
            for condition in expect:
                rows = self._tables.get((condition.table.name, condition.tenant))
                row = None if rows is None else rows.rows.get(condition.key)
                found = 0 if row is None else row.version
                if found != condition.version:
                    raise Conflict(condition.table.name, condition.key, expected=condition.version, found=found)
            await log.append(_parts(_to_log(writes)))
            return self._apply(writes)

    def _apply(self, writes: Iterable[_LoggedWrite]) -> int:
        self._version += 1
        for write in writes:
            self._tables.setdefault((write.table, write.tenant), _Rows()).write(write, self._version)
        return self._version

    async def _open(self) -> None:
        """Replay the log at the first call; later only give way, as a call to a real store does."""
        if self._log is None and not self._closed:
            if self._opening is None:
                self._opening = asyncio.create_task(self._replay(), name="store replay")
            await asyncio.shield(self._opening)
        else:
            await asyncio.sleep(0)
        self._require_open()

    async def _replay(self) -> None:
        try:
            log = await self._journals.open(_LOG_NAME)
            offset, whole = log.start, b""
            while offset < log.end:
                for part in await log.read(offset):
                    offset += 1
                    whole += part[1:]
                    if part[:1] == _LAST:
                        self._apply(_from_log(whole))
                        whole = b""
            self._log = log
        finally:
            self._opening = None

    def _require_open(self) -> Journal:
        if self._log is None or self._closed:
            raise StorageError("this store is closed")
        return self._log


def _logged(write: Write) -> _LoggedWrite:
    _check_row(write)
    if isinstance(write, Delete):
        return _LoggedWrite(write.table.name, write.tenant, write.key, None)
    if len(write.value) > MAX_VALUE_BYTES:
        raise LimitExceeded("a value in bytes", maximum=MAX_VALUE_BYTES, seen=len(write.value))
    return _LoggedWrite(write.table.name, write.tenant, write.key, write.value, _entries(write))


def _check_row(named: Write | Expect) -> None:
    for what, text in (("tenant", named.tenant), ("key", named.key)):
        if not text:
            raise InvalidInput(f"{named.table.name} {what}", "it is empty")
        _check_length(f"{named.table.name} {what}", text, MAX_KEY_BYTES)


def _check_length(what: str, text: str, maximum_bytes: int) -> None:
    try:
        seen = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput(what, "it is not encodable as UTF-8") from error
    if seen > maximum_bytes:
        raise LimitExceeded(f"{what} in bytes", maximum=maximum_bytes, seen=seen)


def _entries(put: Put) -> tuple[tuple[str, str], ...]:
    """A row's index entries, each once, in the order given."""
    found: dict[tuple[str, str], None] = {}
    for index, values in put.index.items():
        if index not in put.table.indexes:
            raise InvalidInput(f"{put.table.name} index", f"{index!r} is not declared")
        for value in values:
            _check_length(f"{put.table.name} {index}", value, MAX_INDEX_VALUE_BYTES)
            found[index, value] = None
    return tuple(found)


def _page(keys: list[str], low: int, high: int, *, after: str, limit: int, reverse: bool) -> Iterator[str]:
    """Up to ``limit`` of ``keys[low:high]`` past ``after``. Python orders text as its UTF-8 bytes do."""
    if reverse:
        if after:
            high = min(high, bisect.bisect_left(keys, after))
        return iter(keys[max(low, high - limit) : high][::-1])
    low = max(low, bisect.bisect_right(keys, after)) if after else low
    return iter(keys[low : min(high, low + limit)])


def _parts(commit: bytes) -> list[bytes]:
    """A commit as log records, which have a greatest size. They are appended, and torn, together."""
    ends = range(MAX_LOG_PART_BYTES, len(commit), MAX_LOG_PART_BYTES)
    parts = [_MORE + commit[end - MAX_LOG_PART_BYTES : end] for end in ends]
    return [*parts, _LAST + commit[len(parts) * MAX_LOG_PART_BYTES :]]
