"""Hunts on request: following a finding through the archive, and checking old events against new knowledge."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.api.intel._search import document
from phalanx.intel import ExpandWanted, Hunt, RetroWanted
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (ExpandWanted, RetroWanted)


def hunt_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/hunts/expand`` and ``/v1/hunts/retro``."""
    router = APIRouter(prefix="/v1/hunts", tags=["events"], default_response_class=Response)
    operator = Depends(gate.needs(Role.OPERATOR))

    @router.post("/expand", status_code=201, responses=answer(Hunt, status=201), openapi_extra=asked(ExpandWanted))
    async def expand_finding(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Follow what a finding names, and its processes, logons and connections, through everything stored."""
        wanted = document(await read_body(request, node.offload), ExpandWanted)
        return reply(await node.hunts.expand(wanted, tenant=principal.tenant, by=principal.name), status=201)

    @router.post("/retro", status_code=201, responses=answer(Hunt, status=201), openapi_extra=asked(RetroWanted))
    async def hunt_back(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Run rules of techniques, new rules and indicators on events that came before them."""
        wanted = document(await read_body(request, node.offload), RetroWanted)
        return reply(await node.hunts.retro(wanted, tenant=principal.tenant, by=principal.name), status=201)

    return router
