"""Quantum or classical, over HTTP: where a circuit would be answered, and jobs that go there."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.allocation.routing import Aims, Routed
from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput
from phalanx.devices import Job
from phalanx.quantum.circuits import read
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class RouteRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A circuit to answer, and what its answer is worth.

    ``circuit`` is text in ``language`` (empty: recognised from the text); ``seed`` and ``key`` are as at
    ``/v1/jobs``.
    """

    circuit: str
    shots: int = 1_000
    language: str = ""
    aims: Aims = Aims()
    seed: int | None = None
    key: str = ""


class RoutedJob(msgspec.Struct, frozen=True, kw_only=True):
    """The job, and how it was routed; ``routed`` is null if ``key`` already stood for a job."""

    job: Job
    routed: Routed | None


KINDS: tuple[type, ...] = (RouteRequest, Routed, RoutedJob)


def route_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/routes``."""
    router = APIRouter(prefix="/v1/routes", tags=["allocation"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.post("", responses=answer(Routed), openapi_extra=asked(RouteRequest))
    async def route(request: Request, principal: Annotated[Principal, viewer]) -> Response:
        """Where a circuit would be answered now, and the arguments for and against every way. Nothing is sent."""
        wanted = await _read(request)
        circuit = await node.offload.run(read, wanted.circuit, language=wanted.language or None)
        return reply(await node.routing.route(principal.tenant, circuit, wanted.shots, wanted.aims))

    @router.post("/jobs", responses=answer(RoutedJob), openapi_extra=asked(RouteRequest))
    async def submit(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Submit a circuit along its route; the job says why. Durable when this answers."""
        wanted = await _read(request)
        circuit = await node.offload.run(read, wanted.circuit, language=wanted.language or None)
        routed, job = await node.routing.submit(
            principal.tenant, circuit, wanted.shots, wanted.aims, seed=wanted.seed, key=wanted.key
        )
        return reply(RoutedJob(job=job, routed=routed))

    async def _read(request: Request) -> RouteRequest:
        try:
            return msgspec.json.decode(await read_body(request, node.offload), type=RouteRequest)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error

    return router
