"""Incidents over HTTP: what belongs together and why, and what people say of it."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer, asked
from phalanx.core import Finding, InvalidInput
from phalanx.incidents import (
    CloseWanted,
    Incident,
    IncidentScore,
    IncidentStatus,
    IncidentWord,
    MergeWanted,
    SplitWanted,
)
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

W = TypeVar("W", MergeWanted, SplitWanted, CloseWanted)


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with its findings, what people said of it, and its score where somebody knew the truth."""

    incident: Incident
    findings: tuple[Finding, ...]
    words: tuple[IncidentWord, ...]
    score: IncidentScore | None


KINDS: tuple[type, ...] = (Incident, IncidentView, IncidentWord, IncidentScore, MergeWanted, SplitWanted, CloseWanted)


def incident_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/incidents``."""
    router = APIRouter(prefix="/v1/incidents", tags=["records"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(Incident, many=True))
    async def list_incidents(
        request: Request, principal: Annotated[Principal, viewer], wanted: Annotated[Page, Depends(page)],
        status: Annotated[IncidentStatus | None, Query(description="Only those that stand so.")] = None,
    ) -> Response:  # fmt: skip
        """Incidents, newest first."""
        found = await node.incidents.newest(principal.tenant, status=status, after=wanted.after, limit=wanted.limit)
        return reply_page(request, found, asked=wanted, last=found[-1].id if found else "")

    @router.post("/merge", responses=answer(Incident), openapi_extra=asked(MergeWanted))
    async def merge_incidents(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Say that incidents are one. A reason is needed; the oldest stays."""
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
        """Close it: what it turned out to be, and why. A new finding opens it again."""
        wanted = _document(await read_body(request, node.offload), CloseWanted)
        return reply(await node.incidents.close(principal.tenant, incident, wanted, by=principal.name))

    return router


def _document(body: bytes, kind: type[W]) -> W:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInput("body", str(error)) from error
