"""How the node itself is doing: probes, metrics, and what its problems mean."""

import ipaddress
from typing import TYPE_CHECKING

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._problems import PROBLEM_TYPES, ProblemType, problem_type
from phalanx.api._replies import reply
from phalanx.api._schemas import OPEN, answer, answer_text
from phalanx.core import PhalanxError
from phalanx.telemetry import CONTENT_TYPE
from phalanx.trust import Role

if TYPE_CHECKING:
    from phalanx.node import Node


class ServiceHealth(msgspec.Struct, frozen=True):
    """The state of one service."""

    ok: bool
    detail: str


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the node accepts events and works on them. The rest is shown to callers with a token.

    The state of each service of the node, and whether storage is full.
    """

    ready: bool
    read_only: bool | None = None
    services: dict[str, ServiceHealth] | None = None


def service_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/healthz``, ``/readyz``, ``/metrics`` and ``/v1/problems``."""
    router = APIRouter(tags=["service"], default_response_class=Response)

    async def health(request: Request) -> Health:
        try:
            (await gate.identify(request)).require(Role.VIEWER)
        except PhalanxError:
            # A probe is answered whatever it shows: an old token, or a store that is away, must restart no node.
            return Health(ready=node.ready)
        services = {name: ServiceHealth(one.ok, one.detail) for name, one in node.health().items()}
        return Health(ready=node.ready, read_only=node.read_only, services=services)

    @router.get("/healthz", responses=answer(Health), openapi_extra=OPEN)
    async def healthz(request: Request) -> Response:
        """The process is alive and answers; restart it if this fails. With a token: the state of each service."""
        return reply(await health(request))

    @router.get("/readyz", responses={**answer(Health), 503: answer(Health)[200]}, openapi_extra=OPEN)
    async def readyz(request: Request) -> Response:
        """200 if the node accepts events and works on them, else 503; with a token, with the reason."""
        now = await health(request)
        return reply(now, status=200 if now.ready else 503)

    @router.get("/metrics", responses=answer_text("application/openmetrics-text", "All metrics, as OpenMetrics text."))
    async def metrics(request: Request) -> Response:
        """All metrics, as OpenMetrics text. From another machine: role viewer, unless the settings say otherwise."""
        if not (node.settings.api.metrics_open or _from_loopback(request)):
            (await gate.identify(request)).require(Role.VIEWER)
        return Response(node.telemetry.metrics.render_openmetrics(), headers={"Content-Type": CONTENT_TYPE})

    @router.get("/v1/problems", responses=answer(ProblemType, many=True), openapi_extra=OPEN)
    async def list_problem_types() -> Response:
        """Every kind of problem that this API answers with."""
        return reply({"items": list(PROBLEM_TYPES.values()), "next": ""})

    @router.get("/v1/problems/{code}", responses=answer(ProblemType), openapi_extra=OPEN)
    async def get_problem_type(code: str) -> Response:
        """What one kind of problem means."""
        return reply(problem_type(code))

    return router


def _from_loopback(request: Request) -> bool:
    if request.client is None:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
