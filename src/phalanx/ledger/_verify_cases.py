"""Checking the case index: its column is made anew from the entries and compared, its head verified."""

from collections.abc import Sequence

from phalanx.core import DEFAULT_TENANT, Store
from phalanx.ledger._case_pages import (
    CASE_PAGES,
    FINGERPRINT_BYTES,
    CaseColumn,
    Paging,
    require_page,
    tampered_cases,
)
from phalanx.ledger._checkpoint import Checkpoint
from phalanx.ledger._leaf import Identity


class CaseAudit:
    """Takes entries in order; holds the fingerprints of one page. The index may end before the log does.

    ``head`` is the stored one, its signatures verified.
    """

    def __init__(self, store: Store, head: Checkpoint | None) -> None:
        self._store = store
        self._head = head
        self._size = head.size if head else 0
        self._column = CaseColumn()
        self._pages = Paging()
        self._after = ""

    async def add(self, said: Sequence[Identity]) -> None:
        """Raises ``LedgerTampered`` when they complete a page that is not what is stored."""
        for page in self._pages.full(said):
            await self._check(page)

    async def finish(self, size: int) -> None:
        """That it ends where its head says, no further than the log, and was signed as it is."""
        if rest := self._pages.rest:
            await self._check(rest)
        if rows := await self._store.scan(CASE_PAGES, DEFAULT_TENANT, after=self._after, limit=1):
            raise tampered_cases(self._column.size, f"its page {rows[0].key!r} is behind its end")
        if self._size > size:
            raise tampered_cases(size, f"it goes on to {self._size}, past the last entry")
        if self._head and self._head.root != self._column.digest.hex():
            raise tampered_cases(0, "its head was signed over another one")

    async def _check(self, made: bytes) -> None:
        start = self._column.size
        if start >= self._size:
            return
        rows = await self._store.scan(CASE_PAGES, DEFAULT_TENANT, after=self._after, limit=1)
        if not rows:
            raise tampered_cases(start, "its page from there on is missing")
        (row,) = rows
        require_page(row.key, row.value, start, self._size)
        made = made[: len(row.value)]
        if row.value[: len(made)] != made:
            at = next(at for at, (stored, byte) in enumerate(zip(row.value, made, strict=False)) if stored != byte)
            raise tampered_cases(start + at // FINGERPRINT_BYTES, "it has another case there than the entry")
        self._after = row.key
        self._column, _ = self._column.grown(row.value)
