"""How work is spread: the pools of the node, and problems sent here to be solved."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.balancing import (
    AnswerView,
    CapacityDocument,
    CapacityView,
    PlacementView,
    PoolView,
    ProblemDocument,
)
from phalanx.core import InvalidInput
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (PoolView, PlacementView, ProblemDocument, AnswerView, CapacityDocument, CapacityView)

D = TypeVar("D", ProblemDocument, CapacityDocument)


def balancing_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/balancing``."""
    router = APIRouter(prefix="/v1/balancing", tags=["balancing"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))
    operator = Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(PoolView, many=True), dependencies=[viewer])
    async def list_pools() -> Response:
        """Every pool: its resources with utilisation, target and price, and the distribution matrix."""
        return reply({"items": node.balancing.views(), "next": ""})

    @router.get("/{pool}", responses=answer(PoolView), dependencies=[viewer])
    async def get_pool(pool: str) -> Response:
        """One pool as it is now."""
        wanted = node.balancing.pool(pool)
        return reply(next(view for view in node.balancing.views() if view.name == wanted.name))

    @router.get("/{pool}/placements", responses=answer(PlacementView, many=True))
    async def list_placements(pool: str, principal: Annotated[Principal, viewer]) -> Response:
        """Recent placements of the caller's tenant with their reasons, newest first."""
        found = [one for one in node.balancing.placements(pool) if one.tenant == principal.tenant]
        return reply({"items": found, "next": ""})

    @router.post("/solve", responses=answer(AnswerView), dependencies=[operator], openapi_extra=asked(ProblemDocument))
    async def solve_problem(request: Request) -> Response:
        """Distribute the operations in the body, independently of the node's own work; the answer states its gap."""
        document = _document(await read_body(request, node.offload), ProblemDocument)
        return reply(await node.balancing.answer(document))

    @router.post(
        "/capacity", responses=answer(CapacityView), dependencies=[operator], openapi_extra=asked(CapacityDocument)
    )
    async def plan_capacity(request: Request) -> Response:
        """What to add to the resources in the body, when, and what it costs."""
        document = _document(await read_body(request, node.offload), CapacityDocument)
        return reply(await node.balancing.capacity(document))

    return router


def _document(body: bytes, kind: type[D]) -> D:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInput("body", str(error)) from error
