"""Live updates as server-sent events (WHATWG HTML, section 9.2).

- ``waypoint``: something happened; its id is the event id, so a reader that comes back with
  ``Last-Event-ID`` first gets what it missed from the store, and then ``resumed``, which says
  whether that was all. A waypoint may come twice then; readers drop ids they know.
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
)
from phalanx.api._pulse import Pulse, take_pulse
from phalanx.api._schemas import answer_text
from phalanx.core import (
    NS_PER_S,
    InvalidInput,
    Row,
    TenantId,
    Waypoint,
    decode,
    encode_json,
    is_id,
)
from phalanx.telemetry import WAYPOINTS, Subscription
from phalanx.trust import NotAllowed, NotAuthenticated, Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class Dropped(msgspec.Struct, frozen=True):
    """How many waypoints this reader lost since the stream began."""

    dropped: int


class Resumed(msgspec.Struct, frozen=True):
    """What a returning reader was sent first. Not ``complete`` if there was more than that."""

    sent: int
    complete: bool


KINDS: tuple[type, ...] = (Waypoint, Pulse, Dropped, Resumed)


def live_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/live``."""
    router = APIRouter(prefix="/v1/live", tags=["live"], default_response_class=Response)

    @router.get("", responses=answer_text("text/event-stream", "Waypoints as they happen, and a pulse every second."))
    async def live(
        request: Request,
        principal: Annotated[Principal, Depends(gate.needs(Role.VIEWER))],
        last_event_id: Annotated[
            str, Header(max_length=MAX_CURSOR_CHARS, description="Waypoint to resume after.")
        ] = "",
    ) -> Response:
        """Waypoints as they happen, and a pulse every second."""
        if last_event_id and not is_id(last_event_id):
            raise InvalidInput("Last-Event-ID", "is not the id of a waypoint")
        return _LiveResponse(_Stream(node, gate, request, principal.tenant), last_event_id)

    return router


class _LiveResponse(StreamingResponse):
    """Closes its stream however it ends, even if the reader left before it began."""

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

    def __init__(self, node: "Node", gate: Gate, request: Request, tenant: TenantId) -> None:
        self._node = node
        self._gate = gate
        self._request = request
        self._tenant = tenant
        self.subscription = node.telemetry.feed.subscribe(tenant, capacity=LIVE_CAPACITY)
        self._told_dropped = 0

    async def frames(self, last_event_id: str) -> AsyncGenerator[bytes, None]:
        """Everything the reader is sent, until it leaves, loses its right, or the node stops."""
        clock = self._node.clock
        yield f"retry: {RECONNECT_MS}\n\n".encode() + self._pulse()
        # Subscribed before the store is read: what is committed meanwhile comes twice, never not.
        if last_event_id:
            yield await self._missed(last_event_id)
        checked_ns = clock.monotonic_ns()
        arrival = asyncio.ensure_future(_next(self.subscription))
        pulse = asyncio.ensure_future(clock.sleep(PULSE_S))
        try:
            while True:
                await asyncio.wait((arrival, pulse), return_when=asyncio.FIRST_COMPLETED)
                if arrival.done():
                    arrived = arrival.result()
                    if arrived is None:
                        return
                    yield _waypoint_frame(arrived)
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

    async def _missed(self, last_event_id: str) -> bytes:
        """What was committed after the last waypoint that the reader saw, in that order."""
        store = self._node.store
        seen = await store.get(WAYPOINTS, self._tenant, last_event_id)
        if seen is None:
            return _frame("resumed", Resumed(0, complete=False))
        rows = await store.scan(WAYPOINTS, self._tenant, reverse=True, limit=MAX_RESUMED_WAYPOINTS)
        # Waypoints are named by when they happened; what was committed since is told by the version.
        later = [row for row in rows if row.version >= seen.version and row.key != last_event_id]
        complete = len(rows) < MAX_RESUMED_WAYPOINTS or rows[-1].version < seen.version
        frames = [_waypoint_frame(decode(row.value, Waypoint)) for row in sorted(later, key=_commit_order)]
        return b"".join((*frames, _frame("resumed", Resumed(len(later), complete=complete))))

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


def _commit_order(row: Row) -> tuple[int, str]:
    return row.version, row.key


async def _next(subscription: Subscription) -> Waypoint | None:
    return await anext(subscription, None)


def _waypoint_frame(waypoint: Waypoint) -> bytes:
    return b"event: waypoint\nid: %b\ndata: %b\n\n" % (waypoint.id.encode(), encode_json(waypoint))


def _frame(event: str, data: Pulse | Dropped | Resumed) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), encode_json(data))
