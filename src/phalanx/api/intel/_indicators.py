"""Indicators over HTTP: imported from files, looked up, listed, removed, and matched against stored events."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import Page, page, reply
from phalanx.api._schemas import answer
from phalanx.core import BatchId, EventBatch, Finding, InvalidInput, TenantId
from phalanx.intel import read_lines
from phalanx.intel.indicators import (
    EVERYBODY,
    Kind,
    Match,
    Refused,
    State,
    Wanted,
    guess_kind,
    look_up,
    retro_match,
)
from phalanx.intel.sharing import marking_named
from phalanx.messaging import Marking
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_MAX_TOLD = 100
_TEXT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}
}  # fmt: skip
_Everybody = Annotated[bool, Query(description="For the events of every tenant; by administrators.")]
_Source = Annotated[str, Query(max_length=128, description="Source of the values.")]


class IndicatorView(msgspec.Struct, frozen=True, kw_only=True):
    """An indicator: what is looked for, and what is known about it. ``value`` is the value asked about, if any."""

    kind: Kind
    indicator: str
    source: str
    name: str
    reference: str
    confidence: float
    from_ns: int
    until_ns: int
    marking: str
    labels: tuple[str, ...]
    everybody: bool
    value: str = ""


class KnownIndicator(IndicatorView, frozen=True, kw_only=True):
    """An indicator that covers a value, and its state: expired and withdrawn ones are known for some time longer."""

    state: State


class IndicatorChange(msgspec.Struct, frozen=True, kw_only=True):
    """When an indicator was added, and by which source, or when it was ``withdrawn``, from whatever source."""

    at_ns: int
    kind: Kind
    indicator: str
    source: str
    withdrawn: bool
    everybody: bool


class IndicatorKnown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about a value: indicators that cover it, their past, and the newest findings they made.

    ``changes`` come newest first; ``whole`` says that everything ever added was searched for them.
    """

    value: str
    kind: Kind
    known: tuple[KnownIndicator, ...]
    changes: tuple[IndicatorChange, ...]
    whole: bool
    findings: tuple[Finding, ...]


class RefusedValue(msgspec.Struct, frozen=True):
    """A value and what is wrong with it."""

    value: str
    reason: str


class IndicatorsTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file of indicators; of what was refused or flagged, the first hundred."""

    taken: int
    refused: int
    flagged: int
    replaced: int
    told: tuple[RefusedValue, ...]


class IndicatorStats(msgspec.Struct, frozen=True, kw_only=True):
    """How many values are looked for, and what that takes. ``entries`` counts a value once for each of its sources.

    ``sources`` has how many values each provided, ``notes`` how many statements they all make about values. ``kinds``
    and ``markings`` count the same values by type and by TLP; the type of ``untold`` values is not kept. The counts are
    ``exact`` if there are few enough values; otherwise they may include withdrawn and repeated ones.
    """

    entries: int
    notes: int
    sources: dict[str, int]
    kinds: dict[str, int]
    markings: dict[str, int]
    untold: int
    exact: bool
    tables: int
    files: int
    table_bytes: int
    everybody: int
    kernels: bool
    warninglists: int
    warninglist_entries: int


class RetroHitView(msgspec.Struct, frozen=True):
    """A stored event that contains something that is looked for now."""

    event: str
    time_ns: int
    title: str
    told: str
    confidence: float


class RetroView(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in stored events, newest first, and how many were checked. ``whole``: all that are stored."""

    hits: tuple[RetroHitView, ...]
    events: int
    batches: int
    took_ns: int
    whole: bool


KINDS = (
    IndicatorView, IndicatorsTaken, IndicatorStats, RetroView, RefusedValue, RetroHitView, KnownIndicator,
    IndicatorChange, IndicatorKnown,
)  # fmt: skip


