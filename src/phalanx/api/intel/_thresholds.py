"""Adaptive thresholds over HTTP: their values, how they moved, pinning one, and what people said about findings."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import Page, page, reply
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput
from phalanx.intel import PinWanted, RuleFeedback, SuppressionAdvice, ThresholdMove, ThresholdPin, ThresholdStanding
from phalanx.learning import ThresholdChange
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (
    ThresholdStanding,
    ThresholdMove,
    ThresholdPin,
    PinWanted,
    RuleFeedback,
    SuppressionAdvice,
    ThresholdChange,
)


def threshold_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/thresholds`` and ``/v1/feedback``."""
    router = APIRouter(prefix="/v1", tags=["rules"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))
    thresholds = node.detection.thresholds

    @router.get("/thresholds", responses=answer(ThresholdStanding, many=True))
    async def list_thresholds(principal: Annotated[Principal, viewer]) -> Response:
        """The current value of each threshold, its bounds, and who or what set it."""
        return reply({"items": await thresholds.standing(principal.tenant), "next": ""})

    @router.get("/thresholds/history", responses=answer(ThresholdMove, many=True))
    async def list_moves(principal: Annotated[Principal, viewer], wanted: Annotated[Page, Depends(page)]) -> Response:
        """How thresholds moved, newest first: from where to where, by what, and from which scores."""
        moves = await thresholds.history(principal.tenant, after=wanted.after, limit=wanted.limit)
        return reply({"items": moves, "next": moves[-1].id if len(moves) == wanted.limit else ""})

    @router.post("/thresholds/{threshold}/pin", responses=answer(ThresholdPin), openapi_extra=asked(PinWanted))
    async def pin_threshold(
        threshold: str, request: Request, principal: Annotated[Principal, operator]
    ) -> Response:  # fmt: skip
        """Pin a threshold between its floor and its ceiling, or without a value let it adapt again, with a reason."""
        body = await read_body(request, node.offload)
        try:
            wanted = msgspec.json.decode(body, type=PinWanted)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        return reply(await thresholds.pin(principal.tenant, threshold, wanted, by=principal.name))

    @router.get("/feedback", responses=answer(RuleFeedback, many=True))
    async def list_feedback(principal: Annotated[Principal, viewer]) -> Response:
        """What people said about findings, by rule: the share that was wrong, and what follows."""
        return reply({"items": await thresholds.feedback(principal.tenant), "next": ""})

    return router
