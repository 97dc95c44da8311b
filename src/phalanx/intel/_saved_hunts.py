"""Hypotheses as saved queries, asked when somebody wants or again and again, and what they found."""

import re
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from phalanx.core import (
    MAX_PAGE_ROWS,
    NO_TRACE,
    NS_PER_S,
    AuditEntry,
    AuditSink,
    Clock,
    Delete,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    decode,
    derive_id,
    encode,
    event_id,
)
from phalanx.intel._limits import MAX_HYPOTHESES, MAX_REASON_CHARS, MAX_RUN_EVENTS
from phalanx.intel.archive import Answer, Searches, parse

HYPOTHESES: Final = Table("hypotheses", sealed=True)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Hypothesis(Record, frozen=True, kw_only=True, tag="hypothesis"):
    """A saved query under the name ``id``. ``every_s`` is how often it is asked; 0: when somebody wants.

    ``ran_at_ns``, ``total`` and ``events`` (the newest) are what it found when it was last asked.
    """

    VERSION: ClassVar[int] = 1

    query: str
    about: str = ""
    techniques: tuple[str, ...] = ()
    every_s: float = 0.0
    by: str = ""
    ran_at_ns: int = 0
    total: int = 0
    complete: bool = True
    events: tuple[str, ...] = ()


class HypothesisWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants to save."""

    name: str
    query: str
    about: str = ""
    techniques: tuple[str, ...] = ()
    every_s: float = 0.0


class Hypotheses:
    """Saved queries of every tenant."""

    def __init__(self, store: Store, searches: Searches, clock: Clock, audit: AuditSink) -> None:
        self._store = store
        self._searches = searches
        self._clock = clock
        self._audit = audit

    async def save(self, wanted: HypothesisWanted, *, tenant: TenantId, by: str) -> Hypothesis:
        """Save a query, in place of one of the same name. Raises ``InvalidInput``, ``InvalidQuery`` among them."""
        if not _NAME.fullmatch(wanted.name):
            raise InvalidInput("name", "is 1 to 63 of a-z, 0-9, ., _ and -")
        if len(wanted.about) > MAX_REASON_CHARS:
            raise LimitExceeded("letters of what a hunt is about", maximum=MAX_REASON_CHARS, seen=len(wanted.about))
        if not 0 <= wanted.every_s <= 10**8 or 0 < wanted.every_s < 1:
            raise InvalidInput("every_s", "is 0, or a second or more")
        now_ns = self._clock.wall_ns()
        parse(wanted.query, now_ns=now_ns)
        held = await self._store.scan(HYPOTHESES, tenant, limit=MAX_PAGE_ROWS)
        if len(held) >= MAX_HYPOTHESES and all(row.key != wanted.name for row in held):
            raise LimitExceeded("saved hunts", maximum=MAX_HYPOTHESES, seen=len(held) + 1)
        made = Hypothesis(
            id=wanted.name, tenant=tenant, trace=NO_TRACE, at_ns=now_ns, query=wanted.query, about=wanted.about,
            techniques=wanted.techniques, every_s=wanted.every_s, by=by,
        )  # fmt: skip
        await self._tell("hunt.save", made, by=by)
        await self._put(made)
        return made

    async def list(self, tenant: TenantId) -> Sequence[Hypothesis]:
        """All of a tenant, by name."""
        rows = await self._store.scan(HYPOTHESES, tenant, limit=MAX_PAGE_ROWS)
        return [decode(row.value, Hypothesis) for row in rows]

    async def get(self, tenant: TenantId, name: str) -> Hypothesis:
        """Raises ``NotFound``."""
        row = await self._store.get(HYPOTHESES, tenant, name)
        if row is None:
            raise NotFound("saved hunt", name)
        return decode(row.value, Hypothesis)

    async def remove(self, tenant: TenantId, name: str, *, by: str) -> None:
        """Raises ``NotFound``."""
        await self._tell("hunt.remove", await self.get(tenant, name), by=by)
        await self._store.commit([Delete(HYPOTHESES, tenant, name)])

    async def run(self, tenant: TenantId, name: str, *, limit: int = MAX_RUN_EVENTS) -> tuple[Hypothesis, Answer]:
        """Ask it now, and note what it found. Raises ``NotFound`` and what a search raises."""
        kept = await self.get(tenant, name)
        now_ns = self._clock.wall_ns()
        answer = await self._searches.search(tenant, parse(kept.query, now_ns=now_ns), limit=limit, text=kept.query)
        found = tuple(event_id(batch.batch, batch.rows[at]) for batch, at in answer.events[:MAX_RUN_EVENTS])
        asked = msgspec.structs.replace(
            kept, ran_at_ns=now_ns, total=answer.total, complete=answer.complete, events=found
        )
        await self._put(asked)
        return asked, answer

    async def run_due(self) -> Sequence[tuple[Hypothesis, Hypothesis]]:
        """Ask those whose time has come; each as it was before and as it is now."""
        asked = []
        for tenant in await self._store.tenants(HYPOTHESES):
            for before in await self.list(tenant):
                due_ns = before.ran_at_ns + round(before.every_s * NS_PER_S)
                if before.every_s and due_ns <= self._clock.wall_ns():
                    asked.append((before, (await self.run(tenant, before.id))[0]))
        return asked

    async def _put(self, one: Hypothesis) -> None:
        await self._store.commit([Put(HYPOTHESES, one.tenant, one.id, encode(one))])

    async def _tell(self, action: str, one: Hypothesis, *, by: str) -> None:
        at_ns = self._clock.wall_ns()
        await self._audit.record(
            AuditEntry(
                id=derive_id(at_ns, action, one.tenant, one.id, one.query), tenant=one.tenant, trace=NO_TRACE,
                at_ns=at_ns, actor=by, action=action, subject=one.id, case="",
                body={"query": one.query, "every_s": one.every_s},
            )
        )  # fmt: skip
