"""Decisions that agents made together, each with a document that proves it without this node."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer
from phalanx.consensus import AgreementRecord, EpochRecord, LeftOut, MisbehaviourRecord, Objection, epoch_key
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class AgreementDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with everything that proves it: verify it with `phalanx consensus verify`.

    ``epoch``, ``seal`` and ``certificate`` are base64; the votes are checked against the roots in the epoch, and
    the epoch against the seal of whoever fixed it.
    """

    form: str
    decision: str
    question: dict[str, Any]
    view: int
    voters: list[str]
    epoch: str
    seal: dict[str, str]
    certificate: str


class EpochListed(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch without its keys: who takes part, who was left out and why, and what members object to.

    ``accepted`` is the weight that accepted it, of ``total``; ``refused`` says why it was not fixed.
    """

    number: int
    digest: str
    at_ns: int
    fixed_by: str
    votes: str
    participants: list[str]
    left_out: list[LeftOut]
    accepted: int
    total: int
    refused: str
    objections: list[Objection]

    @classmethod
    def of(cls, record: EpochRecord) -> "EpochListed":
        epoch = record.decoded()
        return cls(
            number=record.number, digest=record.digest, at_ns=record.at_ns, fixed_by=epoch.fixed_by,
            votes=epoch.votes, participants=[one.name for one in epoch.participants], left_out=list(epoch.left_out),
            accepted=record.accepted, total=epoch.total, refused=record.refused, objections=list(record.objections),
        )  # fmt: skip


KINDS: tuple[type, ...] = (AgreementRecord, AgreementDocument, MisbehaviourRecord, EpochRecord, EpochListed)


def agreement_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/consensus``."""
    router = APIRouter(prefix="/v1/consensus", tags=["consensus"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("", responses=answer(AgreementRecord, many=True))
    async def list_agreements(
        request: Request, principal: Annotated[Principal, viewer], asked: Annotated[Page, Depends(page)]
    ) -> Response:
        """What agents agreed on, oldest first."""
        found = await node.agreements.list(principal.tenant, after=asked.after, limit=asked.limit)
        last = found[-1].id if found else ""
        return reply_page(request, found, asked=asked, last=last, full=len(found) == asked.limit)

    @router.get("/misbehaviour", responses=answer(MisbehaviourRecord, many=True))
    async def list_misbehaviour(
        request: Request, principal: Annotated[Principal, viewer], asked: Annotated[Page, Depends(page)]
    ) -> Response:
        """Evidence that convicted participants."""
        found = await node.agreements.misbehaviour(principal.tenant, after=asked.after, limit=asked.limit)
        last = found[-1].id if found else ""
        return reply_page(request, found, asked=asked, last=last, full=len(found) == asked.limit)

    @router.get("/epochs", responses=answer(EpochListed, many=True), dependencies=[viewer])
    async def list_epochs(request: Request, asked: Annotated[Page, Depends(page)]) -> Response:
        """Who took part when, who was left out, and what members object to; refused epochs too."""
        found = await node.agreements.epochs(after=asked.after, limit=asked.limit)
        last = epoch_key(found[-1].number, found[-1].digest) if found else ""
        listed = [EpochListed.of(one) for one in found]
        return reply_page(request, listed, asked=asked, last=last, full=len(found) == asked.limit)

    @router.get("/epochs/{digest}", responses=answer(EpochRecord), dependencies=[viewer])
    async def get_epoch(digest: str) -> Response:
        """One epoch with its seal, and the certificates of those who object to it."""
        return reply(await node.agreements.epoch(digest))

    @router.get("/{key}", responses=answer(AgreementRecord))
    async def get_agreement(key: str, principal: Annotated[Principal, viewer]) -> Response:
        """One agreement, by its id or by the context hash of the decision that rests on it."""
        return reply(await node.agreements.get(principal.tenant, key))

    @router.get("/{key}/certificate", responses=answer(AgreementDocument))
    async def get_certificate(key: str, principal: Annotated[Principal, viewer]) -> Response:
        """The document that proves an agreement without this node."""
        return reply(await node.agreements.document(principal.tenant, key))

    return router
