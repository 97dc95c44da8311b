"""What people say about findings, over HTTP: suppressions with reasons, and whether a finding was right."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput
from phalanx.intel import Opinion, OpinionWanted, Suppression, SuppressionWanted
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (Suppression, SuppressionWanted, Opinion, OpinionWanted)

W = TypeVar("W", SuppressionWanted, OpinionWanted)


def judging_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/suppressions``, ``/v1/findings/{id}/opinions``."""
    router = APIRouter(prefix="/v1", tags=["rules"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("/suppressions", responses=answer(Suppression, many=True))
    async def list_suppressions(principal: Annotated[Principal, viewer]) -> Response:
        """Suppressions: what is not raised, why, at whose request, and how many findings that was."""
        return reply({"items": await node.judgements.suppressions(principal.tenant), "next": ""})

    @router.post("/suppressions", responses=answer(Suppression), openapi_extra=asked(SuppressionWanted))
    async def suppress(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Stop raising findings of a rule, on a host, or that name an entity. A reason is required."""
        wanted = _document(await read_body(request, node.offload), SuppressionWanted)
        return reply(await node.judgements.suppress(principal.tenant, wanted, by=principal.name))

    @router.post("/suppressions/{suppression}/end", responses=answer(Suppression))
    async def end_suppression(suppression: str, principal: Annotated[Principal, operator]) -> Response:
        """Raise such findings again."""
        return reply(await node.judgements.end(principal.tenant, suppression, by=principal.name))

    @router.get("/findings/{finding}/opinions", responses=answer(Opinion, many=True))
    async def list_opinions(finding: str, principal: Annotated[Principal, viewer]) -> Response:
        """What people said about a finding."""
        return reply({"items": await node.judgements.opinions(principal.tenant, finding), "next": ""})

    @router.post("/findings/{finding}/opinions", responses=answer(Opinion), openapi_extra=asked(OpinionWanted))
    async def say(finding: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Say that a finding is true, false or a duplicate. A later verdict replaces it."""
        wanted = _document(await read_body(request, node.offload), OpinionWanted)
        return reply(await node.judgements.say(principal.tenant, finding, wanted, by=principal.name))

    return router


def _document(body: bytes, kind: type[W]) -> W:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInput("body", str(error)) from error
