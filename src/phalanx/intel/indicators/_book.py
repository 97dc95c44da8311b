"""Indicators of one tenant: what is kept of them, and how that changes.

- What was put or removed is in the store before anybody is told so: values and notes as sealed rows, in one commit
  with the manifest, whose version tells of a second writer. Tables follow from those rows, and are made anew from them
  where a file is missing or damaged.
- Up to ``flushed``, rows are in files too, which hold digests under a key that the manifest keeps. A file is noted
  once it is durable; one that nobody noted is removed when the book is opened.
- Whoever looks sees tables and notes of one moment: both are replaced, never changed.
"""

import asyncio
import bisect
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from phalanx.core import (
    NO_TRACE,
    Clock,
    Delete,
    EntropySource,
    Expect,
    LimitExceeded,
    NotFound,
    Offload,
    Put,
    Row,
    StorageCorrupt,
    Store,
    Table,
    TenantId,
    Write,
    decode,
    encode,
)
from phalanx.intel.indicators._levels import Level, Levels, merged_of
from phalanx.intel.indicators._limits import (
    CHUNK_BYTES,
    CHUNK_VALUES,
    MAX_HISTORY_ROWS,
    MAX_NOTES,
    NOTES_PER_ROW,
    PAGE_ROWS,
)
from phalanx.intel.indicators._model import (
    MANIFESTS,
    NOTES,
    VALUES,
    Change,
    Kind,
    Manifest,
    Note,
    NoteRow,
    Segment,
    ValueRow,
)
from phalanx.intel.indicators._shelf import Shelf
from phalanx.intel.indicators._table import REMOVED, Arithmetic, build_table, table_of, table_pieces
from phalanx.intel.indicators._values import Asked, Prefixes, indicator_key

