"""Decisions that agents made together, each with a document that proves it without this node."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer
from phalanx.consensus import AgreementRecord, MisbehaviourRecord
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class AgreementDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with everything that proves it: check it with `phalanx consensus verify`.

    ``epoch``, ``seal`` and ``certificate`` are base64; the votes are checked against the roots in the
    epoch, and the epoch against the seal of who fixed it.
    """

    form: str
    decision: str
    question: dict[str, Any]
    view: int
    voters: list[str]
    epoch: str
    seal: dict[str, str]
    certificate: str


KINDS: tuple[type, ...] = (AgreementRecord, AgreementDocument, MisbehaviourRecord)


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

    @router.get("/{key}", responses=answer(AgreementRecord))
    async def get_agreement(key: str, principal: Annotated[Principal, viewer]) -> Response:
        """One agreement, by its id or by the context hash of the decision that rests on it."""
        return reply(await node.agreements.get(principal.tenant, key))

    @router.get("/{key}/certificate", responses=answer(AgreementDocument))
    async def get_certificate(key: str, principal: Annotated[Principal, viewer]) -> Response:
        """The document that proves an agreement without this node."""
        return reply(await node.agreements.document(principal.tenant, key))

    return router
