"""Orders over HTTP: what somebody wants done, the plan made for it, and what came of each step."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.agents import Order, OrderRequest, OrderResult
from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import MAX_PAGE_ROWS, InvalidInput
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (Order, OrderRequest, OrderResult)


def order_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/orders``."""
    router = APIRouter(prefix="/v1/orders", tags=["agents"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(Order, many=True))
    async def list_orders(
        principal: Annotated[Principal, viewer], limit: Annotated[int, Query(ge=1, le=MAX_PAGE_ROWS)] = 100
    ) -> Response:
        """Orders of the caller's tenant, newest first."""
        return reply({"items": await node.swarm.orders.newest(principal.tenant, limit=limit), "next": ""})

    @router.get("/{order_id}", responses=answer(OrderResult))
    async def get_order(order_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """One order, its plan, and the mission of each step so far: who did it, under which key, the outcome."""
        return reply(await node.swarm.orders.result(principal.tenant, order_id))

    @router.post("", responses=answer(Order), openapi_extra=asked(OrderRequest))
    async def place_order(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Plan what is wanted and begin it. Refused, with nothing written, if no skills lead there."""
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=OrderRequest)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        return reply(await node.swarm.orders.place(principal.tenant, wanted, by=principal.name))

    return router