_KEY_BYTES = 16
_ROW = "manifest"


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
        # The first note of each row of notes, in order.
        self._firsts: list[int] = []
        self._manifest = Manifest(id=_ROW, tenant=tenant, trace=NO_TRACE, at_ns=0, key=b"")
        self.view = View(bytes(_KEY_BYTES), Levels(), ())

    async def load(self) -> None:
        """Be what the store says; files are mapped, not read."""
        row = await self._store.get(MANIFESTS, self.tenant, _ROW)
        self._version = 0 if row is None else row.version
        if row is None:
            self._manifest = msgspec.structs.replace(self._manifest, key=self._entropy.token(_KEY_BYTES))
        else:
            self._manifest = decode(row.value, Manifest)
        notes: list[Note] = []
        async for found in self._rows(NOTES):
            self._firsts.append(len(notes))
            notes += decode(found.value, NoteRow).notes
        self._numbers = {note: number for number, note in enumerate(notes) if not note.gone}
        self.prefixes.add_lists(self._manifest.prefixes_v4, self._manifest.prefixes_v6)
        try:
            mapped = [await self._offload.run(self._mapped, segment) for segment in self._manifest.segments]
        except (NotFound, StorageCorrupt):
            # Rows are what counts: without its files a book is read from the beginning, and writes new ones.
            mapped = []
            self._manifest = msgspec.structs.replace(self._manifest, segments=(), flushed=0)
        self.view = View(self._manifest.key, Levels(tuple(mapped)), tuple(notes))
        after = _number(self._manifest.flushed - 1) if self._manifest.flushed else ""
        async for found in self._rows(VALUES, after=after):
            await self._stack(decode(found.value, ValueRow))
        await self._offload.run(self._sweep)

    async def put(self, entries: Sequence[tuple[Asked, Note]]) -> None:
        """Look for these from now on. Raises ``LimitExceeded``, ``Conflict``, ``StorageFull``; then nothing is put."""
        async with self._turn:
            notes, numbers = list(self.view.notes), dict(self._numbers)
            of = []
            for _, note in entries:
                number = numbers.get(note)
                if number is None:
                    number = numbers[note] = len(notes)
                    notes.append(note)
                of.append(number)
            if len(notes) > MAX_NOTES:
                raise LimitExceeded("notes on indicators of a tenant", maximum=MAX_NOTES, seen=len(notes))
            self.prefixes.add(asked.key for asked, _ in entries)
            fresh = range(len(self.view.notes), len(notes), NOTES_PER_ROW)
            rows = [self._note_row(first, notes[first : first + NOTES_PER_ROW]) for first in fresh]
            packed = await self._offload.run(self._packed, [asked for asked, _ in entries], of, removed=False)
            await self._commit([_put(NOTES, one) for one in rows], packed, next_note=len(notes))
            self._numbers = numbers
            self._firsts += fresh
            self.view = replace(self.view, notes=tuple(notes))
            await self._stacked(packed)

    async def remove(self, values: Sequence[Asked]) -> None:
        """Do not look for these any more, whoever they are from."""
        async with self._turn:
            packed = await self._offload.run(self._packed, values, [REMOVED] * len(values), removed=True)
            await self._commit([], packed, next_note=len(self.view.notes))
            await self._stacked(packed)

    async def forget(self, about: Callable[[Note], bool]) -> int:
        """Do not look for values of notes that ``about`` is true of any more; how many notes those are."""
        async with self._turn:
            notes = list(self.view.notes)
            numbers = [number for number, note in enumerate(notes) if not note.gone and about(note)]
            if not numbers:
                return 0
            for number in numbers:
                del self._numbers[notes[number]]
                notes[number] = msgspec.structs.replace(notes[number], gone=True)
            touched = sorted({bisect.bisect_right(self._firsts, number) - 1 for number in numbers})
            writes = []
            for which in touched:
                first = self._firsts[which]
                end = self._firsts[which + 1] if which + 1 < len(self._firsts) else len(notes)
                writes.append(_put(NOTES, self._note_row(first, notes[first:end])))
            await self._commit(writes, [], next_note=len(notes))
            self.view = replace(self.view, notes=tuple(notes))
            return len(numbers)

    async def flush(self) -> None:
        """Make files of what is in memory alone."""
        async with self._turn:
            if self.view.levels.fresh:
                await self._flush(self.view.levels.to_flush())

    async def tidy(self) -> int:
        """Drop what is over from files and rows; returns how many rows of values were dropped."""
        async with self._turn:
            if self.view.levels.levels:
                await self._flush(0)
            now_ns, gone = self._clock.wall_ns(), 0
            over = np.array([note.gone or 0 < note.until_ns <= now_ns for note in self.view.notes], np.bool_)
            async for found in self._rows(VALUES):
                row = decode(found.value, ValueRow)
                if row.number < self._manifest.flushed and not row.removed and over[_notes_of(row)].all():
                    await self._store.commit([Delete(VALUES, self.tenant, found.key)])
                    gone += 1
            return gone

    async def rows(self, after: str) -> AsyncIterator[tuple[str, list[tuple[Asked, int]]]]:
        """Rows of values that were put, past the key ``after``: the key, and each value with its note."""
        async for found in self._rows(VALUES, after=after):
            row = decode(found.value, ValueRow)
            if not row.removed:
                yield found.key, list(zip(_values_of(row), _notes_of(row).tolist(), strict=True))

    def _note_row(self, first: int, notes: Sequence[Note]) -> NoteRow:
        return NoteRow(
            id=_number(first), tenant=self.tenant, trace=NO_TRACE, at_ns=self._clock.wall_ns(), first=first,
            notes=tuple(notes),
        )  # fmt: skip

    async def history(self, wanted: Sequence[Asked]) -> tuple[list[Change], bool]:
        """When values were put and removed, the newest first, and whether all rows were looked through."""
        found: list[Change] = []
        lines = {f"{one.kind.value}\t{one.value}": one for one in wanted}
        after, n_rows = "", 0
        while n_rows < MAX_HISTORY_ROWS:
            rows = await self._store.scan(VALUES, self.tenant, after=after, limit=PAGE_ROWS, reverse=True)
            for row in [decode(one.value, ValueRow) for one in rows]:
                for line, note in await self._offload.run(_told_in, row, frozenset(lines)):
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
        await self._write([*writes, *(_put(VALUES, row) for row in packed)], manifest)

    async def _write(self, writes: Sequence[Write], manifest: Manifest) -> None:
        expect = Expect(MANIFESTS, self.tenant, _ROW, self._version)
        self._version = await self._store.commit([*writes, _put(MANIFESTS, manifest)], expect=[expect])
        self._manifest = manifest

    async def _stacked(self, rows: Sequence[ValueRow]) -> None:
        for row in rows:
            await self._stack(row)
        if self.view.levels.full:
            await self._flush(self.view.levels.to_flush())

    async def _stack(self, row: ValueRow) -> None:
        now_ns = self._clock.wall_ns()
        levels = await self._offload.run(_with_row, self.view, row, now_ns, self._arithmetic)
        self.view = replace(self.view, levels=levels)

    async def _flush(self, at: int) -> None:
        """Levels from ``at`` on become one file, which is noted once it is durable; then the old ones are removed."""
        levels = self.view.levels
        name = f"{self._prefix}{self._manifest.next_file:08d}"
        merged, sha256 = await self._offload.run(self._merged, at, name)
        segments = (*self._manifest.segments[:at], Segment(name, len(merged.table), sha256))
        before = [segment.name for segment in self._manifest.segments[at:]]
        await self._write([], msgspec.structs.replace(
            self._manifest, at_ns=self._clock.wall_ns(), segments=segments, flushed=self._manifest.next_row,
            next_file=self._manifest.next_file + 1,
        ))  # fmt: skip
        self.view = replace(self.view, levels=levels.with_file(at, merged))
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
    def _prefix(self) -> str:
        return self.tenant.encode().hex()[:100] + "-"

    def _mapped(self, segment: Segment) -> Level:
        table = table_of(self._shelf.view(segment.name), segment.name)
        if len(table) != segment.n:
            raise StorageCorrupt(segment.name, 0, f"it holds {len(table)} digests and should hold {segment.n}")
        return Level(table, segment.name)

    def _sweep(self) -> None:
        noted = {segment.name for segment in self._manifest.segments}
        for name in self._shelf.names():
            if name.startswith(self._prefix) and name not in noted:
                self._shelf.remove(name)

    def _packed(self, values: Sequence[Asked], notes: Sequence[int], *, removed: bool) -> list[ValueRow]:
        rows: list[ValueRow] = []
        begin = size = 0
        lines = [f"{asked.kind.value}\t{asked.value}" for asked in values]
        for place, line in enumerate(lines):
            size += len(line)
            if place + 1 == len(lines) or size >= CHUNK_BYTES or place + 1 - begin >= CHUNK_VALUES:
                number = self._manifest.next_row + len(rows)
                text = "\n".join(lines[begin : place + 1]).encode("utf-8", "surrogatepass")
                rows.append(ValueRow(
                    id=_number(number), tenant=self.tenant, trace=NO_TRACE, at_ns=self._clock.wall_ns(), number=number,
                    n=place + 1 - begin, removed=removed, packed=zlib.compress(text, 1),
                    notes=np.array(notes[begin : place + 1], "<u4").tobytes(),
                ))  # fmt: skip
                begin, size = place + 1, 0
        return rows

    async def _rows(self, table: Table, *, after: str = "") -> AsyncIterator[Row]:
        while True:
            rows = await self._store.scan(table, self.tenant, after=after, limit=PAGE_ROWS)
            for row in rows:
                yield row
            if len(rows) < PAGE_ROWS:
                return
            after = rows[-1].key