def indicator_routes(node: "Node", gate: Gate) -> APIRouter:
    """The routes of ``node``."""
    router = APIRouter(tags=["indicators"])
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("/v1/indicators", responses=answer(IndicatorView, many=True))
    async def list_indicators(
        principal: Annotated[Principal, viewer], asked: Annotated[Page, Depends(page)], source: _Source = "",
        kind: Annotated[Kind | None, Query(description="Only this type.")] = None, everybody: _Everybody = False,  # noqa: FBT002
    ) -> Response:  # fmt: skip
        """All values looked for, in the order they were added."""
        scope = EVERYBODY if everybody else principal.tenant
        found, following = await node.indicators.listed(
            scope, after=asked.after, limit=asked.limit, source=source, kind=kind
        )
        items = [_view(Match("", one.kind, one.value, one.note, scope)) for one in found]
        return reply({"items": items, "next": following})

    @router.get("/v1/indicators/stats", responses=answer(IndicatorStats))
    async def indicator_stats(principal: Annotated[Principal, viewer]) -> Response:
        """How many values are looked for in the caller's events, and what that takes."""
        return reply(await node.offload.run(stats_of, node, principal.tenant))

    @router.post("/v1/indicators/match", responses=answer(IndicatorView, many=True), openapi_extra=_TEXT)
    async def match_values(request: Request, principal: Annotated[Principal, viewer]) -> Response:
        """Which values of the body, one per line, are looked for."""
        body = await read_body(request, node.offload)
        return reply({"items": await node.offload.run(_matched, node, principal.tenant, body), "next": ""})

    @router.get("/v1/indicators/known", responses=answer(IndicatorKnown))
    async def known_value(
        principal: Annotated[Principal, viewer],
        value: Annotated[str, Query(min_length=1, max_length=4_096, description="An address, a name, a URL, a hash.")],
        kind: Annotated[Kind | None, Query(description="Type of the value; by default recognised.")] = None,
    ) -> Response:
        """What is known about a value: since when, from whom, until when, what it matched, what was withdrawn."""
        return reply(await _known(node, principal.tenant, value, kind))

    _changing(router, node, gate)
    return router


def _changing(router: APIRouter, node: "Node", gate: Gate) -> None:
    operator = Depends(gate.needs(Role.OPERATOR))

    @router.post("/v1/indicators", responses=answer(IndicatorsTaken), openapi_extra=_TEXT)
    async def put_indicators(
        request: Request, principal: Annotated[Principal, operator], source: _Source,
        kind: Annotated[Kind | None, Query(description="Type of them all; by default recognised one by one.")] = None,
        format: Annotated[Literal["auto", "text", "csv"], Query(description="Format of the body.")] = "auto",  # noqa: A002
        name: Annotated[str, Query(max_length=200, description="What all of them are about.")] = "",
        confidence: Annotated[float, Query(ge=0, le=1)] = 0.5,
        days: Annotated[float, Query(ge=0, le=36_500, description="Days to look for them; 0: for good.")] = 0,
        marking: Annotated[str, Query(max_length=20, description="TLP.")] = "amber",
        replace_source: Annotated[bool, Query(description="Drop what the source provided before.")] = False,  # noqa: FBT002
        everybody: _Everybody = False,  # noqa: FBT002
    ) -> Response:  # fmt: skip
        """Look for the values of the body: one per line, or CSV with a header. The ledger records who added what."""
        _may_everybody(principal, everybody=everybody)
        tlp = marking_named(marking)
        if tlp is None:
            raise InvalidInput("marking", f"{marking!r} is no marking of TLP: clear, green, amber, amber+strict, red")
        wanted = Wanted(
            source=source, kind=kind, form=format, name=name, confidence=confidence, days=days, marking=tlp,
            replaces=replace_source,
        )  # fmt: skip
        body = await read_body(request, node.offload)
        taken = await node.by_hand.put(principal.tenant, body, wanted, everybody=everybody, by=principal.name)
        told = (*taken.refused, *taken.flagged)[:_MAX_TOLD]
        return reply(IndicatorsTaken(
            taken=taken.taken, refused=len(taken.refused), flagged=len(taken.flagged), replaced=taken.replaced,
            told=tuple(_refused(one) for one in told),
        ))  # fmt: skip

    @router.post("/v1/indicators/remove", responses=answer(IndicatorStats))
    async def remove_indicators(
        principal: Annotated[Principal, operator], source: _Source = "",
        value: Annotated[str, Query(max_length=4_096, description="The value, from whatever source.")] = "",
        kind: Annotated[Kind | None, Query(description="Type of the value; by default recognised.")] = None,
        reason: Annotated[str, Query(max_length=500, description="The reason; it is recorded.")] = "",
        everybody: _Everybody = False,  # noqa: FBT002
    ) -> Response:  # fmt: skip
        """Stop looking for a value, or for everything from a source. The ledger records who withdrew what."""
        _may_everybody(principal, everybody=everybody)
        if bool(source) == bool(value):
            raise InvalidInput("value", "give either a value or a source")
        tenant, by = principal.tenant, principal.name
        if source:
            await node.by_hand.withdraw_source(tenant, source, everybody=everybody, reason=reason, by=by)
        else:
            await node.by_hand.withdraw(tenant, value, kind, everybody=everybody, reason=reason, by=by)
        return reply(await node.offload.run(stats_of, node, EVERYBODY if everybody else tenant))

    @router.post("/v1/indicators/retro", responses=answer(RetroView))
    async def match_stored(
        principal: Annotated[Principal, operator],
        batches: Annotated[int, Query(ge=1, le=10_000, description="How many batches, newest first.")] = 100,
    ) -> Response:
        """Check earlier events for what is looked for now."""
        found = await retro_match(
            node.indicators, _stored(node, principal.tenant), node.offload, node.clock, most=batches
        )
        return reply(found)


