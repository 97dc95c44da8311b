"""Bringing rows to the key, the algorithm and the form that seals now.

A row is written again only if it still stands at the version that was read: whoever wrote it
meanwhile sealed it anew himself. Its index stays as it is, or becomes blind if it was in clear.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.core import Conflict, Expect, Put, Row, Store, Table, TenantId, Write
from phalanx.crypto import CryptoError
from phalanx.crypto.vault._envelope import looks_sealed
from phalanx.crypto.vault._errors import KeyExhausted, Shredded
from phalanx.crypto.vault._limits import MAX_CHANGE_ATTEMPTS, MIGRATION_BATCH
from phalanx.crypto.vault._sealed_store import SealedStore, opened_row, row_binding, sealed_put
from phalanx.crypto.vault._sealed_tables import STORE_PURPOSE
from phalanx.crypto.vault._vault import Vault


async def reseal(
    store: SealedStore, vault: Vault, table: Table, tenant: TenantId, rows: Sequence[Row], also: Sequence[Write] = ()
) -> int:
    """Seal those of ``rows`` (as they are stored) that need it, in one commit with ``also``; how many did."""
    for _ in range(MAX_CHANGE_ATTEMPTS):
        puts, expect = await _planned(store, vault, table, tenant, rows)
        if not puts and not also:
            return 0
        try:
            await store.inner.commit([*puts, *also], expect=expect)
        except Conflict:
            # Some were written or deleted meanwhile; the rest as they stand now.
            current = [await store.inner.get(table, tenant, row.key) for row in rows]
            rows = [row for row in current if row is not None]
        else:
            return len(puts)
    if also:
        await store.inner.commit(also)
    return 0


@dataclass(frozen=True, slots=True)
class SealedRows:
    """Rows that their owner seals himself, each bound to its key: private keys, for instance."""

    table: Table
    tenant: TenantId
    purpose: str


async def reseal_rows(store: Store, vault: Vault, where: SealedRows) -> int:
    """Seal anew what is stale among them; how many were. ``store`` is the one under the sealed one."""
    assert not where.table.indexes, "what is written again would lose its index"
    sealer = await vault.sealer(where.tenant, where.purpose)
    n_changed, after = 0, ""
    while rows := await store.scan(where.table, where.tenant, after=after, limit=MIGRATION_BATCH):
        after = rows[-1].key
        for row in rows:
            if not sealer.is_stale(row.value):
                continue
            binding = row.key.encode()
            put = Put(where.table, where.tenant, row.key, sealer.seal(sealer.open(row.value, binding), binding))
            # Erased or written meanwhile: then there is nothing left to do.
            with contextlib.suppress(Conflict):
                await store.commit([put], expect=[Expect(where.table, where.tenant, row.key, row.version)])
                n_changed += 1
    return n_changed


async def _planned(
    store: SealedStore, vault: Vault, table: Table, tenant: TenantId, rows: Sequence[Row]
) -> tuple[list[Put], list[Expect]]:
    sealer = await vault.sealer(tenant, STORE_PURPOSE)
    blinder = await vault.blinder(tenant)
    puts: list[Put] = []
    expect: list[Expect] = []
    for row in rows:
        try:
            if looks_sealed(row.value):
                if not sealer.is_stale(row.value):
                    continue
                value = opened_row(table, row, sealer).value
                index = await store.inner.index_of(table, tenant, row.key)
                put = Put(table, tenant, row.key, sealer.seal(value, row_binding(table, row.key)), index)
            elif not store.may_be_clear(table):
                # The node did not write it: whoever reads it is told, and it does not become ours by being sealed.
                continue
            else:
                index = await store.inner.index_of(table, tenant, row.key)
                put = sealed_put(Put(table, tenant, row.key, row.value, index), sealer, blinder)
        except (Shredded, KeyExhausted):
            raise
        except CryptoError:
            # It does not open: whoever reads it is told, and the others are not held up by it.
            continue
        puts.append(put)
        expect.append(Expect(table, tenant, row.key, row.version))
    return puts, expect
