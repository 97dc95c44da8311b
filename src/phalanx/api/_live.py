"""Live updates as server-sent events (WHATWG HTML, section 9.2).

- ``waypoint``: something happened; its id is the event id, so a reader that comes back with
  ``Last-Event-ID`` first gets what it missed from the store. What happened shortly before may
  come twice; readers drop ids they know.
- ``pulse``: the counters, once a second, which also keeps the connection alive.
- ``dropped``: this reader is too slow and lost that many waypoints; the store has them.

A stream is bounded in memory by its subscription, and it ends when its reader's right does.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Header
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from phalanx.api._auth import Gate
from phalanx.api._limits import (
    LIVE_CAPACITY,
    MAX_CURSOR_CHARS,
    MAX_RESUMED_WAYPOINTS,
    PULSE_S,
    RECHECK_S,
    RECONNECT_MS,
    RESUME_OVERLAP_S,
)
from phalanx.api._pulse import Pulse, take_pulse
from phalanx.api._schemas import answer_text
from phalanx.core import (
    NS_PER_MS,
    NS_PER_S,
    InvalidInput,
    Waypoint,
    decode,
    derive_id,
    encode_json,
    id_time_ms,
    is_id,
)
from phalanx.telemetry import WAYPOINTS, Subscription
from phalanx.trust import NotAllowed, NotAuthenticated, Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class Dropped(msgspec.Struct, frozen=True):
    """How many waypoints this reader lost since the stream began."""

    dropped: int


def live_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/live``."""
    router = APIRouter(prefix="/v1/live", tags=["live"], default_response_class=Response)

    @router.get("", responses=answer_text("text/event-stream", "Waypoints as they happen, and a pulse every second."))
    async def live(
        request: Request,
        principal: Annotated[Principal, Depends(gate.needs(Role.VIEWER))],
        last_event_id: Annotated[str, Header(max_length=MAX_CURSOR_CHARS, description="Waypoint to resume after.")] = "",
    ) -> Response:
        """Waypoints as they happen, and a pulse every second."""
        if last_event_id and not is_id(last_event_id):
            raise InvalidInput("Last-Event-ID", "is not the id of a waypoint")
        subscription = node.telemetry.feed.subscribe(principal.tenant, capacity=LIVE_CAPACITY)
        return _LiveResponse(_Stream(node, gate, request, subscription), last_event_id)

    return router


class _LiveResponse(StreamingResponse):
    """Closes its stream however it ends, also when the reader left before it began."""

    def __init__(self, stream: "_Stream", last_event_id: str) -> None:
        self._stream = stream
        self._frames = stream.frames(last_event_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._frames, media_type="text/event-stream", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stream.subscription:
            async with contextlib.aclosing(self._frames):
                await super().__call__(scope, receive, send)


class _Stream:
    """One reader's stream."""

    def __init__(self, node: "Node", gate: Gate, request: Request, subscription: Subscription) -> None:
        self._node = node
        self._gate = gate
        self._request = request
        self.subscription = subscription
        self._told_dropped = 0

    async def frames(self, last_event_id: str) -> AsyncGenerator[bytes, None]:
        """Everything the reader is sent, until it leaves, loses its right, or the node stops."""
        clock = self._node.clock
        yield f"retry: {RECONNECT_MS}\n\n".encode() + self._pulse()
        # Subscribed before the store is read: what is committed meanwhile comes twice, never not.
        if last_event_id:
            for waypoint in await self._missed(last_event_id):
                yield _waypoint_frame(waypoint)
        checked_ns = clock.monotonic_ns()
        arrival = asyncio.ensure_future(_next(self.subscription))
        pulse = asyncio.ensure_future(clock.sleep(PULSE_S))
        try:
            while True:
                await asyncio.wait((arrival, pulse), return_when=asyncio.FIRST_COMPLETED)
                if arrival.done():
                    waypoint = arrival.result()
                    if waypoint is None:
                        return
                    yield _waypoint_frame(waypoint)
                    arrival = asyncio.ensure_future(_next(self.subscription))
                if pulse.done():
                    if clock.monotonic_ns() - checked_ns > RECHECK_S * NS_PER_S:
                        checked_ns = clock.monotonic_ns()
                        if not await self._still_allowed():
                            return
                    yield self._pulse()
                    pulse = asyncio.ensure_future(clock.sleep(PULSE_S))
        finally:
            arrival.cancel()
            pulse.cancel()

    async def _missed(self, last_event_id: str) -> list[Waypoint]:
        tenant = self.subscription.tenant
        seen_ms = id_time_ms(last_event_id)
        after = derive_id(max(0, seen_ms - RESUME_OVERLAP_S * 1_000) * NS_PER_MS, "resume")
        rows = await self._node.store.scan(WAYPOINTS, tenant, reverse=True, limit=MAX_RESUMED_WAYPOINTS)
        return [decode(row.value, Waypoint) for row in reversed(rows) if row.key > after and row.key != last_event_id]

    async def _still_allowed(self) -> bool:
        try:
            principal = await self._gate.identify(self._request)
            principal.require(Role.VIEWER)
        except (NotAuthenticated, NotAllowed):
            return False
        return True

    def _pulse(self) -> bytes:
        frame = _frame("pulse", take_pulse(self._node))
        dropped = self.subscription.dropped
        if dropped > self._told_dropped:
            self._told_dropped = dropped
            frame += _frame("dropped", Dropped(dropped))
        return frame


async def _next(subscription: Subscription) -> Waypoint | None:
    return await anext(subscription, None)


def _waypoint_frame(waypoint: Waypoint) -> bytes:
    return b"event: waypoint\nid: %b\ndata: %b\n\n" % (waypoint.id.encode(), encode_json(waypoint))


def _frame(event: str, data: Pulse | Dropped) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), encode_json(data))
