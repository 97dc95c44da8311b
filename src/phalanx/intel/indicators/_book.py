"""Indicators of one tenant: what is kept of them, and how that changes.

- What was put or removed is in the store before anybody is told so: values and notes as sealed rows, in one commit
  with the manifest, whose version tells of a second writer. Tables follow from those rows, and are made anew from them
  where a file is missing or damaged.
- Up to ``flushed``, rows are in files too, which hold digests under a key that the manifest keeps. A file is noted
  once it is durable; one that nobody noted is removed when the book is opened.
- Whoever looks sees tables and notes of one moment: both are replaced, never changed.
- After a commit of which nobody knows whether it went through, and after one that a second writer was before, the book
  is read anew before it is changed again.
- A note that nothing is left of is blank, and its number goes to the next one.
"""

import asyncio
import bisect
import contextlib
import hashlib
import heapq
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from phalanx.core import (
    NO_TRACE,
    Clock,
    EntropySource,
    Expect,
    LimitExceeded,
    NotFound,
    Offload,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Store,
    TenantId,
    Write,
    decode,
)
from phalanx.intel.indicators._levels import Level, Levels, merged_of
from phalanx.intel.indicators._limits import MAX_HISTORY_ROWS, MAX_NOTES, NOTE_ROWS_AT_ONCE, NOTES_PER_ROW, PAGE_ROWS
from phalanx.intel.indicators._model import (
    MANIFESTS,
    NOTES,
    VALUES,
    Change,
    Manifest,
    Note,
    NoteRow,
    Segment,
    ValueRow,
)
from phalanx.intel.indicators._rows import notes_of, number_key, packed_rows, put_of, rows_of, told_in, values_of
from phalanx.intel.indicators._shelf import Shelf
from phalanx.intel.indicators._table import REMOVED, Arithmetic, build_table, table_of, table_pieces
from phalanx.intel.indicators._tidying import tidied_rows
from phalanx.intel.indicators._values import Asked, Prefixes

About = Callable[[Note], bool]
_KEY_BYTES = 16
_ROW = "manifest"
_BLANK = Note(source="", gone=True)
_MAX_HEX_CHARS = 100


@dataclass(frozen=True, slots=True)
class View:
    """Tables and notes of one moment."""

    key: bytes
    levels: Levels
    notes: tuple[Note, ...]


