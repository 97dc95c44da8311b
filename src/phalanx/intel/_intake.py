"""Taking events in: bytes in, durable receipt out. Nothing is parsed here.

- ``accept`` returns after the chunk is in the journal, and not before: a receipt survives the
  loss of power. Chunks that arrive while an append is under way share the next one.
- A chunk is accepted as a whole or refused as a whole, and a sender who goes away while waiting
  does not undo it.
- Under one idempotency key a tenant's chunk is accepted once. The key is held in memory until
  the sentinel has consumed the chunk, and from that commit on in the store.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Self

from phalanx.core import (
    MAX_CHUNK_EVENTS,
    NO_TRACE,
    NS_PER_S,
    BatchId,
    Clock,
    IdSource,
    InvalidInput,
    Journal,
    LimitExceeded,
    Overloaded,
    Store,
    TenantId,
    Unavailable,
    WireError,
    decode,
    encode,
)
from phalanx.intel._backlog import Backlog
from phalanx.intel._limits import (
    MAX_APPEND_BYTES,
    MAX_APPEND_RECORDS,
    MAX_CHUNK_DATA_BYTES,
    MAX_IDEMPOTENCY_KEY_CHARS,
    MAX_KEY_LOOKUPS,
    MAX_TAKE_BYTES,
    MAX_TAKE_RECORDS,
)
from phalanx.intel._model import IDEMPOTENCY, Accepted, Chunk, UsedKey, cursor_key, read_cursor
from phalanx.intel._retention import size_bytes
from phalanx.intel._sealing import ChunkSeals, sealed_with
from phalanx.intel.reading import AUTO, OWN, check_reader, reader_for, split_lines
from phalanx.telemetry import Telemetry

DEFAULT_MAX_BACKLOG_EVENTS = 1_000_000

_Key = tuple[TenantId, str]


class _Waiting(NamedTuple):
    """A chunk on its way into the journal, and who is told when it is there."""

    chunk: Chunk
    frame: bytes
    accepted: "asyncio.Future[Accepted]"


class _Held(NamedTuple):
    """What a key was used for, as long as the store does not know."""

    digest: str
    accepted: "asyncio.Future[Accepted]"


class _Left(NamedTuple):
    """A chunk in the journal that is not wholly consumed."""

    offset: int
    events: int
    key: _Key


class Intake:
    """The node's way in; made with ``Intake.open``."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        *,
        clock: Clock,
        ids: IdSource,
        telemetry: Telemetry,
        max_backlog_events: int = DEFAULT_MAX_BACKLOG_EVENTS,
        seals: ChunkSeals | None = None,
    ) -> None:
        self.journal = journal
        self.seals = seals or ChunkSeals()
        self.backlog = Backlog(telemetry, max_backlog_events)
        self._store = store
        self._clock = clock
        self._ids = ids
        self._held: dict[_Key, _Held] = {}
        self._let_go = 0
        # The chunks that the sentinel has not done with, and how many rows of the first it has.
        self._tail: deque[_Left] = deque()
        self._rows_done = 0
        self._waiting: deque[_Waiting] = deque()
        self._total_bytes = 0
        self._work = asyncio.Event()
        self._grown = asyncio.Event()
        self._closing = False
        self._writer: asyncio.Task[None] | None = None
        metrics = telemetry.metrics
        self._accepted_events = metrics.counter("phalanx_accepted_events_total", "Lines accepted.").labels()
        self._accepted_bytes = metrics.counter("phalanx_accepted_bytes_total", "Bytes accepted.").labels()
        self._append_seconds = metrics.histogram(
            "phalanx_intake_append_seconds", "From handing chunks to the journal until they were durable."
        ).labels()

    @classmethod
    async def open(
        cls,
        journal: Journal,
        store: Store,
        *,
        clock: Clock,
        ids: IdSource,
        telemetry: Telemetry,
        max_backlog_events: int = DEFAULT_MAX_BACKLOG_EVENTS,
        seals: ChunkSeals | None = None,
    ) -> Self:
        """An intake that knows what the journal still holds, with its writer running. ``close`` it."""
        intake = cls(
            journal, store, clock=clock, ids=ids, telemetry=telemetry,
            max_backlog_events=max_backlog_events, seals=seals,
        )  # fmt: skip
        row = await store.get(*cursor_key())
        cursor = read_cursor(None if row is None else row.value)
        await intake._recover(cursor.offset)
        intake.consumed(cursor.offset, cursor.row)
        intake._writer = asyncio.create_task(intake._write(), name="intake-writer")
        return intake

    async def close(self) -> None:
        """Refuse what comes from now on; what waits is still written."""
        self._closing = True
        self._work.set()
        if self._writer is not None:
            await self._writer

    @property
    def backlog_events(self) -> int:
        """Lines that are accepted, or about to be, and not consumed by the sentinel."""
        return self.backlog.events

    async def accept(self, data: bytes, *, tenant: TenantId, reader: str = AUTO, idempotency_key: str = "") -> Accepted:
        """Make ``data`` durable.

        Raises ``InvalidInput`` or ``LimitExceeded`` for what can never be accepted, ``Overloaded``,
        ``StorageFull`` or ``Unavailable`` for what may be later, ``Shredded`` for a tenant that was
        shredded. Nothing was accepted then.
        """
        check_reader(reader)
        return await self._accept(data, tenant, reader_for(data, reader), idempotency_key)

    async def accept_own(self, data: bytes, *, tenant: TenantId, idempotency_key: str) -> Accepted:
        """The same for events that the node itself makes; no sender gets here."""
        return await self._accept(data, tenant, OWN, idempotency_key)

    async def _accept(self, data: bytes, tenant: TenantId, reader: str, idempotency_key: str) -> Accepted:
        _check_key(idempotency_key)
        events = _count(data)
        sealer, digest = await self.seals.sealer(tenant), ""
        if idempotency_key:
            digests = await self.seals.digests(tenant, data)
            digest = digests[0]
            found = await self._lookup((tenant, idempotency_key), digests)
            if found is not None:
                return found
        # From here to the queue nothing awaits: two senders cannot both find a key unused.
        if self._writer is None or self._closing:
            raise Unavailable("the intake", "it is not running")
        self.backlog.admit(events, len(data))
        chunk = Chunk(
            id=self._ids.new_batch(),
            tenant=tenant,
            trace=NO_TRACE,
            at_ns=self._clock.wall_ns(),
            reader=reader,
            events=events,
            data=data,
            total_bytes=self._total_bytes + len(data),
            idempotency_key=idempotency_key,
            digest=digest,
        )
        self._total_bytes = chunk.total_bytes
        accepted: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        accepted.add_done_callback(_seen)
        if idempotency_key:
            self._held[tenant, idempotency_key] = _Held(digest, accepted)
        self._waiting.append(_Waiting(chunk, encode(sealed_with(chunk, sealer)), accepted))
        self._work.set()
        return await asyncio.shield(accepted)

    async def wait_past(self, offset: int) -> None:
        """Return when the journal has a record at ``offset``. For one waiter: the sentinel."""
        while self.journal.end <= offset:
            self._grown.clear()
            await self._grown.wait()

    def consumed(self, offset: int, row: int) -> None:
        """The sentinel is done with every chunk before ``offset``, and with ``row`` rows of that one."""
        while self._tail and self._tail[0].offset < offset:
            done = self._tail.popleft()
            self.backlog.consumed(done.events - self._rows_done)
            self._rows_done = 0
            if done.key[1]:
                self._held.pop(done.key, None)
                self._let_go += 1
        if self._tail and self._tail[0].offset == offset and row > self._rows_done:
            self.backlog.consumed(row - self._rows_done)
            self._rows_done = row

    async def _lookup(self, key: _Key, digests: Sequence[str]) -> Accepted | None:
        """The receipt of the chunk that the key was used for; raises when that was another chunk."""
        for _ in range(MAX_KEY_LOOKUPS):
            held = self._held.get(key)
            if held is not None:
                _check_digest(digests, held.digest)
                return replace(await asyncio.shield(held.accepted), duplicate=True)
            let_go = self._let_go
            row = await self._store.get(IDEMPOTENCY, *key)
            if row is not None:
                used = decode(row.value, UsedKey)
                _check_digest(digests, used.digest)
                return Accepted(BatchId(used.id), used.events, used.offset, duplicate=True)
            # Keys that moved from memory to the store meanwhile may have been missed in both.
            if let_go == self._let_go and key not in self._held:
                return None
        raise Overloaded("the table of idempotency keys", retry_after_s=1)

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting:
                await self._append(self._take())
            if self._closing:
                return

    def _take(self) -> list[_Waiting]:
        """What shares the next append: at least one chunk, then within the bounds."""
        taken = [self._waiting.popleft()]
        size_bytes = len(taken[0].frame)
        while self._waiting and len(taken) < MAX_APPEND_RECORDS:
            size_bytes += len(self._waiting[0].frame)
            if size_bytes > MAX_APPEND_BYTES:
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _append(self, taken: list[_Waiting]) -> None:
        started_ns = self._clock.monotonic_ns()
        try:
            first = await self.journal.append([waiting.frame for waiting in taken])
        except BaseException as error:
            stopped = Unavailable("the intake", "it was stopped")
            self._refuse(taken, error if isinstance(error, Exception) else stopped)
            if isinstance(error, Exception):
                return
            self._refuse(list(self._waiting), stopped)
            raise
        self._append_seconds.observe((self._clock.monotonic_ns() - started_ns) / NS_PER_S)
        for offset, waiting in enumerate(taken, first):
            chunk = waiting.chunk
            self.backlog.stored(len(chunk.data))
            self._accepted_events.inc(chunk.events)
            self._accepted_bytes.inc(len(chunk.data))
            self._tail.append(_Left(offset, chunk.events, (chunk.tenant, chunk.idempotency_key)))
            waiting.accepted.set_result(Accepted(BatchId(chunk.id), chunk.events, offset))
        self._grown.set()

    def _refuse(self, taken: list[_Waiting], error: Exception) -> None:
        """Tell whoever waits, and forget the keys, so that the same chunk may be sent again."""
        for waiting in taken:
            chunk = waiting.chunk
            self.backlog.failed(chunk.events, len(chunk.data))
            self._held.pop((chunk.tenant, chunk.idempotency_key), None)
            if not waiting.accepted.done():
                waiting.accepted.set_exception(error)

    async def _recover(self, offset: int) -> None:
        """Count the backlog that an earlier process left, and hold its keys."""
        self._total_bytes = await size_bytes(self.journal)
        offset = max(offset, self.journal.start)
        while offset < self.journal.end:
            frames = await self.journal.read(offset, max_records=MAX_TAKE_RECORDS, max_bytes=MAX_TAKE_BYTES)
            assert frames, "the journal ends before its end"
            for frame in frames:
                self._hold(offset, frame)
                offset += 1

    def _hold(self, offset: int, frame: bytes) -> None:
        try:
            chunk = decode(frame, Chunk)
        except WireError:
            # Left to the sentinel, which puts it into quarantine.
            return
        key = (chunk.tenant, chunk.idempotency_key)
        self.backlog.recovered(chunk.events)
        self._tail.append(_Left(offset, chunk.events, key))
        if chunk.idempotency_key:
            accepted: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
            accepted.set_result(Accepted(BatchId(chunk.id), chunk.events, offset))
            self._held[key] = _Held(chunk.digest, accepted)


def _count(data: bytes) -> int:
    """The number of lines, within the bounds of one chunk."""
    if len(data) > MAX_CHUNK_DATA_BYTES:
        raise LimitExceeded(
            "the size of one chunk in bytes",
            maximum=MAX_CHUNK_DATA_BYTES,
            seen=len(data),
            hint="send the events in several chunks",
        )
    events = len(split_lines(data))
    if events == 0:
        raise InvalidInput("data", "there is no line in it")
    if events > MAX_CHUNK_EVENTS:
        raise LimitExceeded(
            "the number of events in one chunk",
            maximum=MAX_CHUNK_EVENTS,
            seen=events,
            hint="send the events in several chunks",
        )
    return events


def _check_key(key: str) -> None:
    if len(key) > MAX_IDEMPOTENCY_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise InvalidInput("idempotency_key", f"must be at most {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters")


def _check_digest(digests: Sequence[str], used_for: str) -> None:
    if used_for not in digests:
        raise InvalidInput("idempotency_key", "was used for other data", hint="use a new key for new data")


def _seen(accepted: "asyncio.Future[Accepted]") -> None:
    # A sender may have gone away; without this, asyncio would complain of an error nobody saw.
    if not accepted.cancelled():
        accepted.exception()
