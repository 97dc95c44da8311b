"""Collections: named shelves of STIX objects, each with an audience and with those who may read and write it.

People of the organisation reach every collection of their tenant by their access role: viewers read, operators write.
A partner (access role `partner`) reaches those that name its token, and nothing else of the node.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec

from phalanx.core import (
    MAX_PAGE_ROWS,
    NO_TRACE,
    Clock,
    Delete,
    Expect,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Put,
    Record,
    Row,
    Store,
    Table,
    TenantId,
    decode,
    derive_id,
    encode,
)
from phalanx.intel.sharing._ids import named_uuid
from phalanx.intel.sharing._limits import MAX_COLLECTIONS, MAX_NAMES, MAX_TEXT_CHARS, MAX_TITLE_CHARS
from phalanx.intel.sharing._tlp import Audience

COLLECTIONS: Final = Table("sharing_collections", sealed=True)
ANYBODY: Final = "*"
_NAMES: Final = uuid.UUID("0b3b1b56-9f0e-5d1a-9f6f-2f1f6f0e6b43")


class Collection(Record, frozen=True, kw_only=True, tag="sharing-collection"):
    """One collection. ``id`` is a UUID that follows from tenant and alias.

    ``readers`` and ``writers`` are names of partners' tokens; ``*`` is every partner of the tenant.
    """

    VERSION: ClassVar[int] = 1

    title: str
    alias: str
    description: str
    audience: Audience
    readers: tuple[str, ...]
    writers: tuple[str, ...]
    made_by: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Whoever asks for collections: of the organisation, or a partner, by the name of the token."""

    name: str
    partner: bool
    may_read: bool = True
    may_write: bool = False


def can_read(collection: Collection, reader: Reader) -> bool:
    return _named(collection.readers, reader.name) if reader.partner else reader.may_read


def can_write(collection: Collection, reader: Reader) -> bool:
    return _named(collection.writers, reader.name) if reader.partner else reader.may_write


def _named(names: Sequence[str], name: str) -> bool:
    return ANYBODY in names or name in names


def collection_id(tenant: TenantId, alias: str) -> str:
    return str(named_uuid(_NAMES, f"{tenant}\x1f{alias}"))


class Collections:
    """Makes, changes, lists and removes collections."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def make(
        self, tenant: TenantId, alias: str, *, title: str = "", description: str = "",
        audience: Audience = Audience.OWN, readers: Sequence[str] = (), writers: Sequence[str] = (), by: str,
    ) -> Collection:  # fmt: skip
        """Make a collection, or give the one of that alias other properties.

        Raises ``InvalidInput`` and ``LimitExceeded``.
        """
        made = _checked(Collection(
            id=collection_id(tenant, alias), tenant=tenant, trace=NO_TRACE, at_ns=self._clock.wall_ns(),
            title=title or alias, alias=alias, description=description, audience=audience,
            readers=tuple(dict.fromkeys(readers)), writers=tuple(dict.fromkeys(writers)), made_by=by,
        ))  # fmt: skip
        row = await self._store.get(COLLECTIONS, tenant, made.id)
        if row is None:
            n_there = len(await self.all(tenant))
            if n_there >= MAX_COLLECTIONS:
                raise LimitExceeded("collections", maximum=MAX_COLLECTIONS, seen=n_there + 1)
        else:
            made = msgspec.structs.replace(made, at_ns=decode(row.value, Collection).at_ns)
        version = 0 if row is None else row.version
        put = Put(COLLECTIONS, tenant, made.id, encode(made))
        await self._store.commit([put], expect=[Expect(COLLECTIONS, tenant, made.id, version)])
        return made

    async def get(self, tenant: TenantId, name: str) -> Collection:
        """By id or alias. Raises ``NotFound``."""
        row = await self._store.get(COLLECTIONS, tenant, name)
        if row is None:
            row = await self._store.get(COLLECTIONS, tenant, collection_id(tenant, name))
        if row is None:
            raise NotFound("collection", name)
        return decode(row.value, Collection)

    async def all(self, tenant: TenantId) -> list[Collection]:
        rows: list[Row] = await self._store.scan(COLLECTIONS, tenant, limit=min(MAX_COLLECTIONS, MAX_PAGE_ROWS))
        return sorted((decode(row.value, Collection) for row in rows), key=lambda one: one.alias)

    async def remove(self, tenant: TenantId, name: str) -> Collection:
        """Only the collection; its objects are removed by whoever keeps them. Raises ``NotFound``."""
        found = await self.get(tenant, name)
        await self._store.commit([Delete(COLLECTIONS, tenant, found.id)])
        return found


def _checked(made: Collection) -> Collection:
    if (
        not 0 < len(made.alias) <= 64
        or not all(c.isalnum() or c in "-_." for c in made.alias)
        or not made.alias.isascii()
    ):
        raise InvalidInput("alias", "has to be 1 to 64 of letters, digits, `-`, `_` and `.`")
    if len(made.title) > MAX_TITLE_CHARS or len(made.description) > MAX_TEXT_CHARS:
        raise InvalidInput("title", f"is limited to {MAX_TITLE_CHARS} characters, a description to {MAX_TEXT_CHARS}")
    for field, names in (("readers", made.readers), ("writers", made.writers)):
        if len(names) > MAX_NAMES or not all(names):
            raise InvalidInput(field, f"has to be at most {MAX_NAMES} names")
    if made.audience is Audience.OWN and made.readers:
        raise InvalidInput("readers", "a collection of the own organisation has no partners that read it",
                           hint="choose the audience partner, community or public")  # fmt: skip
    if made.audience is Audience.PARTNER and ANYBODY in made.readers:
        raise InvalidInput("readers", "partners are named one by one: AMBER is for organisations that are named")
    return made


def audit_id(at_ns: int, *cause: str) -> str:
    """The id of a ledger entry about sharing."""
    return derive_id(at_ns, "sharing", *cause)
