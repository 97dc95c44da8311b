"""What goes out of the node and comes into it as STIX: collections with their rules, and a record of every export.

Nothing leaves but through here. Whoever asks must be let in by the collection, an object goes only where its marking
allows, and both are asked again whenever something is handed over: changing the audience of a collection, or learning
what a marking means, closes what was open. Each export is in the ledger before it is answered.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from phalanx.core import (
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Clock,
    IdSource,
    LimitExceeded,
    NotFound,
    Record,
    Store,
    Table,
    TenantId,
    Write,
    iso_from_ns,
)
from phalanx.intel.sharing._collections import Collection, Collections, Reader, audit_id, can_read, can_write
from phalanx.intel.sharing._errors import NotShareable
from phalanx.intel.sharing._limits import (
    MAX_CONTENT_BYTES,
    MAX_EXPORTS,
    MAX_OBJECT_BYTES,
    MAX_STATUS_FAILURES,
    MAX_STATUSES,
)
from phalanx.intel.sharing._looking import Found, Looking, Query
from phalanx.intel.sharing._objects import StixObject, read_bundle, too_large
from phalanx.intel.sharing._ring import Ring
from phalanx.intel.sharing._shelf import Kept, Shelf
from phalanx.intel.sharing._tlp import MarkingBook, definition_of, require_shareable
from phalanx.messaging import Marking

STATUSES: Final = Table("sharing_statuses", indexes=("id",), sealed=True)
EXPORTS: Final = Table("sharing_exports", indexes=("id",), sealed=True)


class StatusLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one object of a request."""

    id: str
    version: str = ""
    message: str = ""


class Status(Record, frozen=True, kw_only=True, tag="sharing-status"):
    """What became of a request to add objects. It was done when it was answered, so nothing is ever pending."""

    collection: str
    by: str
    total: int
    successes: tuple[StatusLine, ...]
    failures: tuple[StatusLine, ...]
    n_failures: int


class Export(Record, frozen=True, kw_only=True, tag="sharing-export"):
    """Objects that were handed over: to whom, through what (a collection's alias, or a form), and how many."""

    to: str
    through: str
    way: str
    objects: int
    marking: int
    digest: str


@dataclass(frozen=True, slots=True)
class Added:
    """What became of objects that were to be added, in their order: what is kept, or why not."""

    kept: tuple[Kept, ...]
    known: int
    refused: tuple[tuple[StixObject, str], ...]


