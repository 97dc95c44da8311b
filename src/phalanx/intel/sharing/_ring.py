"""The newest records of a kind, as many as fit: each new one takes the place of the oldest."""

from typing import Generic, TypeVar

from phalanx.core import (
    MAX_PAGE_ROWS,
    NO_TRACE,
    Conflict,
    Expect,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    decode,
    encode,
)
from phalanx.intel.sharing._limits import MAX_COMMIT_ROUNDS
from phalanx.intel.sharing._shelf import HEADS

R = TypeVar("R", bound=Record)


class _Turn(Record, frozen=True, kw_only=True, tag="sharing-turn"):
    """How many records were ever put."""

    n: int


class Ring(Generic[R]):
    """Keeps the newest ``size`` records of ``kind`` in ``table``, which has to have the index ``id``."""

    def __init__(self, store: Store, table: Table, kind: type[R], *, size: int) -> None:
        assert 0 < size <= MAX_PAGE_ROWS
        self._store = store
        self._table = table
        self._kind = kind
        self._size = size

    async def put(self, record: R) -> None:
        tenant, turn = record.tenant, f"ring/{self._table.name}"
        for _ in range(MAX_COMMIT_ROUNDS):
            row = await self._store.get(HEADS, tenant, turn)
            n = decode(row.value, _Turn).n if row is not None else 0
            head = _Turn(id=turn, tenant=tenant, trace=NO_TRACE, at_ns=record.at_ns, n=n + 1)
            writes = [
                Put(self._table, tenant, f"{n % self._size:06d}", encode(record), {"id": (record.id,)}),
                Put(HEADS, tenant, turn, encode(head)),
            ]
            try:
                await self._store.commit(
                    writes, expect=[Expect(HEADS, tenant, turn, row.version if row is not None else 0)]
                )
            except Conflict:
                continue
            return
        raise Conflict(HEADS.name, turn, expected=0, found=0)

    async def get(self, tenant: TenantId, record_id: str) -> R:
        """Raises ``NotFound``, also for one that is no longer kept."""
        rows = await self._store.find(self._table, tenant, "id", record_id, limit=1)
        if not rows:
            raise NotFound(self._table.name.removeprefix("sharing_"), record_id)
        return decode(rows[0].value, self._kind)

    async def newest(self, tenant: TenantId, *, limit: int) -> list[R]:
        rows = await self._store.scan(self._table, tenant, limit=self._size)
        records = [decode(row.value, self._kind) for row in rows]
        return sorted(records, key=lambda one: (one.at_ns, one.id), reverse=True)[:limit]
