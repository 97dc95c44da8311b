"""A store whose tables are sealed: what a row says is for its tenant, what it is called is not.

For each table that declares ``sealed``:

- the value of a row is sealed for its tenant, bound to table and key;
- index values are blind (``_blinder``): rows are found by equal values, and values are not seen;
- table, tenant, key, version, size and number of rows stay visible.

Tables that do not declare it pass through. Rows written in clear before stay readable and
findable until they are written again or a migration seals them; ``unsealed_tables`` are those
that may still hold some. In the others a row in clear is refused: the node did not write it.
Versions, order and conflicts are the inner store's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from phalanx.core import Delete, Expect, Put, Row, Store, Table, TenantId, Write
from phalanx.crypto import NotAuthentic
from phalanx.crypto.vault._blinder import Blinder
from phalanx.crypto.vault._envelope import looks_sealed
from phalanx.crypto.vault._errors import ClearRow, NotSealed, WrongKey
from phalanx.crypto.vault._limits import MAX_NOTICED_ROWS
from phalanx.crypto.vault._model import framed
from phalanx.crypto.vault._sealed_tables import STORE_PURPOSE, SealedTables
from phalanx.crypto.vault._sealer import Opener, Sealer
from phalanx.crypto.vault._vault import Vault


class SealedStore:
    """A ``Store`` over another one; made by ``SealedStore.open``."""

    def __init__(
        self,
        inner: Store,
        vault: Vault,
        done: SealedTables,
        *,
        tables: Sequence[Table],
        seals: bool,
        unsealed: Iterable[str],
    ) -> None:
        """Use ``open``: only it knows which tables still hold rows in clear."""
        self.inner = inner
        self._vault = vault
        self._done = done
        # In order of their names: a migration goes through them in this order, and may begin in the middle.
        self.tables = tuple(sorted(tables, key=lambda table: table.name))
        self._seals = seals
        self._unsealed = set(unsealed)
        self._noticed: dict[tuple[str, TenantId, str], Table] = {}

    @classmethod
    async def open(cls, inner: Store, vault: Vault, *, tables: Sequence[Table], seals: bool) -> "SealedStore":
        """``tables`` are all that declare ``sealed``; without ``seals`` what is sealed is read, and nothing sealed."""
        marks = SealedTables(inner, vault)
        done = await marks.read()
        if seals:
            before = done or set()
            empty = {table.name for table in tables if table.name not in before and not await inner.tenants(table)}
            known = before | empty
        else:
            known = set()
        unsealed = {table.name for table in tables} - known
        if known != done and (seals or done is not None):
            # Before the first row in clear is written nothing may say that there is none, and before the
            # first one is sealed there must be a list that can be missed.
            await marks.write(known)
        return cls(inner, vault, marks, tables=tables, seals=seals, unsealed=unsealed)

    @property
    def seals(self) -> bool:
        """Whether what is written is sealed."""
        return self._seals

    @property
    def unsealed_tables(self) -> frozenset[str]:
        """Tables that may hold rows in clear."""
        return frozenset(self._unsealed)

    def may_be_clear(self, table: Table) -> bool:
        """Whether a row in clear may be one of ours."""
        return not self._seals or table.name in self._unsealed

    async def all_sealed(self, table: Table) -> None:
        """A migration found every row of ``table`` sealed."""
        assert self._seals, "rows in clear may come at any time"
        await self._done.write((await self._done.read() or set()) | {table.name})
        self._unsealed.discard(table.name)

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None:
        row = await self.inner.get(table, tenant, key)
        return None if row is None else (await self._opened(table, tenant, [row]))[0]

    async def scan(
        self,
        table: Table,
        tenant: TenantId,
        *,
        prefix: str = "",
        after: str = "",
        limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:
        rows = await self.inner.scan(table, tenant, prefix=prefix, after=after, limit=limit, reverse=reverse)
        return await self._opened(table, tenant, rows)

    async def find(
        self,
        table: Table,
        tenant: TenantId,
        index: str,
        value: str,
        *,
        after: str = "",
        limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:
        if not table.sealed:
            return await self.inner.find(table, tenant, index, value, after=after, limit=limit, reverse=reverse)
        values = [value] if table.name in self._unsealed else []
        blinder = await self._vault.known_blinder(tenant)
        if blinder is not None:
            values.append(blinder.blind(table.name, index, value))
        # Without a blinder nothing is sealed for this tenant; asked all the same, the inner
        # store refuses an index that is not declared.
        found: dict[str, Row] = {}
        for stored in values or [value]:
            rows = await self.inner.find(table, tenant, index, stored, after=after, limit=limit, reverse=reverse)
            found |= {row.key: row for row in rows}
        # A row is in clear or blind, never both, so the two listings only have to be merged.
        merged = sorted(found.values(), key=lambda row: row.key, reverse=reverse)[: max(limit, 0)]
        return await self._opened(table, tenant, merged)

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        """As it is stored: of a sealed row, blind."""
        return await self.inner.index_of(table, tenant, key)

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        """Raises ``Shredded`` besides what the inner store does; nothing was written then."""
        if not self._seals:
            return await self.inner.commit(writes, expect=expect)
        tenants = {write.tenant for write in writes if isinstance(write, Put) and write.table.sealed and write.tenant}
        seals = {
            tenant: (await self._vault.sealer(tenant, STORE_PURPOSE), await self._vault.blinder(tenant))
            for tenant in sorted(tenants)
        }
        sealed = [
            sealed_put(write, *seals[write.tenant])
            if isinstance(write, Put) and write.table.sealed and write.tenant
            else write
            for write in writes
        ]
        return await self.inner.commit(sealed, expect=expect)

    async def tenants(self, table: Table) -> list[TenantId]:
        """Tenants with rows, but for those that were shredded: nothing can be done for them."""
        return [tenant for tenant in await self.inner.tenants(table) if not self._vault.is_shredded(tenant)]

    async def erase_shredded(self) -> int:
        """Delete the rows of tenants that were shredded: nobody can read them; how many there were."""
        n_erased = 0
        for table in self.tables:
            for tenant in await self.inner.tenants(table):
                while self._vault.is_shredded(tenant):
                    rows = await self.inner.scan(table, tenant)
                    if not rows:
                        break
                    await self.inner.commit([Delete(table, tenant, row.key) for row in rows])
                    n_erased += len(rows)
        return n_erased

    async def close(self) -> None:
        await self.inner.close()

    def take_noticed(self) -> list[tuple[Table, TenantId, list[str]]]:
        """Rows that readers met in an old form since the last call."""
        found: dict[tuple[str, TenantId], tuple[Table, TenantId, list[str]]] = {}
        for (_, tenant, key), table in self._noticed.items():
            found.setdefault((table.name, tenant), (table, tenant, []))[2].append(key)
        self._noticed.clear()
        return list(found.values())

    def _notice(self, table: Table, tenant: TenantId, keys: Iterable[str]) -> None:
        for key in keys:
            if len(self._noticed) >= MAX_NOTICED_ROWS:
                return
            self._noticed[table.name, tenant, key] = table

    async def _opened(self, table: Table, tenant: TenantId, rows: list[Row]) -> list[Row]:
        if not table.sealed:
            return rows
        sealed = [row for row in rows if looks_sealed(row.value)]
        if len(sealed) < len(rows) and not self.may_be_clear(table):
            raise ClearRow(table.name, next(row.key for row in rows if not looks_sealed(row.value)))
        stale = [row.key for row in rows if not looks_sealed(row.value)]
        if sealed:
            opener = await self._vault.opener(tenant, STORE_PURPOSE)
            rows = [opened_row(table, row, opener) if looks_sealed(row.value) else row for row in rows]
            stale += [row.key for row in sealed if opener.is_stale(row.value)]
        if self._seals:
            self._notice(table, tenant, stale)
        return rows


def sealed_put(put: Put, sealer: Sealer, blinder: Blinder) -> Put:
    """The write of a row with its value sealed and its index blind."""
    table = put.table
    index = dict(put.index)
    for name in table.indexes:
        if values := index.get(name):
            index[name] = [blinder.blind(table.name, name, value) for value in values]
    return Put(table, put.tenant, put.key, sealer.seal(put.value, row_binding(table, put.key)), index)


def opened_row(table: Table, row: Row, opener: Opener) -> Row:
    """The row with its value open; what does not open is named by table and key."""
    try:
        return replace(row, value=opener.open(row.value, row_binding(table, row.key)))
    except (NotAuthentic, NotSealed) as error:
        raise NotAuthentic(f"row {row.key!r} of table {table.name}") from error
    except WrongKey as error:
        raise WrongKey(f"row {row.key!r} of table {table.name}", error.message, hint=error.hint) from error


def row_binding(table: Table, key: str) -> bytes:
    """What a sealed value is bound to: no other row takes it."""
    return framed(table.name) + framed(key)
