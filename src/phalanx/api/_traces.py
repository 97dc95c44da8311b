"""The whole path of one event: what happened because of it, in order, and how long each part took."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import NotFound, Waypoint
from phalanx.telemetry import Span
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class SpanView(msgspec.Struct, frozen=True, kw_only=True):
    """A finished piece of work of this process, as far back as it remembers."""

    id: int
    parent: int
    name: str
    room: str
    started_ns: int
    duration_ns: int
    error: str
    attrs: dict[str, str]


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The story of one event: its waypoints in order, and spans of the work behind them."""

    trace: str
    waypoints: list[Waypoint]
    spans: list[SpanView]


def _span_view(span: Span) -> SpanView:
    return SpanView(
        id=span.id,
        parent=span.parent,
        name=span.name,
        room=span.room,
        started_ns=span.started_ns,
        duration_ns=span.duration_ns,
        error=span.error,
        attrs={name: str(value) for name, value in span.attrs.items()},
    )


def trace_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/traces``."""
    router = APIRouter(prefix="/v1/traces", tags=["traces"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("/{trace_id}", responses=answer(Trace))
    async def get_trace(trace_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """What followed from an event: its path from intake to ledger."""
        waypoints = await node.story(principal.tenant, trace_id)
        if not waypoints:
            raise NotFound(
                "trace", trace_id, hint="an event from which nothing followed has no trace; see /v1/events/{id}"
            )
        # An event that is evidence of a finding made from an earlier one shares that one's spans.
        traces = dict.fromkeys(waypoint.trace for waypoint in waypoints)
        spans = [_span_view(span) for trace in traces for span in node.telemetry.tracer.spans(trace)]
        return reply(Trace(trace=trace_id, waypoints=waypoints, spans=spans))

    return router