def _with_row(view: View, row: ValueRow, now_ns: int, arithmetic: Arithmetic) -> Levels:
    keys = [asked.key for asked in _values_of(row)]
    table = build_table(arithmetic.digests(keys, view.key), _notes_of(row).astype(np.uint32), arithmetic)
    return view.levels.with_new(table, view.notes, now_ns, arithmetic)


def _told_in(row: ValueRow, wanted: frozenset[str]) -> list[tuple[str, int]]:
    """Which of the lines that are wanted a row has, each with the number of its note."""
    text = zlib.decompress(row.packed)
    # Most rows have none: they are not taken apart.
    if not any(line.encode("utf-8", "surrogatepass") in text for line in wanted):
        return []
    lines = text.decode("utf-8", "surrogatepass").split("\n")
    return [(line, note) for line, note in zip(lines, _notes_of(row).tolist(), strict=True) if line in wanted]


def _values_of(row: ValueRow) -> list[Asked]:
    lines = zlib.decompress(row.packed).decode("utf-8", "surrogatepass").split("\n")
    return [indicator_key(Kind(kind), value) for kind, _, value in (line.partition("\t") for line in lines)]


def _notes_of(row: ValueRow) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    return np.frombuffer(row.notes, "<u4")


def _number(number: int) -> str:
    return f"{number:012d}"


def _put(table: Table, record: NoteRow | ValueRow | Manifest) -> Put:
    return Put(table, record.tenant, record.id, encode(record))
