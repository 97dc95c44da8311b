"""Sinks and sources: the state of each, and operations on them."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer, asked
from phalanx.core import NO_TRACE, AuditEntry, InvalidInput, derive_id
from phalanx.intel.delivery import MAX_POSITION_CHARS, Item, SinkLetter, SinkView, SourceView, Told
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class ReplayWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send again everything that was recorded since ``since_ns``; 0: everything."""

    since_ns: Annotated[int, msgspec.Meta(ge=0)]


class RewindWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Draw again from ``position``, as a source shows it; empty: from the beginning of what it still has."""

    position: Annotated[str, msgspec.Meta(max_length=MAX_POSITION_CHARS)] = ""


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """An item that a sink's peer refuses for good, and why."""

    id: str
    at_ns: int
    sink: str
    reason: str
    item: Item


class LetterGone(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter that is no longer stored."""

    id: str


KINDS: tuple[type, ...] = (SinkView, SourceView, Told, ReplayWanted, RewindWanted, LetterView, LetterGone)


def connector_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/sinks`` and ``/v1/sources``."""
    router = APIRouter(prefix="/v1", tags=["connectors"], default_response_class=Response)
    _sinks(router, node, gate)
    _letters(router, node, gate)
    _sources(router, node, gate)
    return router


def _sinks(router: APIRouter, node: "Node", gate: Gate) -> None:
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("/sinks", responses=answer(SinkView, many=True))
    async def list_sinks(principal: Annotated[Principal, viewer]) -> Response:
        """Every sink: throughput, lag, what was refused or lost, and the last error."""
        return reply({"items": await node.delivery.sinks(principal.tenant), "next": ""})

    @router.get("/sinks/{sink_name}", responses=answer(SinkView))
    async def get_sink(sink_name: str, principal: Annotated[Principal, viewer]) -> Response:
        """One sink."""
        return reply(await node.delivery.sink(principal.tenant, sink_name))

    @router.post("/sinks/{sink_name}/test", responses=answer(Told))
    async def test_sink(sink_name: str, principal: Annotated[Principal, operator]) -> Response:
        """Send a probe that is marked as one, and report the result."""
        return reply(await node.delivery.test(principal.tenant, sink_name))

    @router.post("/sinks/{sink_name}/pause", responses=answer(SinkView))
    async def pause_sink(sink_name: str, principal: Annotated[Principal, operator]) -> Response:
        """Send it nothing until it is resumed; what it would receive waits."""
        await node.delivery.courier(principal.tenant, sink_name).set_paused(paused=True)
        await _record(node, principal, "sink.pause", sink_name)
        return reply(await node.delivery.sink(principal.tenant, sink_name))

    @router.post("/sinks/{sink_name}/resume", responses=answer(SinkView))
    async def resume_sink(sink_name: str, principal: Annotated[Principal, operator]) -> Response:
        """Resume from its position."""
        await node.delivery.courier(principal.tenant, sink_name).set_paused(paused=False)
        await _record(node, principal, "sink.resume", sink_name)
        return reply(await node.delivery.sink(principal.tenant, sink_name))

    @router.post("/sinks/{sink_name}/replay", responses=answer(SinkView), openapi_extra=asked(ReplayWanted))
    async def replay_sink(sink_name: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Send again what was recorded since a moment, even from before the sink existed."""
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=ReplayWanted)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        await node.delivery.courier(principal.tenant, sink_name).replay(wanted.since_ns)
        await _record(node, principal, "sink.replay", sink_name, since_ns=wanted.since_ns)
        return reply(await node.delivery.sink(principal.tenant, sink_name))


def _letters(router: APIRouter, node: "Node", gate: Gate) -> None:
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("/sinks/{sink_name}/dead-letters", responses=answer(LetterView, many=True))
    async def list_sink_letters(
        sink_name: str, request: Request, principal: Annotated[Principal, viewer], asked: Annotated[Page, Depends(page)]
    ) -> Response:
        """What its peer refuses for good, oldest first."""
        found = await node.delivery.letters(principal.tenant, sink_name, after=asked.after, limit=asked.limit)
        return reply_page(request, [_view(one) for one in found], asked=asked, last=found[-1].id if found else "")

    @router.post("/sinks/{sink_name}/dead-letters/{letter_id}/replay", responses=answer(Told))
    async def replay_sink_letter(sink_name: str, letter_id: str, principal: Annotated[Principal, operator]) -> Response:
        """Send it again, and delete it once it was accepted."""
        return reply(await node.delivery.resend(principal.tenant, sink_name, letter_id))

    @router.post("/sinks/{sink_name}/dead-letters/{letter_id}/discard", responses=answer(LetterGone))
    async def discard_sink_letter(
        sink_name: str, letter_id: str, principal: Annotated[Principal, operator]
    ) -> Response:
        """Delete it."""
        await node.delivery.discard(principal.tenant, sink_name, letter_id)
        return reply(LetterGone(id=letter_id))


def _sources(router: APIRouter, node: "Node", gate: Gate) -> None:
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("/sources", responses=answer(SourceView, many=True))
    async def list_sources(principal: Annotated[Principal, viewer]) -> Response:
        """Every source: throughput, what waits there, gaps, and the last error."""
        return reply({"items": node.delivery.sources(principal.tenant), "next": ""})

    @router.get("/sources/{source_name}", responses=answer(SourceView))
    async def get_source(source_name: str, principal: Annotated[Principal, viewer]) -> Response:
        """One source."""
        return reply(node.delivery.source(principal.tenant, source_name))

    @router.post("/sources/{source_name}/pause", responses=answer(SourceView))
    async def pause_source(source_name: str, principal: Annotated[Principal, operator]) -> Response:
        """Draw nothing until it is resumed."""
        await node.delivery.drawer(principal.tenant, source_name).set_paused(paused=True)
        await _record(node, principal, "source.pause", source_name)
        return reply(node.delivery.source(principal.tenant, source_name))

    @router.post("/sources/{source_name}/resume", responses=answer(SourceView))
    async def resume_source(source_name: str, principal: Annotated[Principal, operator]) -> Response:
        """Resume from its position."""
        await node.delivery.drawer(principal.tenant, source_name).set_paused(paused=False)
        await _record(node, principal, "source.resume", source_name)
        return reply(node.delivery.source(principal.tenant, source_name))

    @router.post("/sources/{source_name}/rewind", responses=answer(SourceView), openapi_extra=asked(RewindWanted))
    async def rewind_source(source_name: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Draw again from an earlier position: events from there are accepted once more."""
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=RewindWanted)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        before = node.delivery.source(principal.tenant, source_name).position
        await node.delivery.drawer(principal.tenant, source_name).rewind(wanted.position)
        await _record(node, principal, "source.rewind", source_name, before=before, position=wanted.position)
        return reply(node.delivery.source(principal.tenant, source_name))


async def _record(node: "Node", principal: Principal, action: str, name: str, **more: int | str) -> None:
    """Whoever changes what leaves the node, or comes in, is recorded together with the change."""
    at_ns = node.clock.wall_ns()
    await node.ledger.record(
        AuditEntry(
            id=derive_id(at_ns, action, principal.tenant, name, principal.name, node.ids.new()),
            tenant=principal.tenant, trace=NO_TRACE, at_ns=at_ns, actor=principal.name, action=action, subject=name,
            case="", body=dict(more),
        )
    )  # fmt: skip


def _view(letter: SinkLetter) -> LetterView:
    return LetterView(id=letter.id, at_ns=letter.at_ns, sink=letter.sink, reason=letter.reason, item=letter.item)
