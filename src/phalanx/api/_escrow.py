"""Escrows of a running node: their documents, the ceremonies that open them, and each step recorded in the ledger.

The node is the registrar: it stores what people signed and holds no share, so nothing that is sent here opens
anything. Secrets and private keys stay with the caller.
"""

import base64
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_small_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import InvalidInput
from phalanx.crypto import InvalidKey, InvalidSignature
from phalanx.crypto.sharing import (
    MAX_CUSTODIAN_NAME_CHARS,
    MAX_DOCUMENT_BYTES,
    MAX_SHARES,
    Ceremony,
    Escrow,
    Release,
    Signed,
    read_signed,
)
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

S = TypeVar("S", bound=Signed)

_MAX_SMALL_BYTES = 64 * 1024


class RegistrarView(msgspec.Struct, frozen=True):
    """Whom an escrow made for this node must name: its public key, and the caller's tenant."""

    public_key: str
    tenant: str


class CeremonyView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a ceremony is. ``state`` is open, opened or expired."""

    ceremony: Ceremony
    released: tuple[str, ...]
    needed: int
    state: str


_Name = Annotated[str, msgspec.Meta(max_length=MAX_CUSTODIAN_NAME_CHARS)]


class OpeningOutcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The outcome of a ceremony: whether the secret was opened, and which custodians' releases were invalid."""

    opened: bool
    lying: Annotated[tuple[_Name, ...], msgspec.Meta(max_length=MAX_SHARES)] = ()


KINDS: tuple[type, ...] = (RegistrarView, Escrow, Ceremony, Release, CeremonyView, OpeningOutcome)


def escrow_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/escrows`` and ``/v1/ceremonies``."""
    router = APIRouter(tags=["escrow"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))
    escrows = node.escrows

    @router.get("/v1/escrows/registrar", responses=answer(RegistrarView))
    async def get_registrar(principal: Annotated[Principal, viewer]) -> Response:
        """What an escrow that this node is to keep must name."""
        key = base64.b64encode(node.ledger.public_key.to_bytes()).decode()
        return reply(RegistrarView(key, principal.tenant))

    @router.get("/v1/escrows", responses=answer(Escrow, many=True))
    async def list_escrows(principal: Annotated[Principal, viewer]) -> Response:
        """The escrows that this node keeps; they open only to a quorum of their custodians."""
        return reply({"items": await escrows.kept(principal.tenant), "next": ""})

    @router.post("/v1/escrows", status_code=201, responses=answer(Escrow, status=201))
    async def add_escrow(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Keep an escrow that its maker signed."""
        escrow = await _document(request, Escrow, principal)
        try:
            await escrows.add(escrow)
        except (InvalidSignature, InvalidKey) as error:
            raise InvalidInput("escrow", error.message) from error
        return reply(escrow, status=201)

    @router.get("/v1/escrows/{escrow_id}/ceremonies", responses=answer(CeremonyView, many=True))
    async def list_ceremonies(escrow_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """The ceremonies of an escrow, oldest first."""
        found = await escrows.status(principal.tenant, escrow_id)
        views = [
            CeremonyView(ceremony=one.ceremony, released=one.released, needed=one.needed, state=one.state)
            for one in found
        ]
        return reply({"items": views, "next": ""})

    @router.post("/v1/ceremonies", status_code=201, responses=answer(Ceremony, status=201))
    async def begin_ceremony(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Record a ceremony that its opener signed; the answer contains this node's confirmation."""
        ceremony = await _document(request, Ceremony, principal)
        try:
            return reply(await escrows.begin(ceremony), status=201)
        except (InvalidSignature, InvalidKey) as error:
            raise InvalidInput("ceremony", error.message) from error

    @router.post("/v1/releases", status_code=201, responses=answer(Release, status=201))
    async def submit_release(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Submit a custodian's release."""
        release = await _document(request, Release, principal)
        await escrows.submit(release)
        return reply(release, status=201)

    @router.post("/v1/ceremonies/{ceremony_id}/collect", responses=answer(Release, many=True))
    async def collect_releases(ceremony_id: str, principal: Annotated[Principal, operator]) -> Response:
        """The releases of a ceremony once they are a quorum; only its opener can read the shares in them."""
        return reply({"items": await escrows.collect(principal.tenant, ceremony_id, by=principal.name), "next": ""})

    @router.post("/v1/ceremonies/{ceremony_id}/outcome", responses=answer(OpeningOutcome))
    async def report_outcome(ceremony_id: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Record the outcome of a ceremony. Opening an escrow ends it."""
        body = await read_small_body(request, _MAX_SMALL_BYTES)
        try:
            told = msgspec.json.decode(body, type=OpeningOutcome)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInput("outcome", str(error)) from error
        await escrows.close(principal.tenant, ceremony_id, opened=told.opened, lying=told.lying, by=principal.name)
        return reply(told)

    return router


async def _document(request: Request, kind: type[S], principal: Principal) -> S:
    """A signed document of the caller's own tenant. The registrar decides whether the signature is valid."""
    document = read_signed(await read_small_body(request, MAX_DOCUMENT_BYTES), kind)
    if document.tenant != principal.tenant:
        raise InvalidInput("tenant", f"it is of tenant {document.tenant!r}, the token of {principal.tenant!r}")
    return document
