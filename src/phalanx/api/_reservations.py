"""Bookings of devices, workers and other resources, over HTTP."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.allocation import Ask, Bookable, Booking
from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (Ask, Bookable, Booking)

D = TypeVar("D", Ask, Bookable)


def reservation_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/reservations``."""
    router = APIRouter(prefix="/v1/reservations", tags=["allocation"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))
    admin = Depends(gate.needs(Role.ADMIN))

    @router.get("", responses=answer(Booking, many=True))
    async def list_reservations(principal: Annotated[Principal, viewer]) -> Response:
        """Bookings of the caller's tenant by start, including ended ones as long as they are stored."""
        return reply({"items": await node.reservations.bookings(principal.tenant), "next": ""})

    @router.get("/resources", responses=answer(Bookable, many=True), dependencies=[viewer])
    async def list_resources() -> Response:
        """What can be booked, with its capacity and the part reserved for emergencies."""
        return reply({"items": await node.reservations.resources(), "next": ""})

    @router.post("/resources", responses=answer(Bookable), dependencies=[admin], openapi_extra=asked(Bookable))
    async def declare_resource(request: Request) -> Response:
        """Add a resource, or change one; existing bookings must still fit."""
        resource = await _read(request, Bookable)
        await node.reservations.declare(resource)
        return reply(resource)

    @router.post("", responses=answer(Booking, many=True), openapi_extra=asked(Ask))
    async def book(request: Request, principal: Annotated[Principal, operator], id: str = "") -> Response:  # noqa: A002
        """Book at the earliest possible time: the booking, then those of the same tenant that had to make room.

        With an `id` of your own it can be sent again.
        """
        changed = await node.reservations.book(principal.tenant, await _read(request, Ask), id=id)
        return reply({"items": [one for one in changed if one.tenant == principal.tenant], "next": ""})

    @router.post("/{booking_id}/confirm", responses=answer(Booking))
    async def confirm(booking_id: str, principal: Annotated[Principal, operator]) -> Response:
        """Turn a held booking into a confirmed one."""
        return reply(await node.reservations.confirm(principal.tenant, booking_id))

    @router.post("/{booking_id}/cancel", responses=answer(Booking))
    async def cancel(booking_id: str, principal: Annotated[Principal, operator]) -> Response:
        """Give a booking's time back."""
        return reply(await node.reservations.cancel(principal.tenant, booking_id))

    async def _read(request: Request, kind: type[D]) -> D:
        try:
            return msgspec.json.decode(await read_body(request, node.offload), type=kind)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error

    return router
