"""Vouching for ledgers over HTTP: this node as a witness (C2SP tlog-witness), gossip, evidence.

A witness and its neighbours need no token: what they say counts by the signatures in it, and it is read within
separate bounds. What they are told is what a log shows everybody: sizes, hashes, signatures.
"""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_small_body
from phalanx.api._limits import MAX_CASE_CHARS
from phalanx.api._replies import reply
from phalanx.api._schemas import OPEN, answer, answer_text
from phalanx.ledger.evidence import Bundle
from phalanx.ledger.witness import (
    GOSSIP_PATH,
    MAX_GOSSIP_BYTES,
    MAX_REQUEST_BYTES,
    SIZE_TYPE,
    GossipMessage,
    Refusal,
    SplitView,
    WitnessRefused,
)
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_TEXT = "text/plain; charset=utf-8"


class KeysView(msgspec.Struct, frozen=True, kw_only=True):
    """Verifier keys (C2SP signed-note) of this node's ledger and of this node as a witness, for others' settings."""

    log: str
    log_keys: tuple[str, ...]
    fingerprint: str
    witness: str
    witness_keys: tuple[str, ...]


class WitnessView(msgspec.Struct, frozen=True, kw_only=True):
    """One witness of this ledger: how many entries it cosigned last, when, and what is wrong with it (or nothing)."""

    name: str
    url: str
    size: int
    behind: int
    cosigned_at_s: int
    problem: str


class WitnessesView(msgspec.Struct, frozen=True, kw_only=True):
    """The witnesses of this ledger. ``degraded``: fewer than the quorum cosigned the last checkpoint."""

    size: int
    quorum: int
    degraded: bool
    witnesses: tuple[WitnessView, ...]


class WitnessedView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else's ledger as this node cosigned it last; ``open`` counts checkpoints not yet proved."""

    origin: str
    size: int
    root: str
    cosigned_at_ns: int
    open: int


class SplitViewView(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger that was caught showing two histories. ``evidence`` convinces anybody who knows its keys."""

    id: str
    origin: str
    found_at_ns: int
    source: str
    evidence: SplitView


KINDS: tuple[type, ...] = (Bundle, KeysView, WitnessesView, WitnessView, WitnessedView, SplitViewView, GossipMessage)


def witness_routes(node: "Node") -> APIRouter:
    """What others ask without a token: ``/v1/witness`` and gossip."""
    router = APIRouter(tags=["witness"], default_response_class=Response)
    vouching = node.vouching

    @router.get("/v1/witness", responses=answer(KeysView), openapi_extra=OPEN)
    async def get_keys() -> Response:
        """The keys that others put into their settings, to witness this ledger or to be witnessed here."""
        return reply(
            KeysView(
                log=vouching.log.origin,
                log_keys=tuple(map(str, vouching.log.keys)),
                fingerprint=node.ledger.public_key.fingerprint,
                witness=vouching.witness.keys.name,
                witness_keys=tuple(map(str, vouching.witness.keys.keys)),
            )
        )

    @router.post(
        "/v1/witness/add-checkpoint", responses=answer_text("text/plain", "Cosignature lines."), openapi_extra=OPEN
    )
    async def add_checkpoint(request: Request) -> Response:
        """C2SP tlog-witness: cosign a checkpoint that provably extends what this node last cosigned of its log."""
        try:
            lines = await vouching.witness.add_checkpoint(await read_small_body(request, MAX_REQUEST_BYTES))
        except WitnessRefused as refused:
            # The specification says what these answers look like; they are no problem documents.
            if refused.refusal is Refusal.CONFLICT:
                return Response(f"{refused.size}\n", refused.refusal.value, headers={"Content-Type": SIZE_TYPE})
            return Response(f"{refused.message}\n", refused.refusal.value, media_type=_TEXT)
        return Response(lines, media_type=_TEXT)

    @router.post(GOSSIP_PATH, responses=answer(GossipMessage), openapi_extra=OPEN)
    async def gossip(request: Request) -> Response:
        """Exchange checkpoints: those you have seen for those this node has seen."""
        body = await read_small_body(request, MAX_GOSSIP_BYTES)
        source = request.client.host if request.client else "somebody"
        return Response(await vouching.gossip.answer(body, source=source), media_type="application/json")

    return router


def vouching_routes(node: "Node", gate: Gate) -> APIRouter:
    """Who vouches for this ledger, for whose this node does, and who was caught."""
    router = APIRouter(tags=["witness"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))
    vouching = node.vouching

    @router.get("/v1/ledger/bundle", responses=answer(Bundle))
    async def get_bundle(
        principal: Annotated[Principal, viewer],
        case: Annotated[str, Query(min_length=1, max_length=MAX_CASE_CHARS, description="The case to export.")],
    ) -> Response:
        """The evidence of one case as a file that can be verified without this node (`phalanx ledger verify`)."""
        return Response(await vouching.evidence.export(principal.tenant, case), media_type="application/json")

    @router.get("/v1/ledger/witnesses", responses=answer(WitnessesView), dependencies=[viewer])
    async def list_witnesses() -> Response:
        """Who cosigned this ledger, and how far behind each is."""
        found = await vouching.witnesses.statuses()
        return reply(
            WitnessesView(
                size=node.ledger.size,
                quorum=vouching.witnesses.quorum,
                degraded=vouching.witnesses.degraded,
                witnesses=tuple(
                    WitnessView(
                        name=one.name, url=one.url, size=one.size, behind=one.behind,
                        cosigned_at_s=one.cosigned_at_s, problem=one.problem,
                    )
                    for one in found
                ),
            )
        )  # fmt: skip

    @router.get("/v1/ledger/witnessed", responses=answer(WitnessedView, many=True), dependencies=[viewer])
    async def list_witnessed() -> Response:
        """Other ledgers that this node cosigned."""
        unproved = [note.origin for note in await vouching.gossip.open_notes()]
        items = [
            WitnessedView(
                origin=head.origin, size=head.size, root=head.root, cosigned_at_ns=head.at_ns,
                open=unproved.count(head.origin),
            )
            for head in await vouching.witness.heads()
        ]  # fmt: skip
        return reply({"items": items, "next": ""})

    @router.get("/v1/ledger/split-views", responses=answer(SplitViewView, many=True), dependencies=[viewer])
    async def list_split_views() -> Response:
        """Ledgers that were caught showing two histories, newest first."""
        items = [
            SplitViewView(
                id=one.id, origin=one.evidence.origin, found_at_ns=one.at_ns, source=one.source, evidence=one.evidence
            )
            for one in await vouching.gossip.split_views()
        ]
        return reply({"items": items, "next": ""})

    return router
