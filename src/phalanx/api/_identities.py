"""Identities over HTTP: who has one, issuing, rotating, revoking, and carrying lists to other nodes.

Private keys never come here: whoever asks for a certificate generates the key and sends its public part, signed
with it, as the body. Every viewer may look; changes are for admins of the default tenant, and the ledger records
them under the name of the token that asked.
"""

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate, keeper
from phalanx.api._bodies import read_small_body
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer
from phalanx.core import InvalidInput, NotFound
from phalanx.crypto.identity import (
    MAX_CHAIN_BYTES,
    MAX_LIST_BYTES,
    MAX_REQUEST_BYTES,
    Chain,
    Identities,
    InvalidCertificate,
    KeyRequest,
    RevocationList,
    Subject,
    SubjectKind,
    Told,
    Why,
)
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_DAY_NS = 86_400 * 1_000_000_000
_MAX_NAME_CHARS = 256
# Base64 and JSON around a list and a chain.
_MAX_CARRIED_BYTES = 2 * (MAX_LIST_BYTES + MAX_CHAIN_BYTES)


class IdentityView(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate. ``state`` is valid, superseded, expired or revoked; ``key`` the fingerprint of the key."""

    serial: str
    subject: str
    issuer: str
    key: str
    algorithm: str
    signed_with: str
    epoch: int
    uses: tuple[str, ...]
    not_before_ns: int
    not_after_ns: int
    state: str
    reason: str


class ChainView(msgspec.Struct, frozen=True, kw_only=True):
    """An identity with its chain, as text that can be verified anywhere."""

    identity: IdentityView
    chain: str


class RevokedView(msgspec.Struct, frozen=True, kw_only=True):
    """What is revoked now, and since when it no longer counts; 0 means that it never counted."""

    serial: str
    subject: str
    why: str
    since_ns: int
    note: str


class CarriedList(msgspec.Struct, frozen=True, kw_only=True):
    """An issuer's list of revocations in base64, and the chain of the key that signed it, as text."""

    issuer: str
    number: int
    entries: int
    revocations: str
    chain: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the submitted list or root was new here."""

    news: bool


class ForbiddenView(msgspec.Struct, frozen=True, kw_only=True):
    """A valid certificate under a forbidden algorithm. ``own_key``: only a new key of the subject's helps."""

    subject: str
    serial: str
    algorithm: str
    own_key: bool


class ReissueView(msgspec.Struct, frozen=True, kw_only=True):
    """The job that signs again what stands under an earlier key. ``state`` is idle, running, stopped or done.

    Of ``total`` certificates under the node's organisation, ``done`` stand under its present key. ``forbidden``
    lists what stands under an algorithm that the settings now forbid.
    """

    state: str
    actor: str
    started_at_ns: int
    ended_at_ns: int
    done: int
    total: int
    forbidden: tuple[ForbiddenView, ...]


KINDS: tuple[type, ...] = (IdentityView, ChainView, RevokedView, CarriedList, Accepted, ReissueView)

_Name = Annotated[
    str, Query(max_length=_MAX_NAME_CHARS, description="A serial, a key's fingerprint, or a subject: `node:acme/hq`.")
]
_Subject = Annotated[str, Query(max_length=_MAX_NAME_CHARS, description="KIND:NAME, for example `person:acme/kim`.")]
_BODY: dict[str, Any] = {
    "requestBody": {"required": False, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}
}
_CARRIED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CarriedList"}}},
    }
}


