"""The whole way of one event: what happened because of it, in order, and how long each part took."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._limits import MAX_TRACE_WAYPOINTS
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import NotFound, Waypoint, decode
from phalanx.telemetry import WAYPOINTS, Span
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


# What follows from one event within one nanosecond is told in the order it was caused.
_STAGES = (
    "accepted", "quarantine", "finding", "mission", "assigned", "step", "assessment",
    "proposal", "decision", "ledger", "mission-done", "mission-failed",
)  # fmt: skip
_ORDER = {stage: place for place, stage in enumerate(_STAGES)}


def _story_order(waypoint: Waypoint) -> tuple[int, int, str]:
    return waypoint.at_ns, _ORDER.get(waypoint.stage, len(_ORDER)), waypoint.id


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
        """What followed from an event: its way from intake to ledger."""
        rows = await node.store.find(WAYPOINTS, principal.tenant, "trace", trace_id, limit=MAX_TRACE_WAYPOINTS)
        if not rows:
            raise NotFound(
                "trace", trace_id, hint="an event of which nothing followed has no trace; see /v1/events/{id}"
            )
        waypoints = sorted((decode(row.value, Waypoint) for row in rows), key=_story_order)
        # An event that is evidence of a finding made from an earlier one shares that one's spans.
        traces = dict.fromkeys(waypoint.trace for waypoint in waypoints)
        spans = [_span_view(span) for trace in traces for span in node.telemetry.tracer.spans(trace)]
        return reply(Trace(trace=trace_id, waypoints=waypoints, spans=spans))

    return router
