"""The ledger that tests look into."""

import asyncio

from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry
from phalanx.testing import MemoryAudit


def test_what_is_told_again_is_kept_where_it_was_first():
    told = [
        AuditEntry(ident, DEFAULT_TENANT, NO_TRACE, at, "somebody", "did", "something", "case")
        for at, ident in enumerate(("a", "b", "a"))
    ]

    async def main():
        audit = MemoryAudit()
        for entry in told:
            await audit.record(entry)
        return audit

    audit = asyncio.run(main())
    assert audit.kept == told[:2]
    assert audit.entries == told
