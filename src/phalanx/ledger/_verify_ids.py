"""Checking the id index: every run is rebuilt from the entries it covers and compared."""

from collections.abc import Sequence

from phalanx.core import DEFAULT_TENANT, Store
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._id_index import ID_PAGES, ID_RUNS, page_key, read_run, run_key, unwrapped
from phalanx.ledger._ids import Run, build_run

_HOME = DEFAULT_TENANT


class IdAudit:
    """Takes fingerprints in order; holds those of one run at a time."""

    def __init__(self, store: Store, page_ids: int) -> None:
        self._store = store
        self._page_ids = page_ids
        self._after = ""
        self._run: Run | None = None
        self._start = 0
        self._fingerprints: list[int] = []

    async def add(self, fingerprints: Sequence[int]) -> None:
        """Raises ``LedgerTampered`` when they complete a run that is not what is stored."""
        self._fingerprints += fingerprints
        while True:
            if self._run is None:
                self._run = await self._next_run()
            if self._run is None or self._start + len(self._fingerprints) < self._run.end:
                return
            n_ids = self._run.end - self._start
            await self._check(self._run, self._fingerprints[:n_ids])
            del self._fingerprints[:n_ids]
            self._start, self._run = self._run.end, None

    async def finish(self, size: int) -> None:
        """That nothing is missing or too much once all entries were added."""
        if self._run is not None:
            raise LedgerTampered("id index", self._start, f"its run {run_key(self._run)} goes past the last entry")
        if size - self._start >= self._page_ids:
            raise LedgerTampered("id index", self._start, "its run from there on is missing")
        if (beyond := await self._next_run()) is not None:
            raise LedgerTampered("id index", beyond.start, "there are not so many entries")

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
