"""What collections keep: versions of objects, in the order in which they were added.

Each version has a time at which it was added, unique in its collection to the microsecond and always later than the
one before. A client that asks for what was added after the last it has seen therefore misses nothing and sees
nothing twice, whatever the clock does (TAXII 2.1, section 3.4). Which version of an object is the newest and which
the oldest stands with the row, so that the usual questions read nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from phalanx.core import (
    MAX_PAGE_ROWS,
    NO_TRACE,
    NS_PER_US,
    Clock,
    Conflict,
    Delete,
    Expect,
    LimitExceeded,
    Put,
    Record,
    Row,
    Store,
    Table,
    TenantId,
    Write,
    decode,
    encode,
    iso_from_ns,
)
from phalanx.intel.sharing._checking import comparable_time
from phalanx.intel.sharing._limits import COMMIT_OBJECTS, MAX_COMMIT_ROUNDS, MAX_OBJECT_BYTES
from phalanx.intel.sharing._objects import StixObject, parse_json

OBJECTS: Final = Table("sharing_objects", indexes=("newest", "oldest", "object"), sealed=True)
HEADS: Final = Table("sharing_heads")


class Kept(Record, frozen=True, kw_only=True, tag="sharing-object"):
    """One version of an object in a collection. ``id`` is the row's key; ``marking`` the number of its TLP level.

    ``version`` is the object's own, or when it was added. ``at_ns`` is when it was added.
    """

    collection: str
    object: str
    type: str
    version: str
    marking: int
    newest: bool
    oldest: bool
    raw: bytes

    @property
    def added(self) -> str:
        return iso_from_ns(self.at_ns)

    def stix(self) -> StixObject:
        return StixObject(parse_json(self.raw, max_bytes=MAX_OBJECT_BYTES))


class _Head(Record, frozen=True, kw_only=True, tag="sharing-head"):
    """How far a collection has got: when its last object was added, and how many versions it keeps."""

    objects: int


def row_key(collection: str, added_ns: int) -> str:
    return f"{collection}/{added_ns // NS_PER_US:016x}"


class Shelf:
    """Adds and removes versions. Asking for them is in ``_looking``."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(
        self,
        tenant: TenantId,
        collection: str,
        objects: Sequence[tuple[StixObject, int]],
        *,
        also: Sequence[Write] = (),
    ) -> list[Kept | None]:
        """Add objects with their markings, in order; None for a version that is there already.

        ``also`` is written in the commit of the last of them, or by itself when nothing is new.
        """
        added: list[Kept | None] = []
        for first in range(0, len(objects) or 1, COMMIT_OBJECTS):
            part = objects[first : first + COMMIT_OBJECTS]
            last = first + COMMIT_OBJECTS >= len(objects)
            added += await self._add_part(tenant, collection, part, also if last else ())
        return added

    async def versions(self, tenant: TenantId, collection: str, stix_id: str) -> list[Kept]:
        """All versions of one object, in the order in which they were added."""
        rows = await self._store.find(OBJECTS, tenant, "object", f"{collection}/{stix_id}", limit=MAX_PAGE_ROWS)
        return [decode(row.value, Kept) for row in rows]

    async def newest(self, tenant: TenantId, collection: str, *, limit: int) -> list[Kept]:
        """The newest version of each object. Raises ``LimitExceeded`` where there are more than ``limit``."""
        rows: list[Row] = []
        while True:
            after = rows[-1].key if rows else ""
            part = await self._store.find(OBJECTS, tenant, "newest", collection, after=after, limit=MAX_PAGE_ROWS)
            rows += part
            if len(rows) > limit:
                raise LimitExceeded(
                    "objects of one bundle", maximum=limit, seen=len(rows), hint="ask for pages by TAXII"
                )
            if len(part) < MAX_PAGE_ROWS:
                return [decode(row.value, Kept) for row in rows]

    async def count(self, tenant: TenantId, collection: str) -> tuple[int, int]:
        """How many versions it keeps, and when the last one was added (0: never)."""
        row = await self._store.get(HEADS, tenant, collection)
        if row is None:
            return 0, 0
        head = decode(row.value, _Head)
        return head.objects, head.at_ns

    async def remove(self, tenant: TenantId, collection: str, versions: Sequence[Kept]) -> None:
        """Remove versions of one object; which of the rest is newest and oldest is settled in the same commit."""
        gone = {one.id for one in versions}
        for _ in range(MAX_COMMIT_ROUNDS):
            row = await self._store.get(HEADS, tenant, collection)
            stix_id = versions[0].object if versions else ""
            there = await self.versions(tenant, collection, stix_id)
            rest = [one for one in there if one.id not in gone]
            writes: list[Write] = [Delete(OBJECTS, tenant, one.id) for one in there if one.id in gone]
            writes += [_put(one) for one in _settled(rest, changed_only=True)]
            if row is None or not writes:
                return
            n_gone = len(there) - len(rest)
            writes.append(_put_head(tenant, collection, row.value, n_more=-n_gone))
            try:
                await self._store.commit(writes, expect=[Expect(HEADS, tenant, collection, row.version)])
            except Conflict:
                continue
            return
        raise Conflict(HEADS.name, collection, expected=0, found=0)

    async def clear(self, tenant: TenantId, collection: str) -> None:
        """Remove everything that a collection keeps."""
        while rows := await self._store.scan(OBJECTS, tenant, prefix=f"{collection}/", limit=COMMIT_OBJECTS):
            await self._store.commit([Delete(OBJECTS, tenant, row.key) for row in rows])
        await self._store.commit([Delete(HEADS, tenant, collection)])

    async def _add_part(
        self, tenant: TenantId, collection: str, part: Sequence[tuple[StixObject, int]], also: Sequence[Write]
    ) -> list[Kept | None]:
        for _ in range(MAX_COMMIT_ROUNDS):
            row = await self._store.get(HEADS, tenant, collection)
            last_ns = decode(row.value, _Head).at_ns if row is not None else 0
            known = {one.id: await self.versions(tenant, collection, one.id) for one, _ in part}
            changed, outcome = _placed(tenant, collection, part, known, max(self._clock.wall_ns(), last_ns + NS_PER_US))
            new = [one for one in outcome if one is not None]
            writes: list[Write] = [_put(one) for one in changed]
            if new:
                value = row.value if row is not None else None
                writes.append(_put_head(tenant, collection, value, n_more=len(new), at_ns=new[-1].at_ns))
            if not writes and not also:
                return outcome
            expect = [Expect(HEADS, tenant, collection, row.version if row is not None else 0)] if new else []
            try:
                await self._store.commit([*writes, *also], expect=expect)
            except Conflict:
                continue
            return outcome
        raise Conflict(HEADS.name, collection, expected=0, found=0)


