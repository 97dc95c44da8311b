"""Incidents over HTTP: what belongs together and why, who has it, and what people say about it."""

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer, asked
from phalanx.core import MAX_NAME_CHARS, Finding, InvalidInput
from phalanx.incidents import (
    AssignWanted,
    CloseWanted,
    CommentWanted,
    Incident,
    IncidentNote,
    IncidentScore,
    IncidentStatus,
    IncidentWord,
    MergeWanted,
    Moment,
    SplitWanted,
    timeline,
)
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

W = TypeVar("W", MergeWanted, SplitWanted, CloseWanted, AssignWanted, CommentWanted)


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with its findings, what people said about it, and its score where the truth is known."""

    incident: Incident
    findings: tuple[Finding, ...]
    words: tuple[IncidentWord, ...]
    score: IncidentScore | None


class IncidentTimeline(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about an incident, by people and by the node, oldest first; ``omitted`` are left out before."""

    moments: tuple[Moment, ...]
    omitted: int


KINDS: tuple[type, ...] = (
    Incident, IncidentView, IncidentWord, IncidentScore, IncidentTimeline, IncidentNote, Moment, MergeWanted,
    SplitWanted, CloseWanted, AssignWanted, CommentWanted,
)  # fmt: skip


def incident_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/incidents``."""
    router = APIRouter(prefix="/v1/incidents", tags=["records"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(Incident, many=True))
    async def list_incidents(
        request: Request, principal: Annotated[Principal, viewer], wanted: Annotated[Page, Depends(page)],
        status: Annotated[IncidentStatus | None, Query(description="Only incidents with this status.")] = None,
        assignee: Annotated[str, Query(max_length=MAX_NAME_CHARS, description="Only those assigned to them.")] = "",
    ) -> Response:  # fmt: skip
        """Incidents, newest first."""
        found = await node.incidents.newest(
            principal.tenant, status=status, assignee=assignee, after=wanted.after, limit=wanted.limit
        )
        return reply_page(request, found, asked=wanted, last=found[-1].id if found else "")

    @router.post("/merge", responses=answer(Incident), openapi_extra=asked(MergeWanted))
    async def merge_incidents(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Say that incidents are one. A reason is required; the oldest stays."""
        wanted = _document(await read_body(request, node.offload), MergeWanted)
        return reply(await node.incidents.merge(principal.tenant, wanted, by=principal.name))

    @router.get("/{incident}", responses=answer(IncidentView))
    async def get_incident(incident: str, principal: Annotated[Principal, viewer]) -> Response:
        """One incident: its findings and why each is in it, what links them, techniques in order."""
        found = await node.incidents.get(principal.tenant, incident)
        return reply(
            IncidentView(
                incident=found,
                findings=tuple([await node.findings.get(principal.tenant, one) for one in found.findings]),
                words=tuple(await node.incidents.words(principal.tenant, incident)),
                score=await node.incidents.score_of(principal.tenant, incident),
            )
        )

    @router.post("/{incident}/split", responses=answer(Incident), openapi_extra=asked(SplitWanted))
    async def split_incident(incident: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Say that findings do not belong to it. That holds, whatever is found later."""
        wanted = _document(await read_body(request, node.offload), SplitWanted)
        return reply(await node.incidents.split(principal.tenant, incident, wanted, by=principal.name))

    @router.post("/{incident}/close", responses=answer(Incident), openapi_extra=asked(CloseWanted))
    async def close_incident(incident: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Close it: what it turned out to be, and why. A new finding reopens it.

        With ``seen_ns`` it is closed only if it has not changed since: otherwise 409, out-of-date.
        """
        wanted = _document(await read_body(request, node.offload), CloseWanted)
        return reply(await node.incidents.close(principal.tenant, incident, wanted, by=principal.name))

    _handling(router, node, viewer, operator)
    return router


def _handling(router: APIRouter, node: "Node", viewer: Any, operator: Any) -> None:
    """Who has an incident, what is said of it, and what was done about it."""

    @router.get("/{incident}/timeline", responses=answer(IncidentTimeline))
    async def get_timeline(incident: str, principal: Annotated[Principal, viewer]) -> Response:
        """What was done about it, by people and by the node, oldest first."""
        found = await timeline(node.store, await node.incidents.get(principal.tenant, incident))
        return reply(IncidentTimeline(moments=found.moments, omitted=found.omitted))

    @router.post("/{incident}/assign", responses=answer(Incident), openapi_extra=asked(AssignWanted))
    async def assign_incident(incident: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Give it to somebody in place of whoever has it. If that is somebody else by now: 409, out-of-date."""
        wanted = _document(await read_body(request, node.offload), AssignWanted)
        return reply(await node.handling.assign(principal.tenant, incident, wanted, by=principal.name))

    @router.post("/{incident}/comments", responses=answer(IncidentNote), openapi_extra=asked(CommentWanted))
    async def comment_incident(incident: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Say something of it. It is added to what others say, and stays."""
        wanted = _document(await read_body(request, node.offload), CommentWanted)
        return reply(await node.handling.comment(principal.tenant, incident, wanted, by=principal.name))


def _document(body: bytes, kind: type[W]) -> W:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInput("body", str(error)) from error
