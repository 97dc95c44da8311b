"""Artefacts over HTTP: files that the node stores, sealed, for the caller's tenant.

Content is never shown by a browser: it may be an attacker's. It is sent as a download of no particular type,
whatever its name.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from phalanx.api._auth import Gate
from phalanx.api._problems import UnsupportedMedia
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer
from phalanx.crypto.artefacts import MAX_CASE_CHARS, MAX_MEDIA_TYPE_CHARS, MAX_NAME_CHARS, MAX_USE_CHARS, Artefact
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_BINARY = "application/octet-stream"
_EVIDENCE_TYPE = "application/json"
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}}}
}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The content, whatever it is.",
        "content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ArtefactView(msgspec.Struct, frozen=True, kw_only=True):
    """One artefact. ``use`` is what it is kept for: `evidence`, or `upload`; ``sha256`` is that of its content.

    ``media_type`` is what the uploader said, and is not checked.
    """

    id: str
    name: str
    media_type: str
    use: str
    case: str
    size: int
    sha256: str
    kept_at_ns: int
    kept_by: str


KINDS: tuple[type, ...] = (ArtefactView,)

_Case = Annotated[str, Query(max_length=MAX_CASE_CHARS, description="The case it belongs to.")]


def artefact_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/artefacts``."""
    router = APIRouter(prefix="/v1/artefacts", tags=["artefacts"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))
    admin = Depends(gate.needs(Role.ADMIN))
    artefacts = node.artefacts

    @router.get("", responses=answer(ArtefactView, many=True))
    async def list_artefacts(
        request: Request,
        principal: Annotated[Principal, viewer],
        asked: Annotated[Page, Depends(page)],
        case: _Case = "",
        use: Annotated[str, Query(max_length=MAX_USE_CHARS, description="Only of this use; not with `case`.")] = "",
    ) -> Response:
        """Artefacts of the caller's tenant, in order of ids."""
        found = await artefacts.page(principal.tenant, case=case, use=use, after=asked.after, limit=asked.limit)
        return reply_page(request, [_view(one) for one in found], asked=asked, last=found[-1].id if found else "")

    @router.post("", status_code=201, responses=answer(ArtefactView, status=201), openapi_extra=_BODY)
    async def put_artefact(
        request: Request,
        principal: Annotated[Principal, operator],
        name: Annotated[str, Query(min_length=1, max_length=MAX_NAME_CHARS, description="A name for people to read.")],
        case: _Case = "",
        media_type: Annotated[str, Query(max_length=MAX_MEDIA_TYPE_CHARS, description="Media type.")] = _BINARY,
    ) -> Response:
        """Store the body. The same content again answers with what is already stored."""
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            raise UnsupportedMedia("content encoding", encoding, accepted=("identity",))
        made = await artefacts.put(
            principal.tenant, request.stream(), name=name, actor=principal.name, case=case, media_type=media_type
        )
        return reply(_view(made), status=201)

    @router.post("/evidence", status_code=201, responses=answer(ArtefactView, status=201))
    async def keep_evidence(
        principal: Annotated[Principal, operator],
        case: Annotated[str, Query(min_length=1, max_length=MAX_CASE_CHARS, description="The case to export.")],
    ) -> Response:
        """Export the evidence of a case as it is now (`/v1/ledger/bundle`), and store it."""
        bundle = await node.vouching.evidence.export(principal.tenant, case)
        made = await artefacts.put(
            principal.tenant, bundle, name=f"evidence-{node.ledger.size}.json", actor=principal.name,
            media_type=_EVIDENCE_TYPE, use="evidence", case=case,
        )  # fmt: skip
        return reply(_view(made), status=201)

    @router.get("/{artefact_id}", responses=answer(ArtefactView))
    async def get_artefact(artefact_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """What is known about one artefact."""
        return reply(_view(await artefacts.get(principal.tenant, artefact_id)))

    @router.get("/{artefact_id}/content", responses=_CONTENT)
    async def get_content(artefact_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """Its content. Damage further on ends the answer early: compare size and SHA-256."""
        found = await artefacts.get(principal.tenant, artefact_id)
        pieces = artefacts.stream(found)
        # The first piece before the head: what does not open at all is answered as a problem.
        first = await anext(pieces)
        headers = {"Content-Length": str(found.size), "Content-Disposition": f'attachment; filename="{found.id}"'}
        return StreamingResponse(_onward(first, pieces), media_type=_BINARY, headers=headers)

    @router.post("/{artefact_id}/remove", responses=answer(ArtefactView))
    async def remove_artefact(artefact_id: str, principal: Annotated[Principal, admin]) -> Response:
        """Remove one for good. The ledger still records that it existed, its size and its SHA-256."""
        return reply(_view(await artefacts.remove(principal.tenant, artefact_id, actor=principal.name)))

    return router


async def _onward(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()


def _view(found: Artefact) -> ArtefactView:
    return ArtefactView(
        id=found.id,
        name=found.name,
        media_type=found.media_type,
        use=found.use,
        case=found.case,
        size=found.size,
        sha256=found.sha256,
        kept_at_ns=found.at_ns,
        kept_by=found.kept_by,
    )