class Exchange:
    """The way in and out. ``unmarked`` is what an object without a marking is treated as."""

    def __init__(
        self, store: Store, clock: Clock, ids: IdSource, audit: AuditSink, *, unmarked: Marking = Marking.AMBER
    ) -> None:
        self.collections = Collections(store, clock)
        self.shelf = Shelf(store, clock)
        self._looking = Looking(store, self.shelf)
        self._clock = clock
        self._ids = ids
        self._audit = audit
        self._unmarked = unmarked
        self._statuses: Ring[Status] = Ring(store, STATUSES, Status, size=MAX_STATUSES)
        self._exports: Ring[Export] = Ring(store, EXPORTS, Export, size=MAX_EXPORTS)

    async def visible(self, tenant: TenantId, reader: Reader) -> list[Collection]:
        """The collections that ``reader`` may read or write."""
        return [one for one in await self.collections.all(tenant) if can_read(one, reader) or can_write(one, reader)]

    async def collection(self, tenant: TenantId, name: str, reader: Reader) -> Collection:
        """Raises ``NotFound``, also for a collection that ``reader`` has nothing to do with."""
        found = await self.collections.get(tenant, name)
        if not (can_read(found, reader) or can_write(found, reader)):
            raise NotFound("collection", name)
        return found

    async def look(self, tenant: TenantId, collection: Collection, reader: Reader, query: Query) -> Found:
        """A page of what ``reader`` may see, without handing it over: for manifests. Raises ``NotFound``."""
        if not can_read(collection, reader):
            raise NotFound("collection", collection.id)
        return await self._looking.page(tenant, collection.id, _within(query, collection, reader))

    async def hand_over(self, tenant: TenantId, collection: Collection, reader: Reader, query: Query) -> Found:
        """A page of objects. It is on record before it is returned."""
        found = await self.look(tenant, collection, reader, query)
        if found.rows:
            objects = [(row.object, row.version) for row in found.rows]
            await self.record(tenant, objects, to=reader.name, through=collection.alias, way="taxii",
                              marking=max(row.marking for row in found.rows))  # fmt: skip
        return found

    async def take(self, tenant: TenantId, collection: Collection, reader: Reader, envelope: bytes) -> Status:
        """Add the objects of an envelope, each for itself. Raises ``InvalidInput`` when it is none."""
        if not can_write(collection, reader):
            raise NotFound("collection", collection.id)
        read = read_bundle(envelope, max_bytes=MAX_CONTENT_BYTES)
        added = await self.add(tenant, collection, read.objects)
        bad = [StatusLine(one.object, message=one.message) for one in read.rejected]
        bad += [StatusLine(one.id, one.version, why) for one, why in added.refused]
        refused = {id(one) for one, _ in added.refused}
        versions = {row.object: row.version for row in added.kept}
        good = [
            StatusLine(one.id, one.version or versions.get(one.id, iso_from_ns(self._clock.wall_ns())))
            for one in read.objects
            if id(one) not in refused
        ]
        at_ns = self._clock.wall_ns()
        status = Status(
            id=str(self._ids.new()), tenant=tenant, trace=NO_TRACE, at_ns=at_ns, collection=collection.id,
            by=reader.name, total=len(good) + len(bad), successes=tuple(good[:MAX_STATUS_FAILURES]),
            failures=tuple(bad[:MAX_STATUS_FAILURES]), n_failures=len(bad),
        )  # fmt: skip
        if added.kept:
            await self._audit.record(AuditEntry(
                id=audit_id(at_ns, status.id), tenant=tenant, trace=NO_TRACE, at_ns=at_ns, actor=reader.name,
                action="sharing.taken", subject=collection.alias, case="",
                body={"objects": len(added.kept), "digest": _digest((row.object, row.version) for row in added.kept)},
            ))  # fmt: skip
        await self._statuses.put(status)
        return status

    async def add(
        self, tenant: TenantId, collection: Collection, objects: Sequence[StixObject], *, also: Sequence[Write] = ()
    ) -> Added:
        """Add objects as far as their markings allow. ``also`` is written with the last of them."""
        good, refused = await self._judged(tenant, collection, objects)
        rows = await self.shelf.add(tenant, collection.id, good, also=also)
        kept = tuple(row for row in rows if row is not None)
        return Added(kept, len(rows) - len(kept), tuple(refused))

    async def admissible(
        self, tenant: TenantId, collection: Collection, objects: Sequence[StixObject]
    ) -> list[StixObject]:
        """Those of ``objects`` that ``add`` would not refuse."""
        return [one for one, _ in (await self._judged(tenant, collection, objects))[0]]

    async def _judged(
        self, tenant: TenantId, collection: Collection, objects: Sequence[StixObject]
    ) -> tuple[list[tuple[StixObject, int]], list[tuple[StixObject, str]]]:
        """Objects that the collection may have, each with its marking, and the others, each with why not."""
        book = await self._book(tenant, collection.id, objects)
        good: list[tuple[StixObject, int]] = []
        refused: list[tuple[StixObject, str]] = []
        for one in objects:
            marking = book.marking_of(one, unmarked=self._unmarked)
            try:
                if too_large(one):
                    raise LimitExceeded("bytes of an object", maximum=MAX_OBJECT_BYTES, seen=MAX_OBJECT_BYTES + 1)
                require_shareable(one, marking, collection.audience, f"the collection {collection.alias}")
            except (NotShareable, LimitExceeded) as error:
                refused.append((one, error.message))
            else:
                good.append((one, int(marking)))
        return good, refused

    async def delete(self, tenant: TenantId, collection: Collection, reader: Reader, query: Query) -> int:
        """Remove the versions of one object that ``query`` means. Raises ``NotFound`` when there is none."""
        if not (can_read(collection, reader) and can_write(collection, reader)):
            raise NotFound("collection", collection.id)
        (stix_id,) = query.ids
        there = await self.shelf.versions(tenant, collection.id, stix_id)
        wanted = [row for row in there if _within(query, collection, reader).wants(row)]
        if not wanted:
            raise NotFound("object", stix_id)
        at_ns = self._clock.wall_ns()
        await self._audit.record(AuditEntry(
            id=audit_id(at_ns, "delete", str(self._ids.new())), tenant=tenant, trace=NO_TRACE, at_ns=at_ns,
            actor=reader.name, action="sharing.deleted", subject=f"{collection.alias}/{stix_id}", case="",
            body={"versions": [row.version for row in wanted]},
        ))  # fmt: skip
        await self.shelf.remove(tenant, collection.id, wanted)
        return len(wanted)

    async def status(self, tenant: TenantId, status_id: str, reader: Reader) -> Status:
        """Raises ``NotFound``; a partner's own only."""
        found = await self._statuses.get(tenant, status_id)
        if reader.partner and found.by != reader.name:
            raise NotFound("status", status_id)
        return found

    async def record(
        self, tenant: TenantId, objects: Sequence[tuple[str, str]], *, to: str, through: str, way: str, marking: int
    ) -> Export:
        """Put an export on record, in the ledger first."""
        at_ns, digest = self._clock.wall_ns(), _digest(objects)
        made = Export(
            id=str(self._ids.new()), tenant=tenant, trace=NO_TRACE, at_ns=at_ns, to=to, through=through, way=way,
            objects=len(objects), marking=marking, digest=digest,
        )  # fmt: skip
        await self._audit.record(AuditEntry(
            id=audit_id(at_ns, made.id), tenant=tenant, trace=NO_TRACE, at_ns=at_ns, actor=to,
            action="sharing.exported", subject=through, case="",
            body={"objects": len(objects), "digest": digest, "way": way, "marking": Marking(marking).label},
        ))  # fmt: skip
        await self._exports.put(made)
        return made

    async def exports(self, tenant: TenantId, *, limit: int = 100) -> list[Export]:
        """What was handed over, the newest first."""
        return await self._exports.newest(tenant, limit=limit)

    async def statuses(self, tenant: TenantId, *, limit: int = 100) -> list[Status]:
        """Requests that brought objects, the newest first."""
        return await self._statuses.newest(tenant, limit=limit)

    async def checked_for(
        self, objects: Sequence[StixObject], ceiling: Marking, to: str
    ) -> tuple[int, list[StixObject]]:
        """The closest marking among ``objects``, and them with the definitions of TLP that they refer to.

        Raises ``NotShareable`` at the first one that is closer than ``ceiling``.
        """
        book = MarkingBook(objects)
        closest = Marking.CLEAR
        for one in objects:
            marking = book.marking_of(one, unmarked=self._unmarked)
            if marking > ceiling:
                raise NotShareable(one.id, marking.label, to, f"it may have {ceiling.label} at most")
            closest = max(closest, marking)
        return int(closest), with_definitions(objects)

    async def _book(self, tenant: TenantId, collection: str, objects: Sequence[StixObject]) -> MarkingBook:
        """What the markings of ``objects`` mean, as far as they or the collection say it."""
        book = MarkingBook(objects)
        unknown = {marking for one in objects for marking in book.unknown(one)}
        for stix_id in sorted(unknown):
            for kept in await self.shelf.versions(tenant, collection, stix_id):
                book.learn(kept.stix())
        return book


def with_definitions(objects: Sequence[StixObject]) -> list[StixObject]:
    """The objects, after the definitions of TLP that they refer to and do not bring."""
    there = {one.id for one in objects}
    used = {marking for one in objects for marking in one.markings}
    needed = [definition_of(marking) for marking in Marking]
    return [*(one for one in needed if one.id in used and one.id not in there), *objects]


def _within(query: Query, collection: Collection, reader: Reader) -> Query:
    """The query, closed to what the collection's audience may have; for the own people, to what may leave at all."""
    ceiling = collection.audience.ceiling if reader.partner else Marking.AMBER_STRICT
    return replace(query, ceiling=min(query.ceiling, ceiling))


def _digest(objects: Iterable[tuple[str, str]]) -> str:
    """What was handed over, as one hash that both sides can make."""
    return hashlib.sha256(
        "\n".join(sorted(f"{stix_id} {version}" for stix_id, version in objects)).encode()
    ).hexdigest()