class Book:
    """One writer at a time, any number of readers. ``load`` it first."""

    def __init__(
        self, tenant: TenantId, store: Store, shelf: Shelf, *, clock: Clock, offload: Offload, entropy: EntropySource,
        arithmetic: Arithmetic,
    ) -> None:  # fmt: skip
        self.tenant = tenant
        self.prefixes = Prefixes()
        self._store = store
        self._shelf = shelf
        self._clock = clock
        self._offload = offload
        self._entropy = entropy
        self._arithmetic = arithmetic
        self._turn = asyncio.Lock()
        self._version = 0
        self._numbers: dict[Note, int] = {}
        # The first note of each row of notes, in order; and numbers of blank notes, the least first.
        self._firsts: list[int] = []
        self._blank: list[int] = []
        self._manifest = Manifest(id=_ROW, tenant=tenant, trace=NO_TRACE, at_ns=0, key=b"")
        # Whether the store may say something else.
        self._is_stale = True
        self.view = View(bytes(_KEY_BYTES), Levels(), ())

    async def load(self) -> None:
        """Be what the store says; files are mapped, not read."""
        async with self._turn:
            await self._load()

    async def _load(self) -> None:
        row = await self._store.get(MANIFESTS, self.tenant, _ROW)
        if row is None:
            manifest = msgspec.structs.replace(self._manifest, key=self._entropy.token(_KEY_BYTES))
        else:
            manifest = decode(row.value, Manifest)
        notes: list[Note] = []
        firsts: list[int] = []
        async for found in rows_of(self._store, NOTES, self.tenant):
            firsts.append(len(notes))
            notes += decode(found.value, NoteRow).notes
        try:
            mapped = [await self._offload.run(self._mapped, segment) for segment in manifest.segments]
        except (NotFound, StorageCorrupt):
            # Rows are what counts: without its files a book is read from the beginning, and writes new ones.
            mapped = []
            manifest = msgspec.structs.replace(manifest, segments=(), flushed=0)
        view = View(manifest.key, Levels(tuple(mapped)), tuple(notes))
        after = number_key(manifest.flushed - 1) if manifest.flushed else ""
        async for found in rows_of(self._store, VALUES, self.tenant, after=after):
            view = await self._with(view, decode(found.value, ValueRow))
        self._version, self._manifest = 0 if row is None else row.version, manifest
        self._numbers = {note: number for number, note in enumerate(notes) if not note.gone}
        self._blank = [number for number, note in enumerate(notes) if note == _BLANK]
        self._firsts = firsts
        self.prefixes.add_lists(manifest.prefixes_v4, manifest.prefixes_v6)
        self.view = view
        await self._offload.run(self._sweep)
        self._is_stale = False

    @contextlib.asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        """One at a time, of what the store says."""
        async with self._turn:
            if self._is_stale:
                await self._load()
            yield

    async def put(self, entries: Sequence[tuple[Asked, Note]], *, replacing: About | None = None) -> int:
        """Look for these from now on, and no more for values of notes that ``replacing`` is true of, in one commit; how
        many notes those are. Raises ``LimitExceeded``, ``Conflict``, ``StorageFull``; then nothing is changed.
        """
        async with self._changing():
            notes, numbers, blank = list(self.view.notes), dict(self._numbers), list(self._blank)
            gone = [] if replacing is None else _let_go(notes, numbers, replacing)
            of, fresh = [], set(gone)
            for _, note in entries:
                number = numbers.get(note)
                if number is None:
                    number = heapq.heappop(blank) if blank else len(notes)
                    numbers[note] = number
                    notes[number : number + 1] = [note]
                    fresh.add(number)
                of.append(number)
            if len(notes) > MAX_NOTES:
                raise LimitExceeded("notes on indicators of a tenant", maximum=MAX_NOTES, seen=len(notes))
            self.prefixes.add(asked.key for asked, _ in entries)
            firsts = [*self._firsts, *range(len(self.view.notes), len(notes), NOTES_PER_ROW)]
            packed = await self._offload.run(self._packed, [asked for asked, _ in entries], of, removed=False)
            writes = [put_of(NOTES, row) for row in self._note_rows(notes, firsts, fresh)]
            await self._commit(writes, packed, next_note=len(notes))
            self._numbers, self._blank, self._firsts = numbers, blank, firsts
            self.view = replace(self.view, notes=tuple(notes))
            await self._stacked(packed)
            return len(gone)

    async def remove(self, values: Sequence[Asked]) -> None:
        """Do not look for these any more, whoever they are from."""
        async with self._changing():
            packed = await self._offload.run(self._packed, values, [REMOVED] * len(values), removed=True)
            await self._commit([], packed, next_note=len(self.view.notes))
            await self._stacked(packed)

    async def forget(self, about: About) -> int:
        """Do not look for values of notes that ``about`` is true of any more; how many notes those are."""
        async with self._changing():
            notes, known = list(self.view.notes), dict(self._numbers)
            numbers = _let_go(notes, known, about)
            if not numbers:
                return 0
            writes = [put_of(NOTES, row) for row in self._note_rows(notes, self._firsts, numbers)]
            await self._commit(writes, [], next_note=len(notes))
            self._numbers = known
            self.view = replace(self.view, notes=tuple(notes))
            self._is_stale = False
            return len(numbers)

    async def flush(self) -> None:
        """Make files of what is in memory alone."""
        async with self._changing():
            if self.view.levels.fresh:
                await self._flush(self.view.levels.to_flush())

    async def tidy(self) -> int:
        """Drop what does not count any more from files and rows; returns how many rows of values were dropped."""
        async with self._changing():
            if self.view.levels.levels:
                await self._flush(0)
            view = self.view
            table = view.levels.levels[0].table if view.levels.levels else None
            tidied = await tidied_rows(
                self._store, self.tenant, table, view.key, view.notes, self._clock.wall_ns(), offload=self._offload,
                arithmetic=self._arithmetic,
            )  # fmt: skip
            await self._blanked(np.flatnonzero(~tidied.used).tolist())
            return tidied.dropped

    async def _blanked(self, numbers: Sequence[int]) -> None:
        """Notes that nothing is left of become blank."""
        left = [number for number in numbers if self.view.notes[number] != _BLANK]
        while left:
            notes, some, touched = list(self.view.notes), list[int](), set[int]()
            while left and len(touched) <= NOTE_ROWS_AT_ONCE:
                some.append(left.pop())
                touched.add(self._row_of(some[-1], self._firsts))
            for number in some:
                notes[number] = _BLANK
            writes = [put_of(NOTES, row) for row in self._note_rows(notes, self._firsts, some)]
            await self._commit(writes, [], next_note=len(notes))
            self._numbers = {note: number for number, note in enumerate(notes) if not note.gone}
            self._blank = sorted({*self._blank, *some})
            self.view = replace(self.view, notes=tuple(notes))
            self._is_stale = False

    async def rows(self, after: str) -> AsyncIterator[tuple[str, list[tuple[Asked, int]]]]:
        """Rows of values that were put, past the key ``after``: the key, and each value with its note."""
        async for found in rows_of(self._store, VALUES, self.tenant, after=after):
            row = decode(found.value, ValueRow)
            if not row.removed:
                yield found.key, list(zip(values_of(row), notes_of(row).tolist(), strict=True))

    def _note_rows(self, notes: Sequence[Note], firsts: Sequence[int], numbers: Iterable[int]) -> list[NoteRow]:
        """The rows that have the notes of these numbers."""
        rows = []
        for which in sorted({self._row_of(number, firsts) for number in numbers}):
            end = firsts[which + 1] if which + 1 < len(firsts) else len(notes)
            rows.append(NoteRow(
                id=number_key(firsts[which]), tenant=self.tenant, trace=NO_TRACE, at_ns=self._clock.wall_ns(),
                first=firsts[which], notes=tuple(notes[firsts[which] : end]),
            ))  # fmt: skip
        return rows

    def _row_of(self, number: int, firsts: Sequence[int]) -> int:
        return bisect.bisect_right(firsts, number) - 1

    async def history(self, wanted: Sequence[Asked]) -> tuple[list[Change], bool]:
        """When values were put and removed, the newest first, and whether all rows were looked through."""
        found: list[Change] = []
        lines = {f"{one.kind.value}\t{one.value}": one for one in wanted}
        after, n_rows = "", 0
        while n_rows < MAX_HISTORY_ROWS:
            rows = await self._store.scan(VALUES, self.tenant, after=after, limit=PAGE_ROWS, reverse=True)
            for row in [decode(one.value, ValueRow) for one in rows]:
                for line, note in await self._offload.run(told_in, row, frozenset(lines)):
                    kind, value = lines[line].kind, lines[line].value
                    source = "" if row.removed else self.view.notes[note].source
                    found.append(Change(row.at_ns, kind, value, self.tenant, source, row.removed))
            if len(rows) < PAGE_ROWS:
                return found, True
            after, n_rows = rows[-1].key, n_rows + len(rows)
        return found, False

    async def _commit(self, writes: Sequence[Write], packed: Sequence[ValueRow], *, next_note: int) -> None:
        four, six = self.prefixes.as_lists()
        manifest = msgspec.structs.replace(
            self._manifest, at_ns=self._clock.wall_ns(), next_row=self._manifest.next_row + len(packed),
            next_note=next_note, prefixes_v4=four, prefixes_v6=six,
        )  # fmt: skip
        await self._write([*writes, *(put_of(VALUES, row) for row in packed)], manifest)

    async def _write(self, writes: Sequence[Write], manifest: Manifest) -> None:
        """Commit. The book is stale until whoever calls has brought it up to what was written."""
        expect = Expect(MANIFESTS, self.tenant, _ROW, self._version)
        self._is_stale = True
        try:
            version = await self._store.commit([*writes, put_of(MANIFESTS, manifest)], expect=[expect])
        except StorageFull:
            self._is_stale = False
            raise
        self._version, self._manifest = version, manifest

    async def _stacked(self, rows: Sequence[ValueRow]) -> None:
        for row in rows:
            self.view = await self._with(self.view, row)
        self._is_stale = False
        if self.view.levels.full:
            # Rows are what counts, and they are there; the file is made with what comes next.
            with contextlib.suppress(StorageError):
                await self._flush(self.view.levels.to_flush())

    async def _with(self, view: View, row: ValueRow) -> View:
        levels = await self._offload.run(_with_row, view, row, self._clock.wall_ns(), self._arithmetic)
        return replace(view, levels=levels)

    async def _flush(self, at: int) -> None:
        """Levels from ``at`` on become one file, which is noted once it is durable; then the old ones are removed."""
        levels = self.view.levels
        name = f"{self.prefix}{self._manifest.next_file:08d}"
        merged, sha256 = await self._offload.run(self._merged, at, name)
        segments = (*self._manifest.segments[:at], Segment(name, len(merged.table), sha256))
        before = [segment.name for segment in self._manifest.segments[at:]]
        await self._write([], msgspec.structs.replace(
            self._manifest, at_ns=self._clock.wall_ns(), segments=segments, flushed=self._manifest.next_row,
            next_file=self._manifest.next_file + 1,
        ))  # fmt: skip
        self.view = replace(self.view, levels=levels.with_file(at, merged))
        self._is_stale = False
        for old in before:
            await self._offload.run(self._shelf.remove, old)

    def _merged(self, at: int, name: str) -> tuple[Level, str]:
        view = self.view
        table = merged_of(
            view.levels.levels[at:], view.notes, self._clock.wall_ns(), self._arithmetic, oldest=at == 0
        )  # fmt: skip
        # A crash may have left a file of this name that nobody noted.
        self._shelf.remove(name)
        sha256 = self._shelf.write(name, table_pieces(table))
        return Level(table_of(self._shelf.view(name), name), name), sha256

    @property
    def files(self) -> list[str]:
        """The files that tables lie in."""
        return [segment.name for segment in self._manifest.segments]

    @property
    def prefix(self) -> str:
        """How its files begin."""
        name = self.tenant.encode().hex()
        # A longer name would be none; cut short, two tenants would have one.
        return (name if len(name) <= _MAX_HEX_CHARS else hashlib.sha256(self.tenant.encode()).hexdigest()) + "-"

    def _mapped(self, segment: Segment) -> Level:
        table = table_of(self._shelf.view(segment.name), segment.name)
        if len(table) != segment.n:
            raise StorageCorrupt(segment.name, 0, f"it holds {len(table)} digests and should hold {segment.n}")
        return Level(table, segment.name)

    def _sweep(self) -> None:
        noted = {segment.name for segment in self._manifest.segments}
        for name in self._shelf.names():
            if name.startswith(self.prefix) and name not in noted:
                self._shelf.remove(name)

    def _packed(self, values: Sequence[Asked], notes: Sequence[int], *, removed: bool) -> list[ValueRow]:
        return packed_rows(
            self.tenant, values, notes, first=self._manifest.next_row, removed=removed, at_ns=self._clock.wall_ns()
        )


def _let_go(notes: list[Note], numbers: dict[Note, int], about: About) -> list[int]:
    """Mark notes as gone; which."""
    gone = [number for number, note in enumerate(notes) if not note.gone and about(note)]
    for number in gone:
        del numbers[notes[number]]
        notes[number] = msgspec.structs.replace(notes[number], gone=True)
    return gone


def _with_row(view: View, row: ValueRow, now_ns: int, arithmetic: Arithmetic) -> Levels:
    keys = [asked.key for asked in values_of(row)]
    table = build_table(arithmetic.digests(keys, view.key), notes_of(row).astype(np.uint32), arithmetic)
    return view.levels.with_new(table, view.notes, now_ns, arithmetic)
