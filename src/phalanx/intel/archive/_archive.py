"""Events that are kept to be searched: which segments there are, what is not in one yet, and changes of both.

Invariants:

- an event is in exactly one place: in a segment whose row is committed, or in memory and in the journal from the
  archive's cursor on. Rows of new segments and the cursor are one commit, and what is in memory goes in the same
  moment, so nobody sees an event twice or not at all, whenever the machine stops;
- a row names a file that is complete and durable; files that no row names are removed when the archive begins;
- segments that are put together are exchanged for the whole in one commit.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Final

from phalanx.core import (
    MAX_PAGE_ROWS,
    Clock,
    EventBatch,
    NotFound,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Store,
    TenantId,
    Write,
    decode,
)
from phalanx.crypto.vault import Shredded
from phalanx.intel._model import Cursor
from phalanx.intel.archive._files import SegmentFiles, prefix_of
from phalanx.intel.archive._head import Head
from phalanx.intel.archive._limits import MAX_SEGMENT_CELLS, MAX_SEGMENTS, QUIET_SEGMENTS, SEGMENT_ROWS
from phalanx.intel.archive._looking import Looked, Looking
from phalanx.intel.archive._merging import small_together, whole_together
from phalanx.intel.archive._model import CURSOR_KEY, SEGMENTS, Keep, Segment, cursor_at

Position = tuple[int, int]
# Before the archive is open, and after a write of which nobody knows the end: nothing follows on from there.
NOWHERE: Final[Position] = (-1, 0)


class Archive:
    """Made with ``open``. ``Archivist`` fills it, ``Searches`` ask it.

    ``read_to`` is up to where it has the journal, the record and the row in it; ``offset`` is the record up to which
    all is in segments.
    """

    def __init__(self, files: SegmentFiles, store: Store, clock: Clock) -> None:
        self.files = files
        self._store = store
        self._clock = clock
        self._segments: dict[TenantId, dict[str, Segment]] = {}
        self._heads: dict[TenantId, Head] = {}
        # What is just being written, and can be asked until it is.
        self._leaving: dict[TenantId, Head] = {}
        self._lock = asyncio.Lock()
        self._looking = Looking()
        # Segments written since segments were last put together, and those that could not be.
        self._written = 0
        self._unreadable: set[str] = set()
        # Those of a commit that failed, of which nobody knows whether it went through.
        self._unsure: list[Segment] = []
        self.offset = 0
        self.read_to = NOWHERE

    async def open(self) -> None:
        """Read which segments there are, and remove what a crash left."""
        # Locked, so that no file is taken for a remainder that is just being written.
        async with self._lock:
            await self._open()

    async def _open(self) -> None:
        self._heads = {}
        known = await self._store.get(*CURSOR_KEY)
        cursor = None if known is None else decode(known.value, Cursor)
        self.offset, row = (0, 0) if cursor is None else (cursor.offset, cursor.row)
        self.read_to = (self.offset, row)
        named = await self._read_segments() | self._looking.files()
        for file in await self.files.names():
            if file not in named:
                await self.files.remove_file(file)

    async def _read_segments(self) -> set[str]:
        """Read the rows; the files that they name."""
        found: dict[TenantId, dict[str, Segment]] = {}
        for tenant in await self._store.tenants(SEGMENTS):
            own = found.setdefault(tenant, {})
            after = ""
            while rows := await self._store.scan(SEGMENTS, tenant, after=after, limit=MAX_PAGE_ROWS):
                own |= {one.key: decode(one.value, Segment) for one in rows}
                after = rows[-1].key
        # No await from here on: who looks sees either the one or the other.
        self._segments, self._unsure = found, []
        return {one.file for own in found.values() for one in own.values()}

    async def _make_sure(self) -> None:
        """Know again which segments there are, before some are changed."""
        if unsure := self._unsure:
            named = await self._read_segments()
            await self._remove([one for one in unsure if one.file not in named])

    def add(self, batches: Iterable[EventBatch], *, read_to: Position) -> None:
        """Take the events of the journal from where it has them up to ``read_to`` into memory."""
        for batch in batches:
            head = self._heads.get(batch.tenant)
            if head is None:
                head = self._heads[batch.tenant] = Head(batch.tenant, self._clock.monotonic_ns())
            head.add(batch)
        self.read_to = read_to

    @property
    def waiting(self) -> int:
        """Events that are in memory only, and in the journal."""
        return _events(self._heads) + _events(self._leaving)

    @property
    def is_full(self) -> bool:
        """Whether it is time for a segment."""
        return _events(self._heads) >= SEGMENT_ROWS or any(
            head.cells >= MAX_SEGMENT_CELLS for head in self._heads.values()
        )

    @property
    def waited_ns(self) -> int:
        """For how long the oldest of what is in memory has been there."""
        now_ns = self._clock.monotonic_ns()
        return max((now_ns - head.since_ns for head in self._heads.values() if len(head)), default=0)

    async def write(self) -> int:
        """Make segments of what is in memory; how many events that was. What is added meanwhile is of the next."""
        async with self._lock:
            self._leaving, self._heads = self._heads, {}
            (offset, row), leaving = self.read_to, self._leaving
            made: list[Segment] = []
            try:
                for head in leaving.values():
                    if len(head):
                        # Of a tenant that was shredded nothing is to be kept.
                        with contextlib.suppress(Shredded):
                            made.append(await self.files.write(head.pieces(), at_ns=self._clock.wall_ns()))
                now_ns = self._clock.wall_ns()
                writes: list[Write] = [one.put() for one in made]
                await self._store.commit([*writes, cursor_at(offset, row, at_ns=now_ns)])
                # No await from here to the end: who looks sees either the one or the other.
                for one in made:
                    self._segments.setdefault(one.tenant, {})[one.id] = one
                self.offset = offset
            except StorageFull:
                # Nothing was committed, so the files are nobody's; what is in memory waits for room.
                for tenant, head in self._heads.items():
                    leaving.setdefault(tenant, Head(tenant, head.since_ns)).join(head)
                self._heads, self._leaving = leaving, {}
                for one in made:
                    with contextlib.suppress(StorageError):
                        await self.files.remove(one)
                raise
            except BaseException:
                # Whether the rows are there is not known: all of it is read anew from where the store says.
                self._heads, self.read_to = {}, NOWHERE
                raise
            finally:
                self._leaving = {}
        self._written += len(made)
        return sum(one.events for one in made)

    def begin(self, tenant: TenantId) -> Looked:
        """Everything of a tenant as it is now; ``end`` when it was looked at, so that nothing goes before."""
        heads = [heads[tenant] for heads in (self._leaving, self._heads) if tenant in heads]
        shards = [shard for head in heads for shard in head.shards()]
        return self._looking.begin(list(self._segments.get(tenant, {}).values()), shards)

    async def end(self, looked: Looked) -> None:
        self._looking.end(looked)
        # What cannot be removed now is tried again with what goes next, and is nothing to who looked.
        with contextlib.suppress(StorageError):
            await self._sweep()

    def holds(self, segment: Segment) -> bool:
        """Whether it is still one of its tenant's."""
        return segment.id in self._segments.get(segment.tenant, {})

    async def compact(self, keep: Keep, *, apart: Mapping[TenantId, Keep] | None = None) -> int:
        """Put small segments of a tenant together where there are many, and whole ones into a large one while few are
        written: a question costs about as much for a large one as for a whole one. How many there were.

        ``keep`` and ``apart`` are those of ``retain``: what is made is small beside what is kept.
        """
        gone, quiet = 0, self._written <= QUIET_SEGMENTS
        self._written = 0
        for tenant in list(self._segments):
            async with self._lock:
                await self._make_sure()
                wanted = (apart or {}).get(tenant, keep)
                own = [one for one in self.segments(tenant) if one.id not in self._unreadable]
                now_ns = self._clock.wall_ns()
                chosen = small_together(own, wanted, now_ns)
                if not chosen and quiet:
                    chosen = whole_together(own, wanted, now_ns)
                    # One in a turn: it takes seconds, in which nothing is archived.
                    quiet = not chosen
                try:
                    if chosen and await self._merged(chosen):
                        gone += len(chosen)
                except StorageFull:
                    # Without room nothing is put together, and what makes room is not held up by it.
                    break
        return gone

    async def _merged(self, small: Sequence[Segment]) -> bool:
        try:
            # As old as the youngest of them: it goes when the last of them would have.
            now_ns = self._clock.wall_ns()
            made = await self.files.merge(
                small, at_ns=max(one.at_ns for one in small), since_ns=min(one.oldest_ns(now_ns) for one in small)
            )
        except (Shredded, StorageCorrupt, NotFound):
            # Whoever asks it is told; the others, and what else is to be done, are not held up by it.
            self._unreadable.update(one.id for one in small)
            return False
        await self._exchange(made, small)
        return True

    async def _exchange(self, made: Segment, gone: Sequence[Segment]) -> None:
        """Name ``made`` in place of ``gone``."""
        try:
            await self._commit([made.put(), *(one.delete() for one in gone)], [made, *gone])
        except StorageFull:
            # Nothing was committed, so the file is nobody's.
            with contextlib.suppress(StorageError):
                await self.files.remove(made)
            raise
        own = self._segments[made.tenant]
        for one in gone:
            own.pop(one.id, None)
        own[made.id] = made
        await self._remove(gone)

    async def _commit(self, writes: Sequence[Write], segments: Sequence[Segment]) -> None:
        try:
            await self._store.commit(writes)
        except StorageFull:
            raise
        except BaseException:
            # It may have gone through. Files are there of what it names and of what it named before.
            self._unsure += segments
            raise

    async def retain(self, keep: Keep, *, apart: Mapping[TenantId, Keep] | None = None) -> int:
        """Let go of the oldest segments of each tenant beyond what is to be kept; how many events went.

        ``apart`` has the tenants of which more or less than ``keep`` is kept. No more than ``MAX_SEGMENTS`` are, and
        events that say they are of the future no longer than others.
        """
        gone: list[Segment] = []
        async with self._lock:
            await self._make_sure()
            now_ns = self._clock.wall_ns()
            for tenant, own in self._segments.items():
                wanted = (apart or {}).get(tenant, keep)
                oldest_ns = now_ns - wanted.max_age_ns if wanted.max_age_ns else 0
                left, count = sum(one.size_bytes for one in own.values()), len(own)
                for one in sorted(own.values(), key=lambda one: one.latest_ns(now_ns)):
                    if left > wanted.max_bytes or count > MAX_SEGMENTS or one.aged_ns(now_ns) < oldest_ns:
                        gone.append(one)
                        left, count = left - one.size_bytes, count - 1
            await self._let_go(gone)
            await self._sweep()
        return sum(one.events for one in gone)

    async def erase(self, tenants: Sequence[TenantId]) -> int:
        """Erase what is kept of tenants; how many files went."""
        async with self._lock:
            await self._make_sure()
            gone = [one for tenant in tenants for one in self._segments.get(tenant, {}).values()]
            for tenant in tenants:
                self._heads.pop(tenant, None)
            await self._let_go(gone)
            # What a store that seals no longer reads: by its name.
            prefixes = {prefix_of(tenant) for tenant in tenants}
            files = [file for file in await self.files.names() if file.partition("-")[0] in prefixes]
            for file in files:
                await self.files.remove_file(file)
        return len(gone) + len(files)

    async def count(self) -> int:
        """How many segments there are, over all tenants."""
        return sum(map(len, self._segments.values()))

    async def reseal(self) -> AsyncGenerator[bool, None]:
        """Seal anew, one after the other, what is under another key than the current one; whether each was."""
        for tenant in list(self._segments):
            for segment in self.segments(tenant):
                async with self._lock:
                    await self._make_sure()
                    # It may have gone meanwhile, with its time or into a larger one.
                    known = segment.id in self._segments.get(tenant, {})
                    changed = known and await self._resealed(segment)
                yield changed

    async def _resealed(self, segment: Segment) -> bool:
        try:
            if not await self.files.needs_resealing(segment):
                return False
            made = await self.files.rewrite(segment, at_ns=segment.at_ns)
        except (Shredded, StorageCorrupt, NotFound):
            # Whoever asks it is told; the others are not held up by it.
            return False
        await self._exchange(made, [segment])
        return True

    async def _let_go(self, gone: Sequence[Segment]) -> None:
        for start in range(0, len(gone), MAX_PAGE_ROWS):
            some = gone[start : start + MAX_PAGE_ROWS]
            await self._commit([one.delete() for one in some], some)
            for one in some:
                self._segments[one.tenant].pop(one.id, None)
            await self._remove(some)

    async def _remove(self, segments: Sequence[Segment]) -> None:
        self._looking.let_go(segments)
        await self._sweep()

    async def _sweep(self) -> None:
        failed: StorageError | None = None
        for one in self._looking.nobodys():
            try:
                await self.files.remove(one)
            except StorageError as error:
                failed = error
                continue
            self._looking.removed(one)
        if failed is not None:
            raise failed

    def segments(self, tenant: TenantId) -> list[Segment]:
        """The segments of a tenant, in the order in which they were written."""
        return sorted(self._segments.get(tenant, {}).values(), key=lambda one: one.id)


def _events(heads: Mapping[TenantId, Head]) -> int:
    return sum(map(len, heads.values()))
