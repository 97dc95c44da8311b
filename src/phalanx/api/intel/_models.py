"""Models over HTTP: put in shadow, shown with their origin and what they saw, promoted, retired, queried."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import BatchId, InvalidInput
from phalanx.intel import read_lines
from phalanx.intel.models import (
    MIN_SHADOW_EVENTS,
    Example,
    Figure,
    ModelEntry,
    ModelState,
    ModelStatus,
    ModelView,
    Provenance,
    Scored,
    labelled_examples,
    model_view,
    model_views,
)
from phalanx.intel.reading import split_lines
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_BINARY: dict[str, Any] = {
    "requestBody": {
        "required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    }
}  # fmt: skip
_TEXT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}
}  # fmt: skip
_NO_BATCH = BatchId("0197a000-0000-7000-8000-000000000000")


class ModelMoveWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a model is promoted or retired."""

    reason: str


KINDS: tuple[type, ...] = (ModelEntry, ModelView, ModelStatus, Provenance, Scored, Example, Figure, ModelMoveWanted)


def model_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/models``."""
    router = APIRouter(prefix="/v1/models", tags=["rules"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))
    models = node.detection.models

    @router.get("", responses=answer(ModelView, many=True))
    async def list_models(principal: Annotated[Principal, viewer]) -> Response:
        """Models with their origin, how good they were, and what they saw here."""
        return reply({"items": await model_views(models, node.store, principal.tenant), "next": ""})

    @router.get("/examples", responses=answer(Example, many=True))
    async def list_examples(principal: Annotated[Principal, operator]) -> Response:
        """Training events from what people said about findings: lines as received, each with its label."""
        labels = await node.detection.thresholds.labels(principal.tenant)
        items = await labelled_examples(node.store, node.events, principal.tenant, labels)
        return reply({"items": items, "next": ""})

    @router.get("/{model}", responses=answer(ModelView))
    async def get_model(model: str, principal: Annotated[Principal, viewer]) -> Response:
        """One model, by its id, or by its name when only one has it."""
        return reply(await model_view(models, node.store, principal.tenant, model))

    @router.post("", responses=answer(ModelEntry), openapi_extra=_BINARY)
    async def put_model(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Put a model in shadow: it is run on events, and what it would have said is counted."""
        return reply(await models.put(principal.tenant, await read_body(request, node.offload), by=principal.name))

    @router.post("/{model}/promote", responses=answer(ModelEntry), openapi_extra=asked(ModelMoveWanted))
    async def promote_model(model: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Let a model raise findings. It must have seen events in shadow; the promoted model of the same name is
        retired.
        """
        wanted = _wanted(await read_body(request, node.offload))
        seen = (await model_view(models, node.store, principal.tenant, model)).status.events
        return reply(await models.move(
            principal.tenant, model, ModelState.PROMOTED, reason=wanted.reason, by=principal.name, seen=seen,
            wanted=MIN_SHADOW_EVENTS,
        ))  # fmt: skip

    @router.post("/{model}/retire", responses=answer(ModelEntry), openapi_extra=asked(ModelMoveWanted))
    async def retire_model(model: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Stop using a model. It is kept for the record."""
        wanted = _wanted(await read_body(request, node.offload))
        return reply(await models.move(
            principal.tenant, model, ModelState.RETIRED, reason=wanted.reason, by=principal.name
        ))  # fmt: skip

    @router.post("/{model}/score", responses=answer(Scored, many=True), openapi_extra=_TEXT)
    async def score_events(
        model: str, request: Request, principal: Annotated[Principal, viewer],
        format: Annotated[str, Query(description="Format of the lines.")] = "auto",  # noqa: A002
    ) -> Response:  # fmt: skip
        """How a model scores the lines of the body that are events of its log source. Nothing of them is stored."""
        lines = split_lines(await read_body(request, node.offload))
        out = await node.offload.run(
            read_lines, lines, reader=format, tenant=principal.tenant, batch=_NO_BATCH,
            accepted_at_ns=node.clock.wall_ns(),
        )  # fmt: skip
        return reply({"items": await models.score(principal.tenant, model, out.batches), "next": ""})

    return router


def _wanted(body: bytes) -> ModelMoveWanted:
    try:
        return msgspec.json.decode(body, type=ModelMoveWanted)
    except msgspec.DecodeError as error:
        raise InvalidInput("body", str(error)) from error