def identity_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/keys/identities``."""
    router = APIRouter(prefix="/v1/keys/identities", tags=["keys"], default_response_class=Response)
    viewer, admin = Depends(gate.needs(Role.VIEWER)), Depends(keeper(gate))
    identities = node.identities

    @router.get("", responses=answer(IdentityView, many=True), dependencies=[viewer])
    async def list_identities(
        request: Request,
        asked: Annotated[Page, Depends(page)],
        kind: Annotated[SubjectKind | None, Query(description="Only of this kind.")] = None,
    ) -> Response:
        """Certificates this node has issued, in order of their serials."""
        found = await identities.page(kind=kind, after=asked.after, limit=asked.limit)
        last = found[-1].record.id if found else ""
        return reply_page(request, [_view(one) for one in found], asked=asked, last=last)

    @router.get("/chain", responses=answer(ChainView), dependencies=[viewer])
    async def get_chain(name: _Name) -> Response:
        """One identity with its chain, to be verified anywhere."""
        return reply(await _shown(identities, name))

    @router.post("", responses=answer(ChainView), openapi_extra=_BODY)
    async def issue(
        request: Request,
        principal: Annotated[Principal, admin],
        subject: _Subject,
        days: Annotated[int, Query(ge=0, le=3_650, description="Validity; 0: the usual one for its kind.")] = 0,
    ) -> Response:
        """A certificate for the key whose possession the request in the body proves."""
        asked = KeyRequest.from_bytes(await read_small_body(request, MAX_REQUEST_BYTES))
        asked.require_proof(Subject.parse(subject))
        chain = await identities.issue(asked, actor=principal.name, lifetime_ns=days * _DAY_NS)
        return reply(await _shown(identities, chain.leaf.serial))

    _add_changes(router, node, admin=admin)
    _add_lists(router, node, viewer=viewer, admin=admin)
    return router


def _add_changes(router: APIRouter, node: "Node", *, admin: Any) -> None:
    """Changes to existing identities."""
    identities = node.identities

    @router.post("/rotate", responses=answer(ChainView), openapi_extra=_BODY)
    async def rotate(
        request: Request,
        principal: Annotated[Principal, admin],
        subject: _Subject,
        algorithm: Annotated[
            str, Query(max_length=64, description="Algorithm of the new key, if the node generates it.")
        ] = "",
    ) -> Response:
        """The next epoch of a subject: under a fresh key of the node's own, or as the request in the body asks."""
        body = await read_small_body(request, MAX_REQUEST_BYTES)
        wanted = KeyRequest.from_bytes(body) if body else None
        chain = await identities.rotate(
            Subject.parse(subject), actor=principal.name, request=wanted, algorithm=algorithm
        )
        return reply(await _shown(identities, chain.leaf.serial))

    @router.post("/revoke", responses=answer(RevokedView))
    async def revoke(
        principal: Annotated[Principal, admin],
        name: _Name,
        why: Annotated[
            Why,
            Query(
                description="After key-compromised the key counts as never valid; any other reason "
                "keeps it valid until now."
            ),
        ],
        note: Annotated[str, Query(max_length=200, description="For those who read it later.")] = "",
    ) -> Response:
        """Revoke a certificate; it is in force when this answers."""
        entry = await identities.revoke(name, why, actor=principal.name, note=note)
        return reply(
            RevokedView(
                serial=entry.serial,
                subject=entry.subject,
                why=entry.why.value,
                since_ns=entry.since_ns,
                note=entry.note,
            )
        )

    @router.get("/reissue", responses=answer(ReissueView), dependencies=[admin])
    async def get_reissue() -> Response:
        """How far signing again is, and what stands under a forbidden algorithm."""
        return reply(await _reissue_view(identities))

    @router.post("/reissue", responses=answer(ReissueView))
    async def start_reissue(principal: Annotated[Principal, admin]) -> Response:
        """Sign again what stands under an earlier key, in the background; resumes where it was stopped."""
        await identities.reissue.start(actor=principal.name)
        return reply(await _reissue_view(identities))

    @router.post("/reissue/stop", responses=answer(ReissueView))
    async def stop_reissue(principal: Annotated[Principal, admin]) -> Response:
        """Stop it after the current certificates; what was signed stays signed."""
        await identities.reissue.stop(actor=principal.name)
        return reply(await _reissue_view(identities))


