"""The ledger as a tiled log (C2SP tlog-tiles) and its anchors, for those who check it with other tools."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._replies import Page, page, reply_page
from phalanx.api._schemas import Responses, answer
from phalanx.core import DEFAULT_TENANT
from phalanx.ledger import TileName, parse_tile
from phalanx.trust import NotAllowed, Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_MEDIA_TYPE = "application/octet-stream"
# A full tile never changes; a partial one does not either, for its width is part of its name.
_CACHED = {"Cache-Control": "private, max-age=31536000, immutable"}


class AnchorView(msgspec.Struct, frozen=True, kw_only=True):
    """A day's anchor: a checkpoint signed with SLH-DSA. ``note`` is the signed text, ``public_key`` (base64) the
    signer's.
    """

    day: str
    note: str
    public_key: bytes


KINDS: tuple[type, ...] = (AnchorView,)


def tile_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/ledger/tile`` and ``/v1/ledger/anchors``."""
    router = APIRouter(prefix="/v1/ledger", tags=["ledger"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))
    admin = Depends(gate.needs(Role.ADMIN))

    @router.get("/anchors", responses=answer(AnchorView, many=True), dependencies=[viewer])
    async def list_anchors(request: Request, asked: Annotated[Page, Depends(page)]) -> Response:
        """Anchors by day; `phalanx ledger anchors` verifies them."""
        found = await node.anchors.all(after=asked.after, limit=asked.limit)
        views = [AnchorView(day=one.day, note=one.note, public_key=one.public_key) for one in found]
        return reply_page(request, views, asked=asked, last=found[-1].day if found else "")

    @router.get("/tile/entries/{number:path}", responses=_answer("Leaves, each behind its length in two bytes."))
    async def get_entries(number: str, principal: Annotated[Principal, admin]) -> Response:
        """An entry bundle: 256 leaves, or the first `W` with `.p/W` after the number.

        Leaves are of all tenants, so only an administrator of the node's own tenant may read them.
        """
        if principal.tenant != DEFAULT_TENANT:
            raise NotAllowed(
                principal.name,
                role=f"{principal.role.value} of tenant {principal.tenant}",
                needed=f"{Role.ADMIN.value} of tenant {DEFAULT_TENANT}",
            )
        return await _tile(parse_tile("entries", number))

    @router.get("/tile/{level}/{number:path}", responses=_answer("Hashes of 32 bytes."), dependencies=[viewer])
    async def get_tile(level: str, number: str) -> Response:
        """A tile of hashes: 256 of them, or the first `W` with `.p/W` after the number."""
        return await _tile(parse_tile(level, number))

    async def _tile(name: TileName) -> Response:
        return Response(await node.ledger.tile(name), media_type=_MEDIA_TYPE, headers=_CACHED)

    return router


def _answer(description: str) -> Responses:
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": description, "content": {_MEDIA_TYPE: {"schema": schema}}}}
