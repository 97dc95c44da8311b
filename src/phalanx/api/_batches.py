"""Batch jobs, routed to this machine, Slurm or Kubernetes: commands, and so for admins of the default tenant only."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.allocation.batches import BatchJob
from phalanx.allocation.routing import Aims, Routed
from phalanx.api._auth import Gate, keeper
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput
from phalanx.node import BatchRecord, BatchRouted
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node


class BatchRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch job, how many seconds it runs once it has begun, and what it is worth and by when."""

    job: BatchJob
    expected_s: float
    aims: Aims = Aims()


KINDS: tuple[type, ...] = (BatchRequest, BatchRecord, BatchRouted)


def batch_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/batches``."""
    router = APIRouter(prefix="/v1/batches", tags=["allocation"], default_response_class=Response)
    owner = Depends(keeper(gate))

    @router.get("", responses=answer(BatchRecord, many=True))
    async def list_batches(
        _: Annotated[Principal, owner], limit: Annotated[int, Query(ge=1, le=1_000)] = 100
    ) -> Response:
        """Batch jobs, newest first, as they were when last asked about."""
        return reply({"items": await node.batches.newest(limit=limit), "next": ""})

    @router.post("/route", responses=answer(Routed), openapi_extra=asked(BatchRequest))
    async def route_batch(request: Request, _: Annotated[Principal, owner]) -> Response:
        """Where a batch job would run now, and the arguments for and against each place. Nothing is sent."""
        wanted = await _read(request)
        return reply(await node.batches.route(wanted.job, wanted.expected_s, wanted.aims))

    @router.post("", responses=answer(BatchRouted), openapi_extra=asked(BatchRequest))
    async def submit_batch(request: Request, _: Annotated[Principal, owner]) -> Response:
        """Run it where it is routed to, once per name."""
        wanted = await _read(request)
        return reply(await node.batches.submit(wanted.job, wanted.expected_s, wanted.aims))

    @router.get("/{batch}", responses=answer(BatchRecord))
    async def get_batch(batch: str, _: Annotated[Principal, owner]) -> Response:
        """The state of a batch job, as its place reports it now."""
        return reply(await node.batches.get(batch))

    @router.post("/{batch}/cancel", responses=answer(BatchRecord))
    async def cancel_batch(batch: str, _: Annotated[Principal, owner]) -> Response:
        """The job as it ended: cancelled, unless it had ended before."""
        return reply(await node.batches.cancel(batch))

    async def _read(request: Request) -> BatchRequest:
        try:
            return msgspec.json.decode(await read_body(request, node.offload), type=BatchRequest)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error

    return router