def _add_lists(router: APIRouter, node: "Node", *, viewer: Any, admin: Any) -> None:
    """What travels between nodes: lists of revocations, and roots that are trusted."""
    identities = node.identities

    @router.get("/revocations", responses=answer(CarriedList), dependencies=[viewer])
    async def get_revocations(issuer: _Subject) -> Response:
        """The newest list of an issuer, to be carried to another node."""
        found = await identities.list_of(Subject.parse(issuer))
        if found is None:
            raise NotFound("revocation list of", issuer)
        listed, chain = found
        return reply(
            CarriedList(
                issuer=issuer,
                number=listed.number,
                entries=len(listed.entries),
                revocations=base64.b64encode(listed.to_bytes()).decode(),
                chain=chain.to_text(),
            )
        )

    @router.post("/revocations", responses=answer(Accepted), openapi_extra=_CARRIED)
    async def accept_revocations(request: Request, principal: Annotated[Principal, admin]) -> Response:
        """Import another issuer's list, if it is newer than what is known here and withdraws nothing."""
        body = await read_small_body(request, _MAX_CARRIED_BYTES)
        try:
            carried = msgspec.json.decode(body, type=CarriedList)
            listed = RevocationList.from_bytes(base64.b64decode(carried.revocations, validate=True))
        except (msgspec.DecodeError, binascii.Error, ValueError) as error:
            raise InvalidCertificate("revocation list", str(error)) from error
        news = await identities.accept(listed, Chain.from_text(carried.chain), actor=principal.name)
        return reply(Accepted(news=news))

    @router.post("/trust", responses=answer(Accepted), openapi_extra=_BODY)
    async def trust(
        request: Request,
        principal: Annotated[Principal, admin],
        fingerprint: Annotated[str, Query(max_length=64, description="Fingerprint of the root's key, from elsewhere.")],
    ) -> Response:
        """Trust the organisation at the end of the chain in the body, if its key is the named one."""
        body = await read_small_body(request, 2 * MAX_CHAIN_BYTES)
        root = Chain.from_text(body.decode("ascii", "replace")).root
        if root.key_fingerprint != fingerprint.lower():
            raise InvalidInput("fingerprint", f"the key of {root.subject} has the fingerprint {root.key_fingerprint}")
        news = root.key_fingerprint not in identities.anchors
        await identities.trust(root, actor=principal.name)
        return reply(Accepted(news=news))

    @router.post("/distrust", responses=answer(Accepted))
    async def distrust(
        principal: Annotated[Principal, admin],
        fingerprint: Annotated[str, Query(max_length=64, description="Fingerprint of the root's key.")],
    ) -> Response:
        """Stop trusting an organisation; in force when this answers. Not new: it was not trusted."""
        return reply(Accepted(news=await identities.distrust(fingerprint.lower(), actor=principal.name)))


async def _reissue_view(identities: Identities) -> ReissueView:
    run = await identities.reissue.status()
    forbidden = await identities.reissue.forbidden()
    return ReissueView(
        state=run.state.value,
        actor=run.actor,
        started_at_ns=run.at_ns,
        ended_at_ns=run.ended_at_ns,
        done=run.done,
        total=run.total,
        forbidden=tuple(
            ForbiddenView(subject=one.subject, serial=one.serial, algorithm=one.algorithm, own_key=one.own_key)
            for one in forbidden
        ),
    )


async def _shown(identities: Identities, name: str) -> ChainView:
    told = await identities.get(name)
    return ChainView(identity=_view(told), chain=(await identities.chain(told.record.id)).to_text())


def _view(told: Told) -> IdentityView:
    body = told.certificate.body
    return IdentityView(
        serial=body.serial,
        subject=body.subject,
        issuer=body.issuer,
        key=told.certificate.key_fingerprint,
        algorithm=body.key_algorithm,
        signed_with=body.signature_algorithm,
        epoch=body.epoch,
        uses=body.uses,
        not_before_ns=body.not_before_ns,
        not_after_ns=body.not_after_ns,
        state=told.state,
        reason=told.reason,
    )
