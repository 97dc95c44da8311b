"""From ids to entries, on the store: recent ids in memory, older ones in runs (see ``_ids``).

Invariants:

- every entry that was recorded is in exactly one place: among the recent ones or in one run;
- a run exists if and only if its filter is stored: pages are written before it, or with it, and
  deleted with it. Runs lie side by side and begin with entry 0;
- when ``FAN`` runs of one size lie side by side, they are merged in the background, up to a
  bound, so that an id is looked for in few filters and a merge takes bounded memory.

What is stored carries a checksum. Reading damage raises ``LedgerTampered``; the audit finds
what was changed on purpose.
"""

import zlib
from collections.abc import Sequence
from itertools import islice

import numpy as np

from phalanx.core import DEFAULT_TENANT, Delete, Offload, Put, Store, Table, Write
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._ids import BuiltRun, Run, build_run, find_in_page, fingerprint, merge_runs
from phalanx.ledger._kept import Kept
from phalanx.ledger._limits import IDS_PER_PAGE, MAX_COMMIT_BYTES, MAX_KEPT_PAGES, MAX_RUN_IDS, PAGE_RUNS, RUN_FAN

ID_RUNS = Table("ledger_id_runs")
ID_PAGES = Table("ledger_id_pages")

_HOME = DEFAULT_TENANT
_CRC_BYTES = 4
# Below this, asking one by one is faster than setting up arrays.
_FEW_IDS = 32


class IdIndex:
    """Made by ``open``. One task remembers and stores; any may look."""

    def __init__(self, store: Store, offload: Offload, *, page_ids: int = IDS_PER_PAGE) -> None:
        self._store = store
        self._offload = offload
        self._page_ids = page_ids
        self._runs: list[Run] = []
        self._recent: dict[int, list[int]] = {}
        self._order: list[int] = []
        self._pages: Kept[str, bytes] = Kept(MAX_KEPT_PAGES)

    @classmethod
    async def open(cls, store: Store, offload: Offload, *, page_ids: int = IDS_PER_PAGE) -> "IdIndex":
        """Read the filters; raises ``LedgerTampered`` for runs that do not lie side by side."""
        index = cls(store, offload, page_ids=page_ids)
        after = ""
        while rows := await store.scan(ID_RUNS, _HOME, after=after, limit=PAGE_RUNS):
            for row in rows:
                index._runs.append(read_run(row.key, row.value, index.stored, page_ids))
            after = rows[-1].key
        return index

    @property
    def stored(self) -> int:
        """Entries in runs; those from here on must be remembered anew after opening."""
        return self._runs[-1].end if self._runs else 0

    @property
    def page_ids(self) -> int:
        """Ids of a page, which is also the smallest run."""
        return self._page_ids

    def remember(self, found: int) -> None:
        """The next entry has an id of this fingerprint."""
        self._recent.setdefault(found, []).append(self.stored + len(self._order))
        self._order.append(found)

    def unsure(self, found: Sequence[int]) -> list[int]:
        """Positions of fingerprints whose ids may have been recorded; the others were not, for sure."""
        unsure = {at for at, one in enumerate(found) if one in self._recent}
        if len(found) < _FEW_IDS:
            unsure |= {at for at, one in enumerate(found) if any(run.may_hold(one) for run in self._runs)}
        elif self._runs:
            sought = np.array(found, np.uint64)
            for run in self._runs:
                unsure.update(run.may_hold_which(sought).tolist())
        return sorted(unsure)

    async def find(self, entry_id: str) -> list[int]:
        """Entries that may have this id, in order; whoever asks looks at their ids."""
        sought = fingerprint(entry_id)
        recent = list(self._recent.get(sought, ()))
        keys = [page_key(run, run.page_of(sought)) for run in self._runs if run.may_hold(sought)]
        stored = [index for key in keys for index in find_in_page(await self._page(key), sought)]
        return sorted({*stored, *recent})

    def due(self, size: int) -> list[BuiltRun]:
        """Runs to be stored together with what makes the log ``size`` entries long."""
        runs, start = [], self.stored
        while start + self._page_ids <= size:
            first = start - self.stored
            runs.append(build_run(start, self._order[first : first + self._page_ids], page_ids=self._page_ids))
            start += self._page_ids
        return runs

    def adopt(self, built: Sequence[BuiltRun]) -> None:
        """They are stored: forget what they hold."""
        for one in built:
            n_ids = one.run.end - one.run.start
            for found in islice(self._order, n_ids):
                indexes = self._recent[found]
                indexes.pop(0)
                if not indexes:
                    del self._recent[found]
            del self._order[:n_ids]
            self._runs.append(one.run)

    def mergeable(self) -> list[Run]:
        """Runs that are to be merged next; empty when there are none."""
        return mergeable(self._runs)

    async def merged(self, runs: Sequence[Run]) -> BuiltRun:
        """One run of several, its pages stored already: nobody looks for them before ``replace``."""
        pages = [await self._stored_page(key) for key in _page_keys(runs)]
        merged = await self._offload.run(merge_runs, runs[0].start, pages, page_ids=self._page_ids)
        for puts in _in_parts(page_puts(merged)):
            await self._store.commit(puts)
        return merged

    async def replace(self, runs: Sequence[Run], merged: BuiltRun) -> None:
        """Put one run in the place of several, in one commit."""
        keys = _page_keys(runs)
        writes: list[Write] = [Delete(ID_PAGES, _HOME, key) for key in keys]
        writes += [Delete(ID_RUNS, _HOME, run_key(run)) for run in runs]
        await self._store.commit([*writes, run_put(merged)])
        at = self._runs.index(runs[0])
        self._runs[at : at + len(runs)] = [merged.run]
        for key in keys:
            self._pages.drop(key)

    async def _page(self, key: str) -> bytes:
        page = self._pages.get(key)
        if page is None:
            page = await self._stored_page(key)
            self._pages.put(key, page)
        return page

    async def _stored_page(self, key: str) -> bytes:
        row = await self._store.get(ID_PAGES, _HOME, key)
        if row is None:
            raise LedgerTampered("id index", int(key[:19]), f"its page {key} is missing")
        return unwrapped(key, row.value)