def _placed(
    tenant: TenantId, collection: str, part: Sequence[tuple[StixObject, int]], known: Mapping[str, list[Kept]],
    first_ns: int,
) -> tuple[Iterable[Kept], list[Kept | None]]:  # fmt: skip
    """Rows that are new or change, and for each object the row it got."""
    added_ns = first_ns // NS_PER_US * NS_PER_US
    changed: dict[str, Kept] = {}
    outcome: list[Kept | None] = []
    versions = {stix_id: list(rows) for stix_id, rows in known.items()}
    for one, marking in part:
        rows = versions[one.id]
        if _is_there(one, rows):
            outcome.append(None)
            continue
        made = Kept(
            id=row_key(collection, added_ns), tenant=tenant, trace=NO_TRACE, at_ns=added_ns, collection=collection,
            object=one.id, type=one.type, version=one.version or iso_from_ns(added_ns), marking=marking,
            newest=True, oldest=True, raw=one.encoded(),
        )  # fmt: skip
        settled = _settled([*rows, made], changed_only=False)
        before = {row.id: row for row in rows}
        changed |= {row.id: row for row in settled if before.get(row.id) != row}
        versions[one.id] = settled
        outcome.append(made)
        added_ns += NS_PER_US
    return changed.values(), outcome


def _is_there(one: StixObject, rows: Sequence[Kept]) -> bool:
    if one.version:
        wanted = comparable_time(one.version)
        return any(comparable_time(row.version) == wanted for row in rows)
    return any(row.stix().digest_bytes() == one.digest_bytes() for row in rows)


def _settled(rows: Sequence[Kept], *, changed_only: bool) -> list[Kept]:
    """The rows with the marks of which is the newest version and which the oldest."""
    if not rows:
        return []
    order = sorted(rows, key=lambda row: (comparable_time(row.version), row.id))
    made = [
        msgspec.structs.replace(row, newest=row is order[-1], oldest=row is order[0])
        if (row.newest, row.oldest) != (row is order[-1], row is order[0])
        else row
        for row in rows
    ]
    return [new for new, old in zip(made, rows, strict=True) if new is not old] if changed_only else made


def _put(one: Kept) -> Put:
    index = {"object": (f"{one.collection}/{one.object}",)}
    if one.newest:
        index["newest"] = (one.collection,)
    if one.oldest:
        index["oldest"] = (one.collection,)
    return Put(OBJECTS, one.tenant, one.id, encode(one), index)


def _put_head(tenant: TenantId, collection: str, before: bytes | None, *, n_more: int, at_ns: int = 0) -> Put:
    old = decode(before, _Head) if before is not None else None
    made = _Head(
        id=collection, tenant=tenant, trace=NO_TRACE, at_ns=at_ns or (old.at_ns if old is not None else 0),
        objects=(old.objects if old is not None else 0) + n_more,
    )  # fmt: skip
    return Put(HEADS, tenant, collection, encode(made))
