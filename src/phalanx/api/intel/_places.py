"""Where networks are, over HTTP: the table that an operator loads, part by part, and what it says about an address."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import InvalidInput, NotFound
from phalanx.intel.places import PlacesHead, network_of
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_CSV: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
}  # fmt: skip


class RefusedPlace(msgspec.Struct, frozen=True):
    """A row that is unusable: its line in the file, and why."""

    line: int
    reason: str


class PlacesLoaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a part. With the last one, the table is in use; of the rows refused, the first hundred."""

    in_use: bool
    networks: int = 0
    located: int = 0
    refused: int = 0
    told: tuple[RefusedPlace, ...] = ()


class PlaceOf(msgspec.Struct, frozen=True, kw_only=True):
    """Where an address is, and the neighbourhood that counts as one place."""

    address: str
    network: str
    public: bool
    known: bool
    latitude: float = 0.0
    longitude: float = 0.0
    radius_km: float = 0.0
    name: str = ""


KINDS: tuple[type, ...] = (PlacesHead, PlacesLoaded, PlaceOf, RefusedPlace)


def place_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/places``."""
    router = APIRouter(prefix="/v1/places", tags=["rules"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(PlacesHead))
    async def get_places(principal: Annotated[Principal, viewer]) -> Response:
        """The table in use for the caller's events: its digest, its size, who loaded it and when."""
        head = node.detection.places.head(principal.tenant)
        if head is None:
            raise NotFound("table", "places", hint="phalanx intel places load FILE")
        return reply(head)

    @router.get("/at", responses=answer(PlaceOf))
    async def get_place(
        principal: Annotated[Principal, viewer],
        address: Annotated[str, Query(max_length=64, description="An IP address.")],
    ) -> Response:
        """Where an address is, as far as the table says."""
        known = network_of(address)
        if known is None:
            raise InvalidInput("address", f"{address!r} is no address")
        place = node.detection.places.at(principal.tenant, address)
        found = PlaceOf(address=str(known[0]), network=known[1], public=known[2], known=place is not None)
        if place is not None:
            found = msgspec.structs.replace(
                found, latitude=place.latitude, longitude=place.longitude, radius_km=place.radius_km, name=place.name
            )
        return reply(found)

    @router.post("", responses=answer(PlacesLoaded), openapi_extra=_CSV)
    async def load_places(
        request: Request, principal: Annotated[Principal, operator],
        digest: Annotated[str, Query(max_length=64, description="SHA-256 of the whole file, hexadecimal.")],
        part: Annotated[int, Query(ge=0, description="Which part this is, from 0.")] = 0,
        parts: Annotated[int, Query(ge=1, description="How many there are.")] = 1,
    ) -> Response:  # fmt: skip
        """Accept a part of a table of networks with coordinates (CSV). With the last part it is checked and used."""
        body = await read_body(request, node.offload)
        read = await node.detection.places.load(
            principal.tenant, body, digest=digest, part=part, parts=parts, by=principal.name
        )
        if read is None:
            return reply(PlacesLoaded(in_use=False))
        told = tuple(RefusedPlace(one.line, one.reason) for one in read.told)
        return reply(PlacesLoaded(
            in_use=True, networks=read.table.networks, located=read.located, refused=read.refused, told=told
        ))  # fmt: skip

    return router
