"""Which entries belong to a case: an index beside the ledger, made from it and worth nothing as proof.

It follows the ledger from a cursor, in commits that hold rows and cursor together, so that it may
be behind but never wrong. Rows belong to the tenant of their entry.
"""

from typing import Protocol

from phalanx.core import DEFAULT_TENANT, AuditEntry, Clock, LimitExceeded, Put, Store, Table, TenantId
from phalanx.ledger.evidence._limits import INDEX_EVERY_S, INDEX_PAGE_ENTRIES, MAX_BUNDLE_ENTRIES

CASES = Table("ledger_cases", indexes=("case",))
_CURSOR = Table("ledger_cases_cursor")
_NAME = "next"


class Entries(Protocol):
    """The ledger, as far as the index reads it."""

    @property
    def size(self) -> int: ...

    async def metadata(self, after: int, limit: int) -> list[AuditEntry]: ...


class CaseIndex:
    """Positions of entries by tenant and case."""

    def __init__(self, ledger: Entries, store: Store, clock: Clock) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Follow the ledger for as long as the node runs."""
        while True:
            await self.catch_up()
            await self._clock.sleep(INDEX_EVERY_S)

    async def catch_up(self) -> None:
        """Take in what was recorded since."""
        row = await self._store.get(_CURSOR, DEFAULT_TENANT, _NAME)
        start = int(row.value) if row else 0
        while start < self._ledger.size:
            found = await self._ledger.metadata(start - 1, INDEX_PAGE_ENTRIES)
            rows = [
                Put(CASES, entry.tenant, f"{index:019d}", b"", {"case": (_bounded(entry.case),)})
                for index, entry in enumerate(found, start)
            ]
            start += len(found)
            await self._store.commit([*rows, Put(_CURSOR, DEFAULT_TENANT, _NAME, b"%d" % start)])

    async def of(self, tenant: TenantId, case: str) -> list[int]:
        """Where the entries of a case stand, in order; raises ``LimitExceeded`` for more than a bundle holds."""
        await self.catch_up()
        found: list[int] = []
        after = ""
        while rows := await self._store.find(CASES, tenant, "case", _bounded(case), after=after):
            found += [int(row.key) for row in rows]
            after = rows[-1].key
            if len(found) > MAX_BUNDLE_ENTRIES:
                raise LimitExceeded("entries in one bundle", maximum=MAX_BUNDLE_ENTRIES, seen=len(found))
        return found


def _bounded(case: str) -> str:
    """A case as an index value, which stores bound; what shares its beginning is told apart by the entries."""
    return case[:200]
