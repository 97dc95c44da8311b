"""What is looked for, of everybody and of each tenant: the way in and out."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from phalanx.core import (
    Clock,
    EntropySource,
    InvalidInput,
    LimitExceeded,
    Offload,
    Store,
    TenantId,
)
from phalanx.crypto.vault import Shredded
from phalanx.intel.indicators._book import Book, View
from phalanx.intel.indicators._hygiene import Warninglists
from phalanx.intel.indicators._limits import MAX_BOOKS, MAX_CALL_VALUES, MAX_LISTED, MAX_LOOKED_AT
from phalanx.intel.indicators._model import (
    EVERYBODY,
    MANIFESTS,
    Census,
    Change,
    History,
    Indicator,
    Kind,
    Known,
    Listed,
    Match,
    Note,
    PutReport,
    Refused,
    State,
    Stats,
)
from phalanx.intel.indicators._shelf import Shelf
from phalanx.intel.indicators._table import Arithmetic
from phalanx.intel.indicators._values import Asked, Prefixes, asked_about, indicator_key
from phalanx.messaging import Marking

Hygiene = Literal["refuse", "flag", "off"]
FLAG = "on a warninglist: "


class Indicators:
    """Made by ``open``. ``hygiene`` says what becomes of values that are on a warninglist."""

    def __init__(
        self, store: Store, shelf: Shelf, *, clock: Clock, offload: Offload, entropy: EntropySource,
        lists: Warninglists, hygiene: Hygiene = "refuse", compiled: bool = False,
    ) -> None:  # fmt: skip
        self.lists = lists
        self.hygiene: Hygiene = hygiene
        self._arithmetic = Arithmetic(compiled=compiled)
        self._store = store
        self._shelf = shelf
        self._clock = clock
        self._offload = offload
        self._entropy = entropy
        self._books: dict[TenantId, Book] = {}
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Be what the store says, and remove files that are nobody's."""
        for tenant in await self._store.tenants(MANIFESTS):
            await self._book(tenant)
        noted = {name for book in self._books.values() for name in book.files}
        await self._offload.run(self._remove, lambda name: name not in noted)

    def _remove(self, about: Callable[[str], bool]) -> None:
        for name in self._shelf.names():
            if about(name):
                self._shelf.remove(name)

    def use_kernels(self) -> None:
        """They are compiled now."""
        self._arithmetic.compiled = True

    @property
    def tenants(self) -> list[TenantId]:
        """Whose indicators there are."""
        return sorted(self._books)

    @property
    def compiled(self) -> bool:
        return self._arithmetic.compiled

    async def put_many(self, tenant: TenantId, indicators: Sequence[Indicator], *, replacing: str = "") -> PutReport:
        """Look for these in the events of ``tenant``, or of everybody (``EVERYBODY``). The same again changes nothing.

        They stand in place of all that the source ``replacing`` said before, unless that is empty. Values that are
        none, and those on a warninglist, are refused one by one. Raises ``LimitExceeded`` and what a commit raises.
        """
        if len(indicators) > MAX_CALL_VALUES:
            raise LimitExceeded("indicators put at once", maximum=MAX_CALL_VALUES, seen=len(indicators))
        entries, refused, flagged = await self._offload.run(self._checked, indicators)
        replaced = 0
        if entries or (replacing and tenant in self._books):
            about = (lambda note: note.source == replacing) if replacing else None
            replaced = await (await self._book(tenant)).put(entries, replacing=about)
        return PutReport(len(entries), tuple(refused), tuple(flagged), replaced)

    def _checked(
        self, indicators: Sequence[Indicator]
    ) -> tuple[list[tuple[Asked, Note]], list[Refused], list[Refused]]:
        refused: list[Refused] = []
        flagged: list[Refused] = []
        valid: list[tuple[Asked, Indicator]] = []
        for one in indicators:
            try:
                if not one.source or not 0 <= one.confidence <= 1:
                    raise InvalidInput("indicator", "it needs a source, and a confidence of 0 to 1")
                valid.append((indicator_key(one.kind, one.value), one))
            except InvalidInput as error:
                refused.append(Refused(one.value, error.message))
        on = [""] * len(valid)
        if self.hygiene != "off":
            on = self.lists.on([(asked.kind, asked.value) for asked, _ in valid])
        entries = []
        for (asked, one), name in zip(valid, on, strict=True):
            if name and self.hygiene == "refuse":
                refused.append(Refused(one.value, FLAG + name))
                continue
            if name:
                flagged.append(Refused(one.value, FLAG + name))
            entries.append((asked, _note(one, asked.kind, (FLAG + name,) if name else ())))
        return entries, refused, flagged

    async def remove(self, tenant: TenantId, values: Sequence[tuple[Kind, str]]) -> None:
        """Do not look for these any more, whichever source they are from. Raises ``InvalidInput``."""
        keys = [indicator_key(kind, value) for kind, value in values]
        if keys and tenant in self._books:
            await self._books[tenant].remove(keys)

    async def remove_source(self, tenant: TenantId, source: str) -> int:
        """Do not look for anything of ``source`` any more; returns how many notes were on it."""
        return await self._forget(tenant, lambda note: note.source == source)

    async def revoke(self, tenant: TenantId, references: Iterable[str]) -> int:
        """Do not look for values that came with these references any more; returns how many notes were on them."""
        wanted = frozenset(references)
        return await self._forget(tenant, lambda note: bool(note.reference) and note.reference in wanted)

    async def _forget(self, tenant: TenantId, about: Callable[[Note], bool]) -> int:
        return await self._books[tenant].forget(about) if tenant in self._books else 0

    def looks_for_any(self, tenant: TenantId) -> bool:
        """Whether anything at all is looked for in the events of ``tenant``."""
        books = (self._books.get(scope) for scope in (tenant, EVERYBODY))
        return any(book is not None and book.view.levels.levels for book in books)

    def match(self, tenant: TenantId, values: Sequence[tuple[Kind, str]]) -> list[Match]:
        """What is known of values, of the tenant's own indicators and everybody's, in the order of ``values``.

        Nothing is waited for. A match is one of 128 bits under a secret key.
        """
        return [one.match for one in self.known(tenant, values) if one.state is State.WANTED]

    def known(self, tenant: TenantId, values: Sequence[tuple[Kind, str]]) -> list[Known]:
        """The same, with what is over, not yet, or withdrawn with its source, for as long as that is not forgotten."""
        found: list[tuple[int, Known]] = []
        now_ns = self._clock.wall_ns()
        for scope in dict.fromkeys((tenant, EVERYBODY)):
            book = self._books.get(scope)
            if book is not None:
                found += self._known(scope, book.view, book.prefixes, values, now_ns)
        return [one for _, one in sorted(found, key=lambda one: one[0])]

    def _known(
        self, scope: TenantId, view: View, prefixes: Prefixes, values: Sequence[tuple[Kind, str]], now_ns: int
    ) -> list[tuple[int, Known]]:
        if not view.levels.levels:
            return []
        asked: list[Asked] = []
        whose: list[int] = []
        for place, (kind, value) in enumerate(values):
            keys = list(asked_about(kind, value, prefixes))
            asked += keys
            whose += [place] * len(keys)
        digests = self._arithmetic.digests([one.key for one in asked], view.key)
        found: list[tuple[int, Known]] = []
        for which, numbers in view.levels.notes_of(digests, self._arithmetic).items():
            sources: set[tuple[str, str]] = set()
            for number in numbers:
                note = view.notes[number]
                if note.origin in sources:
                    continue
                sources.add(note.origin)
                one = asked[which]
                match = Match(values[whose[which]][1], one.kind, one.value, note, scope)
                found.append((whose[which], Known(match, note.state(now_ns))))
        return found

    async def history(self, tenant: TenantId, values: Sequence[tuple[Kind, str]]) -> History:
        """When indicators were put and removed, for the tenant and for everybody. Raises ``InvalidInput``."""
        wanted, whole = [indicator_key(kind, value) for kind, value in values], True
        found: list[Change] = []
        for scope in dict.fromkeys((tenant, EVERYBODY)):
            if scope in self._books:
                changes, all_of_them = await self._books[scope].history(wanted)
                found, whole = [*found, *changes], whole and all_of_them
        return History(tuple(sorted(found, key=lambda one: -one.at_ns)), whole)

    def census(self, tenant: TenantId) -> Census:
        """How many values are looked for by ``tenant`` by itself. It takes a moment: off the event loop."""
        book = self._books.get(tenant)
        if book is None:
            return Census()
        now_ns, view = self._clock.wall_ns(), book.view
        counts, exact = view.levels.census(view.notes, now_ns, self._arithmetic)
        sources: Counter[str] = Counter()
        kinds: Counter[Kind | None] = Counter()
        markings: Counter[Marking] = Counter()
        for note, n_values in zip(view.notes, counts.tolist(), strict=True):
            if n_values and note.holds(now_ns):
                sources[note.source] += n_values
                kinds[note.kind] += n_values
                markings[Marking(note.marking)] += n_values
        return Census(
            values=sources.total(), sources=dict(sources.most_common()), markings=dict(sorted(markings.items())),
            kinds={kind: n for kind, n in kinds.most_common() if kind is not None}, untold=kinds[None], exact=exact,
        )  # fmt: skip

    async def listed(
        self, tenant: TenantId, *, after: str = "", limit: int = 100, source: str = "", kind: Kind | None = None
    ) -> tuple[list[Listed], str]:
        """What is looked for, in the order in which it was put, and where the next page begins (empty: nowhere)."""
        book = self._books.get(tenant)
        if book is None:
            return [], ""
        row_key, _, place = after.partition(":")
        found: list[Listed] = []
        looked = 0
        now_ns = self._clock.wall_ns()
        # The row in which the page before ended is read again, from behind its last value.
        async for key, entries in book.rows(_before(row_key) if row_key else ""):
            skip = int(place) if key == row_key and place.isdigit() else 0
            view = book.view
            held = view.levels.notes_of(
                self._arithmetic.digests([asked.key for asked, _ in entries], view.key), self._arithmetic
            )
            for at, (asked, number) in enumerate(entries):
                if at < skip or number not in held.get(at, ()):
                    continue
                note = view.notes[number]
                newest = next((one for one in held[at] if view.notes[one].origin == note.origin), number)
                if (
                    newest == number
                    and note.holds(now_ns)
                    and source in ("", note.source)
                    and kind in (None, asked.kind)
                ):
                    found.append(Listed(asked.kind, asked.value, note, f"{key}:{at + 1}"))
                    if len(found) >= min(limit, MAX_LISTED):
                        return found, found[-1].place
            looked += len(entries)
            if looked >= MAX_LOOKED_AT:
                return found, f"{key}:{len(entries)}"
        return found, ""

    def stats(self, tenant: TenantId) -> Stats:
        """What is there for ``tenant`` by itself, and what it takes."""
        book = self._books.get(tenant)
        if book is None:
            return Stats(0, 0)
        now_ns = self._clock.wall_ns()
        levels, notes = book.view.levels.levels, book.view.notes
        counts = book.view.levels.counts(len(notes)).tolist()
        sources: dict[str, int] = {}
        for note, n_values in zip(notes, counts, strict=True):
            if n_values and note.holds(now_ns):
                sources[note.source] = sources.get(note.source, 0) + n_values
        return Stats(
            entries=sum(len(level.table) for level in levels), notes=sum(note.holds(now_ns) for note in notes),
            sources=sources, tables=len(levels), files=sum(bool(level.file) for level in levels),
            table_bytes=sum(level.table.nbytes for level in levels),
        )  # fmt: skip

    async def tidy(self) -> int:
        """Drop what is over, everywhere; returns how many rows of values were dropped."""
        dropped = 0
        for tenant, book in list(self._books.items()):
            try:
                dropped += await book.tidy()
            except Shredded:
                # Its keys are destroyed, and nothing of it is looked for any more.
                del self._books[tenant]
                await self._offload.run(self._remove, lambda name, book=book: name.startswith(book.prefix))  # type: ignore[misc]
        return dropped

    async def flush(self) -> None:
        """Make files of what is in memory alone, so that a start has nothing to do."""
        for book in self._books.values():
            await book.flush()

    async def _book(self, tenant: TenantId) -> Book:
        async with self._opening:
            if tenant not in self._books:
                if len(self._books) >= MAX_BOOKS:
                    raise LimitExceeded("tenants with indicators", maximum=MAX_BOOKS, seen=len(self._books) + 1)
                book = Book(
                    tenant, self._store, self._shelf, clock=self._clock, offload=self._offload, entropy=self._entropy,
                    arithmetic=self._arithmetic,
                )  # fmt: skip
                await book.load()
                self._books[tenant] = book
            return self._books[tenant]


def _note(one: Indicator, kind: Kind, labels: tuple[str, ...]) -> Note:
    return Note(
        source=one.source, name=one.name, reference=one.reference, confidence=one.confidence, from_ns=one.from_ns,
        until_ns=one.until_ns, marking=int(one.marking), labels=(*one.labels, *labels),
        kind=kind,
    )  # fmt: skip


def _before(key: str) -> str:
    return f"{int(key) - 1:012d}" if key.isdigit() and int(key) else ""
