"""Checking the id index: every run is made anew from the entries it covers and compared."""

from collections.abc import Sequence
from dataclasses import replace

from phalanx.core import DEFAULT_TENANT, Row, Store
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._id_index import ID_PAGES, ID_RUNS, mergeable, page_key, read_run, run_key, unwrapped
from phalanx.ledger._ids import BuiltRun, Run, build_run, fingerprint, merge_runs
from phalanx.ledger._leaf import Identity
from phalanx.ledger._limits import PAGE_RUNS

_HOME = DEFAULT_TENANT


class IdAudit:
    """Takes entries in order; holds the fingerprints of one run at a time."""

    def __init__(self, store: Store, page_ids: int) -> None:
        self._store = store
        self._page_ids = page_ids
        self._after = ""
        self._run: Run | None = None
        # Without their filters, to look for pages that belong to none of them.
        self._checked: list[Run] = []
        self._start = 0
        self._fingerprints: list[int] = []

    async def add(self, said: Sequence[Identity]) -> None:
        """Raises ``LedgerTampered`` when they complete a run that is not what is stored."""
        self._fingerprints += [fingerprint(one.id) for one in said]
        while True:
            if self._run is None:
                self._run = await self._next_run()
            if self._run is None or self._start + len(self._fingerprints) < self._run.end:
                return
            n_ids = self._run.end - self._start
            await self._check(self._run, self._fingerprints[:n_ids])
            del self._fingerprints[:n_ids]
            self._checked.append(replace(self._run, filter=b""))
            self._start, self._run = self._run.end, None

    async def finish(self, size: int) -> None:
        """That nothing is missing or too much once all entries were added."""
        if self._run is not None:
            raise LedgerTampered("id index", self._start, f"its run {run_key(self._run)} goes past the last entry")
        if size - self._start >= self._page_ids:
            raise LedgerTampered("id index", self._start, "its run from there on is missing")
        if (beyond := await self._next_run()) is not None:
            raise LedgerTampered("id index", beyond.start, "there are not so many entries")
        await self._check_pages()

    async def _next_run(self) -> Run | None:
        rows = await self._store.scan(ID_RUNS, _HOME, after=self._after, limit=1)
        if not rows:
            return None
        self._after = rows[0].key
        return read_run(rows[0].key, rows[0].value, self._start, self._page_ids)

    async def _check(self, run: Run, fingerprints: Sequence[int]) -> None:
        built = build_run(run.start, fingerprints, page_ids=self._page_ids)
        if built.run.filter != run.filter:
            raise LedgerTampered("id index", run.start, f"the filter of its run {run_key(run)} is not of these entries")
        for number, page in enumerate(built.pages):
            key = page_key(run, number)
            row = await self._store.get(ID_PAGES, _HOME, key)
            if row is None:
                raise LedgerTampered("id index", run.start, f"its page {key} is missing")
            if unwrapped(key, row.value) != page:
                raise LedgerTampered("id index", run.start, f"its page {key} is not of these entries")

    async def _check_pages(self) -> None:
        """That every stored page is one of a run; those of a merge that was not finished are of none yet."""
        known = {run_key(run): run for run in self._checked}
        merged: BuiltRun | None = None
        after = ""
        while rows := await self._store.scan(ID_PAGES, _HOME, after=after, limit=PAGE_RUNS):
            for row in rows:
                of_run, _, number = row.key.rpartition("/")
                run = known.get(of_run)
                if run is None:
                    merged = merged or await self._unfinished()
                    if merged is not None and _is_page(merged, row):
                        continue
                elif number.isdecimal() and int(number) < run.n_pages and row.key == page_key(run, int(number)):
                    continue
                raise LedgerTampered("id index", 0, f"the page {row.key!r} is of none of its runs")
            after = rows[-1].key

    async def _unfinished(self) -> BuiltRun | None:
        """The run that is to take the place of several next."""
        runs = mergeable(self._checked)
        keys = [page_key(run, page) for run in runs for page in range(run.n_pages)]
        stored = [await self._store.get(ID_PAGES, _HOME, key) for key in keys]
        pages = [unwrapped(row.key, row.value) for row in stored if row is not None]
        return merge_runs(runs[0].start, pages, page_ids=self._page_ids) if runs else None


def _is_page(built: BuiltRun, row: Row) -> bool:
    pages = {page_key(built.run, number): page for number, page in enumerate(built.pages)}
    return row.key in pages and unwrapped(row.key, row.value) == pages[row.key]
