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
from phalanx.core import BatchId, EventBatch, InvalidInput, TenantId, ns_from_s
from phalanx.intel import read_lines
from phalanx.intel.indicators import (
    EVERYBODY,
    FileRead,
    Indicator,
    Kind,
    Match,
    Refused,
    guess_format,
    guess_kind,
    read_csv,
    read_text,
    retro_match,
)
from phalanx.intel.sharing import marking_named
from phalanx.messaging import Marking
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_MAX_TOLD = 100
_DAY_S = 86_400
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

    ``sources`` has how many values each provided, ``notes`` how many statements they all make about values.
    """

    entries: int
    notes: int
    sources: dict[str, int]
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


KINDS = (IndicatorView, IndicatorsTaken, IndicatorStats, RetroView, RefusedValue, RetroHitView)


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
        """Look for the values of the body: one per line, or CSV with a header."""
        scope = _scope(principal, everybody=everybody)
        tlp = marking_named(marking)
        if tlp is None:
            raise InvalidInput("marking", f"{marking!r} is no marking of TLP: clear, green, amber, amber+strict, red")
        until = node.clock.wall_ns() + ns_from_s(days * _DAY_S) if days else 0
        meant = Indicator(
            kind=Kind.DOMAIN, value="", source=source, name=name, confidence=confidence, until_ns=until, marking=tlp
        )
        read = await node.offload.run(_read, await read_body(request, node.offload), meant, kind, format)
        replaced = await node.indicators.remove_source(scope, source) if replace_source else 0
        put = await node.indicators.put_many(scope, read.indicators)
        refused = (*read.refused, *put.refused)
        return reply(IndicatorsTaken(
            taken=put.taken, refused=len(refused), flagged=len(put.flagged), replaced=replaced,
            told=tuple(_refused(one) for one in (*refused, *put.flagged)[:_MAX_TOLD]),
        ))  # fmt: skip

    @router.post("/v1/indicators/remove", responses=answer(IndicatorStats))
    async def remove_indicators(
        principal: Annotated[Principal, operator], source: _Source = "",
        value: Annotated[str, Query(max_length=4_096, description="Source of the value.")] = "",
        kind: Annotated[Kind | None, Query(description="Type of the value; by default recognised.")] = None,
        everybody: _Everybody = False,  # noqa: FBT002
    ) -> Response:  # fmt: skip
        """Stop looking for a value, or for everything from a source."""
        scope = _scope(principal, everybody=everybody)
        if bool(source) == bool(value):
            raise InvalidInput("value", "give either a value or a source")
        if source:
            await node.indicators.remove_source(scope, source)
        else:
            await node.indicators.remove(scope, [(guess_kind(value) if kind is None else kind, value)])
        return reply(stats_of(node, scope))

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
    own, everybody = node.indicators.stats(tenant), node.indicators.stats(EVERYBODY)
    return IndicatorStats(
        entries=own.entries, notes=own.notes, sources=own.sources, tables=own.tables, files=own.files,
        table_bytes=own.table_bytes, everybody=everybody.entries, kernels=node.indicators.compiled,
        warninglists=len(node.indicators.lists.names), warninglist_entries=node.indicators.lists.entries,
    )  # fmt: skip


def _scope(principal: Principal, *, everybody: bool) -> TenantId:
    if everybody and principal.role is not Role.ADMIN:
        raise InvalidInput("everybody", "only an administrator says what is looked for in everybody's events")
    return EVERYBODY if everybody else principal.tenant


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


def _read(body: bytes, meant: Indicator, kind: Kind | None, form: str) -> FileRead:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("body", "it is not UTF-8") from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    chosen = guess_format(first) if form == "auto" else form
    return read_csv(text, meant, kind) if chosen == "csv" else read_text(text.splitlines(), meant, kind)


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
    note = match.note
    return IndicatorView(
        kind=match.kind, indicator=match.matched, source=note.source, name=note.name, reference=note.reference,
        confidence=note.confidence, from_ns=note.from_ns, until_ns=note.until_ns,
        marking=Marking(note.marking).label, labels=note.labels, everybody=match.scope == EVERYBODY, value=match.value,
    )  # fmt: skip
