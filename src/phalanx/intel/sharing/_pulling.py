"""Collections elsewhere, pulled into collections here and pushed from them, each object once.

A page and how far it leads are written together, so a pull that was cut off goes on behind its last page. What comes
again is known by its id and version. Where a server has forgotten its cursor, the pull begins again from the time up
to which the last whole pull came.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from phalanx.core import (
    NO_TRACE,
    Clock,
    NotFound,
    PhalanxError,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    decode,
    encode,
    iso_from_ns,
)
from phalanx.intel.sharing._checking import is_time
from phalanx.intel.sharing._client import TaxiiClient
from phalanx.intel.sharing._collections import Collection, Reader
from phalanx.intel.sharing._errors import TaxiiRefused
from phalanx.intel.sharing._exchange import Exchange
from phalanx.intel.sharing._indicators import SharedIndicator, Taken, indicators_of
from phalanx.intel.sharing._limits import MAX_PAGE_OBJECTS, MAX_PULL_PAGES, PUSH_OBJECTS
from phalanx.intel.sharing._looking import ALL, Query
from phalanx.intel.sharing._tlp import Audience, require_shareable
from phalanx.messaging import Marking

PULLS: Final = Table("sharing_pulls")


class IndicatorSink(Protocol):
    """Where values to look for go. The same again changes nothing."""

    async def take(
        self, tenant: TenantId, origin: str, indicators: Sequence[SharedIndicator], revoked: Sequence[str], /
    ) -> Sequence[tuple[str, str]]:
        """Look for these, which came from ``origin``, and for those of the objects ``revoked`` no more.

        Returns values that are not looked for, each with the reason.
        """
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A collection elsewhere: where it is, and who is there (what may be pushed to it)."""

    name: str
    root: str
    collection: str
    client: TaxiiClient
    every_s: float
    audience: Audience


class Pull(Record, frozen=True, kw_only=True, tag="sharing-pull"):
    """How far a source was pulled. ``at_ns`` is of the last attempt, ``done_ns`` of the last whole pull.

    ``objects``, ``refused`` and ``indicators`` count since the source is known; ``problem`` is empty after a pull
    that went well.
    """

    added_after: str
    next: str
    last_added: str
    done_ns: int
    objects: int
    refused: int
    indicators: int
    unusable: int
    problem: str