def mergeable(runs: Sequence[Run]) -> list[Run]:
    """Runs of one size, side by side, that make one of the next size; empty when there are none."""
    for first in range(len(runs) - RUN_FAN + 1):
        found = list(runs[first : first + RUN_FAN])
        n_ids = found[0].end - found[0].start
        if n_ids * RUN_FAN <= MAX_RUN_IDS and all(run.end - run.start == n_ids for run in found):
            return found
    return []


async def delete_ids(store: Store) -> None:
    """Runs backwards, so that what is left after a crash still begins with entry 0; then their pages."""
    for table in (ID_RUNS, ID_PAGES):
        while rows := await store.scan(table, _HOME, reverse=True, limit=PAGE_RUNS):
            await store.commit([Delete(table, _HOME, row.key) for row in rows])


def _page_keys(runs: Sequence[Run]) -> list[str]:
    return [page_key(run, page) for run in runs for page in range(run.n_pages)]


def run_puts(built: BuiltRun) -> list[Write]:
    return [*page_puts(built), run_put(built)]


def page_puts(built: BuiltRun) -> list[Put]:
    return [
        Put(ID_PAGES, _HOME, page_key(built.run, number), _wrapped(page)) for number, page in enumerate(built.pages)
    ]


def run_put(built: BuiltRun) -> Put:
    return Put(ID_RUNS, _HOME, run_key(built.run), _wrapped(built.run.filter))


def run_key(run: Run) -> str:
    return f"{run.start:019d}-{run.end:019d}"


def page_key(run: Run, page: int) -> str:
    return f"{run_key(run)}/{page:04d}"


def read_run(key: str, value: bytes, start: int, page_ids: int) -> Run:
    """A stored run, which must begin at ``start``; raises ``LedgerTampered``."""
    first, _, last = key.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) == start < int(last)):
        raise LedgerTampered("id index", start, f"its run {key!r} does not follow the one before it")
    if key != f"{start:019d}-{int(last):019d}":
        raise LedgerTampered("id index", start, f"its run is stored as {key!r}")
    bloom = unwrapped(key, value)
    n_ids = int(last) - start
    if len(bloom) != 2 * n_ids:
        raise LedgerTampered("id index", start, f"the filter of its run {key} has {len(bloom)} bytes")
    return Run(start, int(last), max(n_ids // page_ids, 1), bloom)


def unwrapped(key: str, value: bytes) -> bytes:
    """What is stored under ``key``, once its checksum holds; raises ``LedgerTampered``."""
    data = value[_CRC_BYTES:]
    if zlib.crc32(data).to_bytes(_CRC_BYTES) != value[:_CRC_BYTES]:
        raise LedgerTampered("id index", int(key[:19]), f"the checksum of {key} does not match")
    return data


def _wrapped(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CRC_BYTES) + data


def _in_parts(puts: Sequence[Put]) -> list[list[Put]]:
    """In commits of bounded size, so that others get their turn at the store."""
    parts: list[list[Put]] = [[]]
    n_bytes = 0
    for put in puts:
        if n_bytes + len(put.value) > MAX_COMMIT_BYTES and parts[-1]:
            parts.append([])
            n_bytes = 0
        parts[-1].append(put)
        n_bytes += len(put.value)
    return parts
