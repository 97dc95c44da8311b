"""Making the indexes anew from the log.

The log is checked first, without them: what it does not bear out is not indexed. A crash on the
way leaves indexes that begin as they should and end too soon, which opening goes on from, or a
case index without its head, which is refused until this is run again.
"""

from collections.abc import Sequence

from phalanx.core import NS_PER_S, Clock, Journal, Store
from phalanx.crypto import HybridSigner
from phalanx.ledger._case_pages import CaseColumn, Paging, column_puts, delete_cases
from phalanx.ledger._id_index import delete_ids, run_puts
from phalanx.ledger._ids import build_run, fingerprint
from phalanx.ledger._leaf import Identity
from phalanx.ledger._limits import IDS_PER_PAGE
from phalanx.ledger._sealing import Sealers
from phalanx.ledger._verify import VerifyReport, audit_beside


class IdRebuild:
    """Stores the runs of the entries that it sees. Ids behind the last run are found by opening."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._start = 0
        self._fingerprints: list[int] = []

    async def add(self, said: Sequence[Identity]) -> None:
        self._fingerprints += [fingerprint(one.id) for one in said]
        while len(self._fingerprints) >= IDS_PER_PAGE:
            built = build_run(self._start, self._fingerprints[:IDS_PER_PAGE], page_ids=IDS_PER_PAGE)
            await self._store.commit(run_puts(built))
            del self._fingerprints[:IDS_PER_PAGE]
            self._start = built.run.end

    async def finish(self, _: int) -> None:
        """What is left makes no run."""


class CaseRebuild:
    """Stores and signs the case index of the entries that it sees."""

    def __init__(self, store: Store, signer: HybridSigner, clock: Clock) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock
        self._column = CaseColumn()
        self._pages = Paging()

    async def add(self, said: Sequence[Identity]) -> None:
        for page in self._pages.full(said):
            await self._grow(page)

    async def finish(self, _: int) -> None:
        if rest := self._pages.rest:
            await self._grow(rest)

    async def _grow(self, fingerprints: bytes) -> None:
        self._column, changed = self._column.grown(fingerprints)
        puts = column_puts(self._column, changed, self._signer, self._clock.wall_ns() // NS_PER_S)
        await self._store.commit(puts)


async def reindex(
    journal: Journal, store: Store, signer: HybridSigner, *, sealers: Sealers, clock: Clock
) -> VerifyReport:
    """Of a ledger that nobody has open; raises ``LedgerTampered`` for a log that does not hold, and leaves it alone."""
    await audit_beside(journal, store, signer.public, sealers=sealers, beside=())
    await delete_ids(store)
    await delete_cases(store)
    made = (IdRebuild(store), CaseRebuild(store, signer, clock))
    return await audit_beside(journal, store, signer.public, sealers=sealers, beside=made)
