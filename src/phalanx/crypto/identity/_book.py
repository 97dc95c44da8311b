"""The stored side: reads identities, and commits each change with the audit entry it owes."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Clock,
    Delete,
    Expect,
    NotFound,
    Overloaded,
    Put,
    Record,
    Row,
    StorageError,
    Store,
    Table,
    Write,
    decode,
    derive_id,
)
from phalanx.crypto.identity._certificate import Certificate
from phalanx.crypto.identity._chain import Chain
from phalanx.crypto.identity._limits import MAX_CHAIN, PAGE_ROWS
from phalanx.crypto.identity._model import Subject, SubjectKind
from phalanx.crypto.identity._records import (
    ANCHORS,
    HEAD,
    HEAD_KEY,
    IDENTITIES,
    LISTS,
    OWED,
    STANDINGS,
    AnchorRecord,
    IdentityRecord,
    ListRecord,
    OwedRecord,
    StandingRecord,
    put,
)
from phalanx.crypto.identity._revocation import RevocationList
from phalanx.crypto.identity._seated import SEATED, SeatedSet

R = TypeVar("R", bound=Record)


class Book:
    """Rows of identities. What is committed here is durable when the call returns."""

    def __init__(self, store: Store, audit: AuditSink, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    async def head(self) -> int:
        """Grows with every change, whichever process made it."""
        row = await self._store.get(HEAD, DEFAULT_TENANT, HEAD_KEY)
        return row.version if row else 0

    async def get(self, serial: str) -> IdentityRecord:
        """Raises ``NotFound``."""
        row = await self._store.get(IDENTITIES, DEFAULT_TENANT, serial)
        if row is None:
            raise NotFound("identity", serial, hint="`phalanx keys identity list` shows those there are")
        return decode(row.value, IdentityRecord)

    async def find(self, name: str) -> IdentityRecord:
        """By serial, by key fingerprint, or the newest of a subject; raises ``NotFound``."""
        if (row := await self._store.get(IDENTITIES, DEFAULT_TENANT, name)) is not None:
            return decode(row.value, IdentityRecord)
        row = await self._store.get(STANDINGS, DEFAULT_TENANT, name)
        if row is not None:
            return await self.get(decode(row.value, StandingRecord).serial)
        for index in ("key", "subject"):
            rows = await self._store.find(IDENTITIES, DEFAULT_TENANT, index, name, limit=PAGE_ROWS)
            if rows:
                return max((decode(row.value, IdentityRecord) for row in rows), key=lambda one: (one.epoch, one.at_ns))
        raise NotFound("identity", name, hint="`phalanx keys identity list` shows those there are")

    async def certificates_of(self, subject: Subject) -> list[Certificate]:
        """Every certificate of one subject that is kept."""
        return [Certificate.from_bytes(one.certificate) for one in await self.of_subject(str(subject))]

    async def of_subject(self, subject: str) -> list[IdentityRecord]:
        """The record of every certificate of one subject."""
        found: list[IdentityRecord] = []
        after = ""
        while rows := await self._store.find(IDENTITIES, DEFAULT_TENANT, "subject", subject, after=after):
            found += [decode(row.value, IdentityRecord) for row in rows]
            after = rows[-1].key
        return found

    async def page(
        self, *, kind: SubjectKind | None = None, after: str = "", limit: int = PAGE_ROWS
    ) -> list[IdentityRecord]:
        """In order of serial, which says nothing of time."""
        rows: Sequence[Row]
        if kind is None:
            rows = await self._store.scan(IDENTITIES, DEFAULT_TENANT, after=after, limit=limit)
        else:
            rows = await self._store.find(IDENTITIES, DEFAULT_TENANT, "kind", kind.value, after=after, limit=limit)
        return [decode(row.value, IdentityRecord) for row in rows]

    async def chain(self, record: IdentityRecord) -> Chain:
        """The certificate with those above it; raises ``NotFound`` when one of them is not here."""
        links = [record]
        while links[-1].issuer_serial != links[-1].id and len(links) < MAX_CHAIN:
            links.append(await self.get(links[-1].issuer_serial))
        return Chain(tuple(Certificate.from_bytes(one.certificate) for one in links))

    async def read(self, table: Table, key: str, kind: type[R]) -> R | None:
        row = await self._store.get(table, DEFAULT_TENANT, key)
        return None if row is None else decode(row.value, kind)

    async def seated(self) -> list[SeatedSet]:
        """The sets of agents that were seated and not ended."""
        return [decode(row.value, SeatedSet) for row in await self._everything(SEATED)]

    async def standing(self, subject: Subject) -> tuple[StandingRecord | None, int]:
        """The subject's standing and its row's version, for ``Expect``."""
        row = await self._store.get(STANDINGS, DEFAULT_TENANT, str(subject))
        return (decode(row.value, StandingRecord), row.version) if row else (None, 0)

    async def standings(self) -> list[StandingRecord]:
        return [decode(row.value, StandingRecord) for row in await self._everything(STANDINGS)]

    async def lists(self) -> list[tuple[ListRecord, RevocationList]]:
        found = [decode(row.value, ListRecord) for row in await self._everything(LISTS)]
        return [(record, RevocationList.from_bytes(record.revocations)) for record in found]

    async def list_version(self, issuer: Subject) -> int:
        row = await self._store.get(LISTS, DEFAULT_TENANT, str(issuer))
        return row.version if row else 0

    async def anchors(self) -> list[AnchorRecord]:
        return [decode(row.value, AnchorRecord) for row in await self._everything(ANCHORS)]

    async def commit(
        self,
        writes: Iterable[Write],
        *,
        then: Callable[[], None],
        expect: Sequence[Expect] = (),
        owed: Sequence[OwedRecord] = (),
    ) -> None:
        """Write all or nothing, let it take effect with ``then``, and put what is owed into the ledger.

        Raises ``Conflict`` when another process was first. ``then`` runs in the step in which the
        commit returns. Should the ledger have no room, the debt stays and ``settle`` pays it later:
        nothing takes effect that the ledger never hears of, and what is in force does not look
        to its caller as if it had failed.
        """
        touched = Put(HEAD, DEFAULT_TENANT, HEAD_KEY, b"")
        await self._store.commit([*writes, *(put(OWED, one) for one in owed), touched], expect=expect)
        then()
        with contextlib.suppress(StorageError, Overloaded):
            for one in owed:
                await self._pay(one)

    async def settle(self) -> None:
        """Put into the ledger what a crash or a full disk kept from it. An entry goes in once however often sent."""
        for row in await self._everything(OWED):
            await self._pay(decode(row.value, OwedRecord))

    async def forget(self, serials: Sequence[str]) -> None:
        await self._store.commit([Delete(IDENTITIES, DEFAULT_TENANT, serial) for serial in serials])

    def owe(self, actor: str, action: str, subject: Subject | str, **body: str) -> OwedRecord:
        """What the ledger is to hear of one change; its id follows from what it tells."""
        at_ns = self._clock.wall_ns()
        cause = (action, str(subject), *(f"{name}={value}" for name, value in sorted(body.items())))
        return OwedRecord(
            id=derive_id(at_ns, "identity", *cause),
            tenant=DEFAULT_TENANT,
            trace=NO_TRACE,
            at_ns=at_ns,
            actor=actor,
            action=action,
            subject=str(subject),
            body=body,
        )

    async def _pay(self, owed: OwedRecord) -> None:
        await self._audit.record(
            AuditEntry(
                owed.id, owed.tenant, owed.trace, owed.at_ns, owed.actor, owed.action, owed.subject, "", owed.body
            )
        )
        await self._store.commit([Delete(OWED, DEFAULT_TENANT, owed.id)])

    async def _everything(self, table: Table) -> list[Row]:
        rows: list[Row] = []
        while True:
            page = await self._store.scan(table, DEFAULT_TENANT, after=rows[-1].key if rows else "", limit=PAGE_ROWS)
            rows += page
            if len(page) < PAGE_ROWS:
                return rows