def stats_of(node: "Node", tenant: TenantId) -> IndicatorStats:
    """What is looked for in the events of ``tenant``."""
    own, counted = node.indicators.stats(tenant), node.indicators.census(tenant)
    return IndicatorStats(
        entries=counted.values, notes=own.notes, sources=counted.sources,
        kinds={kind.value: n for kind, n in counted.kinds.items()},
        markings={marking.label: n for marking, n in counted.markings.items()}, untold=counted.untold,
        exact=counted.exact, tables=own.tables, files=own.files, table_bytes=own.table_bytes,
        everybody=node.indicators.census(EVERYBODY).values, kernels=node.indicators.compiled,
        warninglists=len(node.indicators.lists.names), warninglist_entries=node.indicators.lists.entries,
    )  # fmt: skip


async def _known(node: "Node", tenant: TenantId, value: str, kind: Kind | None) -> IndicatorKnown:
    found = await look_up(node.indicators, node.findings, node.offload, tenant, value, kind)
    return IndicatorKnown(
        value=found.value, kind=found.kind, whole=found.history.whole, findings=found.findings,
        known=tuple(KnownIndicator(**_fields(one.match), state=one.state) for one in found.known),
        changes=tuple(
            IndicatorChange(at_ns=one.at_ns, kind=one.kind, indicator=one.value, source=one.source,
                            withdrawn=one.removed, everybody=one.scope == EVERYBODY)
            for one in found.history.changes
        ),
    )  # fmt: skip


def _may_everybody(principal: Principal, *, everybody: bool) -> None:
    """Raises ``InvalidInput`` for who wants something for every tenant and is no administrator."""
    if everybody and principal.role is not Role.ADMIN:
        raise InvalidInput("everybody", "only an administrator says what is looked for in everybody's events")


async def _stored(node: "Node", tenant: TenantId) -> AsyncIterator[Sequence[EventBatch]]:
    after = ""
    while entries := await node.events.batches(tenant, after=after):
        for entry in entries:
            # Of what lies around a batch, the batch itself comes first.
            async for chunk, lines in node.events.around(tenant, entry.id):
                out = await node.offload.run(
                    read_lines, lines, reader=chunk.reader, tenant=tenant, batch=BatchId(chunk.id),
                    accepted_at_ns=chunk.at_ns,
                )  # fmt: skip
                if chunk.id == entry.id:
                    yield out.batches
                break
        after = entries[-1].id


def _matched(node: "Node", tenant: TenantId, body: bytes) -> list[IndicatorView]:
    values = [line.strip() for line in body.decode("utf-8", "replace").splitlines() if line.strip()]
    asked = []
    for value in values:
        try:
            asked.append((guess_kind(value), value))
        except InvalidInput:
            continue
    return [_view(match) for match in node.indicators.match(tenant, asked)]


def _refused(one: Refused) -> RefusedValue:
    return RefusedValue(one.value, one.reason)


def _view(match: Match) -> IndicatorView:
    return IndicatorView(**_fields(match))


def _fields(match: Match) -> dict[str, Any]:
    note = match.note
    return {
        "kind": match.kind, "indicator": match.matched, "source": note.source, "name": note.name,
        "reference": note.reference, "confidence": note.confidence, "from_ns": note.from_ns,
        "until_ns": note.until_ns, "marking": Marking(note.marking).label, "labels": note.labels,
        "everybody": match.scope == EVERYBODY, "value": match.value,
    }  # fmt: skip