class Pulling:
    """Pulls and pushes for one tenant's sources."""

    def __init__(
        self, exchange: Exchange, store: Store, clock: Clock, sources: Sequence[Source], *,
        sink: IndicatorSink | None = None,
    ) -> None:  # fmt: skip
        self.sources: Mapping[str, Source] = {one.name: one for one in sources}
        self._exchange = exchange
        self._store = store
        self._clock = clock
        self._sink = sink
        # One pull of a source at a time: by itself and by hand may come together.
        self._turns = {name: asyncio.Lock() for name in self.sources}

    def source(self, name: str) -> Source:
        """Raises ``NotFound``."""
        if name not in self.sources:
            raise NotFound("source", name, hint="sources are in the settings: taxii.sources")
        return self.sources[name]

    async def state(self, tenant: TenantId, name: str) -> Pull:
        row = await self._store.get(PULLS, tenant, name)
        if row is not None:
            return decode(row.value, Pull)
        return Pull(
            id=name, tenant=tenant, trace=NO_TRACE, at_ns=0, added_after="", next="", last_added="", done_ns=0,
            objects=0, refused=0, indicators=0, unusable=0, problem="",
        )  # fmt: skip

    async def pull(self, tenant: TenantId, name: str) -> Pull:
        """Bring in what is new. What went wrong is noted and raised."""
        source = self.source(name)
        async with self._turns[name]:
            return await self._pull(tenant, source)

    async def _pull(self, tenant: TenantId, source: Source) -> Pull:
        state = await self.state(tenant, source.name)
        shelf = await self._collection(tenant, source)
        try:
            for _ in range(MAX_PULL_PAGES):
                state = await self._page(tenant, source, shelf, state)
                if not state.next:
                    return state
        except TaxiiRefused as error:
            # A cursor that the server forgot: from the last whole pull on, whatever comes twice is known.
            forgotten = error.context["status"] in (400, 404) and state.next
            state = msgspec.structs.replace(state, next="" if forgotten else state.next)
            await self._note(state, error)
            raise
        except PhalanxError as error:
            await self._note(state, error)
            raise
        return state

    async def push(self, tenant: TenantId, name: str, collection: str, *, by: str) -> dict[str, int]:
        """Add what a collection here holds to the source's collection, as far as its audience may have it."""
        source = self.source(name)
        here = await self._exchange.collections.get(tenant, collection)
        reader = Reader(by, partner=False)
        sent = failed = 0
        after = ""
        while True:
            query = Query(after=after, limit=PUSH_OBJECTS, versions=frozenset({ALL}), ceiling=source.audience.ceiling)
            found = await self._exchange.look(tenant, here, reader, query)
            if found.rows:
                objects = [row.stix() for row in found.rows]
                for one, row in zip(objects, found.rows, strict=True):
                    require_shareable(one, Marking(row.marking), source.audience, source.name)
                await self._exchange.record(
                    tenant, [(row.object, row.version) for row in found.rows], to=source.name, through=here.alias,
                    way="push", marking=max(row.marking for row in found.rows),
                )  # fmt: skip
                status = await source.client.push(source.root, source.collection, objects)
                failed += int(status.get("failure_count", 0))
                sent += len(objects)
            after = found.next
            if not after:
                return {"sent": sent, "failed": failed}

    async def _page(self, tenant: TenantId, source: Source, shelf: Collection, state: Pull) -> Pull:
        begun_ns = self._clock.wall_ns()
        page = await source.client.page(
            source.root, source.collection, added_after=state.added_after, after=state.next, limit=MAX_PAGE_OBJECTS
        )
        objects = await self._exchange.admissible(tenant, shelf, page.read.objects)
        # What is not kept for its marking is not looked for, either.
        taken = indicators_of(objects)
        refused = len(page.read.rejected) + len(page.read.objects) - len(objects)
        await self._hand_on(tenant, source.name, taken)
        last = page.last_added if is_time(page.last_added) else state.last_added
        # Where a server does not say when its last was added: all that was there when we asked.
        reached = last or (iso_from_ns(begun_ns) if page.read.objects else state.added_after)
        whole = not page.next
        following = msgspec.structs.replace(
            state, at_ns=begun_ns, next=page.next, last_added=last, added_after=reached if whole else state.added_after,
            done_ns=begun_ns if whole else state.done_ns, objects=state.objects + len(page.read.objects),
            refused=state.refused + refused, indicators=state.indicators + len(taken.indicators),
            unusable=state.unusable + len(taken.refused), problem="",
        )  # fmt: skip
        await self._exchange.add(tenant, shelf, objects, also=[_put(following)])
        return following

    async def _hand_on(self, tenant: TenantId, origin: str, taken: Taken) -> None:
        """Before the page is noted as read: whoever takes values takes the same again without harm."""
        if self._sink is not None and (taken.indicators or taken.revoked):
            await self._sink.take(tenant, origin, taken.indicators, taken.revoked)

    async def _collection(self, tenant: TenantId, source: Source) -> Collection:
        alias = f"from-{source.name}"
        try:
            return await self._exchange.collections.get(tenant, alias)
        except NotFound:
            return await self._exchange.collections.make(
                tenant, alias, title=f"Pulled from {source.name}", audience=Audience.OWN, by="taxii"
            )

    async def _note(self, state: Pull, error: PhalanxError) -> None:
        noted = msgspec.structs.replace(state, at_ns=self._clock.wall_ns(), problem=error.message[:500])
        await self._store.commit([_put(noted)])


def _put(pull: Pull) -> Put:
    return Put(PULLS, pull.tenant, pull.id, encode(pull))
