"""Which entries belong to a case: follows the ledger, and answers from the case index (``_case_pages``).

The index may be behind the log but never ahead of it or wrong: what is stored is compared with what
was signed before it is believed, at the first use and again at every answer.
"""

import asyncio
from typing import Protocol

import numpy as np

from phalanx.core import NS_PER_S, Clock, Delete, LimitExceeded, Store, Table, TenantId
from phalanx.crypto import HybridSigner
from phalanx.ledger._case_pages import (
    FINGERPRINT_BYTES,
    CaseColumn,
    case_fingerprint,
    column_puts,
    read_column,
    tampered_cases,
)
from phalanx.ledger._limits import CASES_AT_ONCE
from phalanx.ledger.evidence._limits import INDEX_EVERY_S, MAX_BUNDLE_ENTRIES

# What the index was before it was signed: a row for each entry, and how many there were.
_FORMER = (Table("ledger_cases", indexes=("case",)), Table("ledger_cases_cursor"))
_FINGERPRINT = np.dtype(f"<u{FINGERPRINT_BYTES}")


class Entries(Protocol):
    """The ledger, as far as the index reads it."""

    @property
    def size(self) -> int: ...

    async def case_fingerprints(self, start: int, limit: int) -> bytes: ...


class CaseIndex:
    """Positions of entries by tenant and case. ``signer`` is the ledger's."""

    def __init__(self, ledger: Entries, store: Store, signer: HybridSigner, clock: Clock) -> None:
        self._ledger = ledger
        self._store = store
        self._signer = signer
        self._clock = clock
        self._column: CaseColumn | None = None
        # One at a time: what is read is what was last written.
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Follow the ledger for as long as the node runs."""
        await self._drop_former()
        while True:
            await self.catch_up()
            await self._clock.sleep(INDEX_EVERY_S)

    async def catch_up(self) -> None:
        """Take in what was recorded since; raises ``LedgerTampered`` for an index that is not what was signed."""
        async with self._turn:
            await self._catch_up()

    async def of(self, tenant: TenantId, case: str) -> list[int]:
        """Where entries of a case stand, in order; a few of another case may be among them.

        Raises ``LedgerTampered``, and ``LimitExceeded`` for more than a bundle holds.
        """
        sought = np.frombuffer(case_fingerprint(tenant, case), _FINGERPRINT)
        found: list[int] = []

        def visit(start: int, page: bytes) -> None:
            places = np.flatnonzero(np.frombuffer(page, _FINGERPRINT) == sought)
            found.extend(start + int(place) for place in places)
            if len(found) > MAX_BUNDLE_ENTRIES:
                raise LimitExceeded("entries in one bundle", maximum=MAX_BUNDLE_ENTRIES, seen=len(found))

        async with self._turn:
            column = await self._catch_up()
            # Until it was found as it should be, nothing is known of it: whoever follows will say so as well.
            self._column = None
            if await read_column(self._store, self._signer.public, visit=visit) != column:
                raise tampered_cases(0, "an older one was put in its place")
            self._column = column
        return found

    async def _catch_up(self) -> CaseColumn:
        column = self._column or await read_column(self._store, self._signer.public)
        if column.size > self._ledger.size:
            raise tampered_cases(self._ledger.size, f"it goes on to {column.size}, past the last entry")
        while column.size < (size := self._ledger.size):
            new = b""
            wanted = min(column.room, size - column.size)
            while (n := len(new) // FINGERPRINT_BYTES) < wanted:
                new += await self._ledger.case_fingerprints(column.size + n, min(wanted - n, CASES_AT_ONCE))
            column, changed = column.grown(new)
            # Read again if the commit fails: then it may have happened, or not.
            self._column = None
            await self._store.commit(column_puts(column, changed, self._signer, self._clock.wall_ns() // NS_PER_S))
            self._column = column
        self._column = column
        return column

    async def _drop_former(self) -> None:
        for table in _FORMER:
            for tenant in await self._store.tenants(table):
                while rows := await self._store.scan(table, tenant):
                    await self._store.commit([Delete(table, tenant, row.key) for row in rows])
