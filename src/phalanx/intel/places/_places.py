"""The tables of places of a node: loaded part by part, kept in the store, looked at in memory.

A tenant without a table of its own has the node's. A table is in use as soon as its last part is there and all of it
was checked; until then the one before is. Loading is on record.
"""

import hashlib
from typing import Final

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Clock,
    Delete,
    InvalidInput,
    LimitExceeded,
    Offload,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    Write,
    decode,
    derive_id,
    encode,
)
from phalanx.intel.places._limits import MAX_PART_BYTES, MAX_PARTS
from phalanx.intel.places._table import Place, PlacesRead, PlaceTable, network_of, read_places

PLACE_TABLES: Final = Table("place_tables", sealed=True)
PLACE_PARTS: Final = Table("place_parts", sealed=True)
_HEAD = "in use"


class PlacesHead(Record, frozen=True, kw_only=True, tag="place-table"):
    """The table in use: its digest, how many parts it is in, and what it says."""

    digest: str
    parts: int
    networks: int
    located: int
    refused: int
    by: str


class PlacesPart(Record, frozen=True, kw_only=True, tag="place-part"):
    """A part of the file with this digest."""

    data: bytes


class Places:
    """Where addresses are, for each tenant."""

    def __init__(self, store: Store, clock: Clock, offload: Offload, audit: AuditSink) -> None:
        self._store = store
        self._clock = clock
        self._offload = offload
        self._audit = audit
        self._tables: dict[TenantId, PlaceTable] = {}
        self._heads: dict[TenantId, PlacesHead] = {}

    async def open(self) -> None:
        """Be what the store says."""
        for tenant in await self._store.tenants(PLACE_TABLES):
            row = await self._store.get(PLACE_TABLES, tenant, _HEAD)
            if row is not None:
                head = decode(row.value, PlacesHead)
                read = await self._offload.run(read_places, await self._file(tenant, head.digest, head.parts))
                self._tables[tenant], self._heads[tenant] = read.table, head

    def at(self, tenant: TenantId, address: str) -> Place | None:
        """Where ``address`` is for ``tenant``; None when nobody said."""
        table = self._tables.get(tenant) or self._tables.get(DEFAULT_TENANT)
        known = network_of(address) if table is not None else None
        return None if table is None or known is None else table.at(known[0])

    def head(self, tenant: TenantId) -> PlacesHead | None:
        """The table that holds for ``tenant``, its own or the node's."""
        return self._heads.get(tenant) or self._heads.get(DEFAULT_TENANT)

    async def load(
        self, tenant: TenantId, data: bytes, *, digest: str, part: int, parts: int, by: str
    ) -> PlacesRead | None:  # fmt: skip
        """Take part ``part`` of ``parts`` of the file with this SHA-256; with the last one the table is used.

        Returns what was read then, else None. Raises ``InvalidInput`` and ``LimitExceeded``.
        """
        if not 1 <= parts <= MAX_PARTS or not 0 <= part < parts:
            raise InvalidInput("part", f"{part} of {parts}: a table has at most {MAX_PARTS} parts, counted from 0")
        if len(data) > MAX_PART_BYTES:
            raise LimitExceeded("bytes of a part", maximum=MAX_PART_BYTES, seen=len(data))
        if len(digest) != 64 or not digest.isalnum():
            raise InvalidInput("digest", "is the SHA-256 of the file, in hexadecimal")
        now_ns = self._clock.wall_ns()
        row = PlacesPart(
            id=f"{digest}/{part:02d}", tenant=tenant, trace=NO_TRACE, at_ns=now_ns, data=data
        )  # fmt: skip
        if part < parts - 1:
            await self._store.commit([Put(PLACE_PARTS, tenant, row.id, encode(row))])
            return None
        before = b"" if parts == 1 else await self._file(tenant, digest, parts - 1)
        file = before + data
        if hashlib.sha256(file).hexdigest() != digest:
            raise InvalidInput("digest", "the parts together are another file; send it from its beginning")
        read = await self._offload.run(read_places, file)
        if not read.table.networks:
            raise InvalidInput("places", "there is no row that can be used")
        head = PlacesHead(
            id=_HEAD, tenant=tenant, trace=NO_TRACE, at_ns=now_ns, digest=digest, parts=parts,
            networks=read.table.networks, located=read.located, refused=read.refused, by=by,
        )  # fmt: skip
        writes: list[Write] = [
            Delete(PLACE_PARTS, tenant, known.key)
            for known in await self._store.scan(PLACE_PARTS, tenant, limit=MAX_PARTS * MAX_PARTS)
            if not known.key.startswith(digest)
        ]
        writes += [Put(PLACE_PARTS, tenant, row.id, encode(row)), Put(PLACE_TABLES, tenant, _HEAD, encode(head))]
        await self._store.commit(writes)
        self._tables[tenant], self._heads[tenant] = read.table, head
        await self._record(head)
        return read

    async def _file(self, tenant: TenantId, digest: str, parts: int) -> bytes:
        found = []
        for part in range(parts):
            row = await self._store.get(PLACE_PARTS, tenant, f"{digest}/{part:02d}")
            if row is None:
                raise InvalidInput("part", f"part {part} is not there; send the file from its beginning")
            found.append(decode(row.value, PlacesPart).data)
        return b"".join(found)

    async def _record(self, head: PlacesHead) -> None:
        body = {"digest": head.digest, "networks": head.networks, "located": head.located, "refused": head.refused}
        await self._audit.record(
            AuditEntry(
                id=derive_id(head.at_ns, "audit", "places.loaded", head.tenant, head.digest), tenant=head.tenant,
                trace=NO_TRACE, at_ns=head.at_ns, actor=head.by, action="places.loaded", subject="places", case="",
                body=body,
            )
        )  # fmt: skip
