"""Events: accepting them, and looking at what was accepted.

The reply to a post is sent after the raw bytes are durable, and not before: a client that has its 202 may forget
the events, whatever happens to the node. A client that got no answer sends the same body again under the same
``Idempotency-Key`` and duplicates nothing.
"""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._limits import MAX_HEADER_CHARS
from phalanx.api._problems import UnsupportedMedia, trace_of
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer
from phalanx.core import MAX_NAME_CHARS, Event, StorageFull, event_id, split_event_id
from phalanx.intel import MAX_READER_CHARS, ocsf_view
from phalanx.intel.reading import mapping_of
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_MEDIA_TYPES = (*_NDJSON, "text/plain")
_EXAMPLE = '{"EventID":4625,"Channel":"Security","Hostname":"ws-07","TargetUserName":"kim"}\n'
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One event a line. `Content-Encoding: gzip` is understood.",
        "content": {kind: {"schema": {"type": "string"}, "example": _EXAMPLE} for kind in _MEDIA_TYPES},
    }
}


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted, durably. The events' ids run from ``first_event`` to ``last_event``.

    ``duplicate`` says that this idempotency key was used before: nothing was accepted again. ``trace`` is the
    request's own, as the log knows it; an event's trace is the event's id.
    """

    batch: str
    events: int
    first_event: str
    last_event: str
    duplicate: bool
    trace: str


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One event: the line as received, the source's own fields, and OCSF as a view over them.

    ``lossy`` names the fields of which that view holds only a part, and why.
    """

    id: str
    batch: str
    row: int
    tenant: str
    log_source: str
    reader: str
    time_ns: int
    accepted_at_ns: int
    fields: dict[str, str | int | float | bool]
    ocsf: dict[str, Any]
    lossy: dict[str, str]
    raw: str


KINDS: tuple[type, ...] = (Taken, EventView)


def event_view(event: Event) -> EventView:
    """The view of one event. Bytes that are not UTF-8 show as the replacement character."""
    identifier = event.id
    return EventView(
        id=identifier,
        batch=event.batch.batch,
        row=split_event_id(identifier)[1],
        tenant=event.batch.tenant,
        log_source=str(event.batch.log_source),
        reader=event.batch.reader,
        time_ns=event.time_ns,
        accepted_at_ns=event.batch.accepted_at_ns,
        fields=event.fields(),
        ocsf=ocsf_view(event),
        lossy=dict(mapping_of(event).lossy),
        raw=event.raw.decode(errors="replace"),
    )


def event_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/events``."""
    router = APIRouter(prefix="/v1/events", tags=["events"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.post("", status_code=202, responses=answer(Taken, status=202), openapi_extra=_BODY)
    async def post_events(
        request: Request,
        principal: Annotated[Principal, Depends(gate.needs(Role.INGEST))],
        reader: Annotated[
            str,
            Query(max_length=MAX_READER_CHARS, description="Format of the lines; `auto` recognises it line by line."),
        ] = "auto",
        idempotency_key: Annotated[
            str, Header(max_length=MAX_HEADER_CHARS, description="Names this request; the same key is accepted once.")
        ] = "",
    ) -> Response:
        """Accept events, one per line. Needs the role ingest or operator."""
        taken = await _take_in(node, request, principal, reader, idempotency_key)
        return reply(taken, status=202)

    @router.get("", responses=answer(EventView, many=True))
    async def list_events(
        request: Request,
        principal: Annotated[Principal, viewer],
        asked: Annotated[Page, Depends(page)],
        source: Annotated[str, Query(max_length=MAX_NAME_CHARS, description="Only events of this log source.")] = "",
        reader: Annotated[str, Query(max_length=MAX_NAME_CHARS, description="Only events in this format.")] = "",
    ) -> Response:
        """Events, newest first."""
        events = await node.events.recent(
            principal.tenant, limit=asked.limit, after=asked.after, source=source, reader=reader
        )
        views = [event_view(event) for event in events]
        return reply_page(request, views, asked=asked, last=views[-1].id if views else "")

    @router.get("/{event_id}", responses=answer(EventView))
    async def get_event(event_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """One event."""
        return reply(event_view(await node.events.get(principal.tenant, event_id)))

    return router


async def _take_in(node: "Node", request: Request, principal: Principal, reader: str, key: str) -> Taken:
    if node.read_only:
        raise StorageFull("new events")
    _check_media_type(request)
    body = await read_body(request, node.offload)
    accepted = await node.intake.accept(body, tenant=principal.tenant, reader=reader, idempotency_key=key)
    return Taken(
        batch=accepted.batch,
        events=accepted.events,
        first_event=event_id(accepted.batch, 0),
        last_event=event_id(accepted.batch, max(accepted.events - 1, 0)),
        duplicate=accepted.duplicate,
        trace=trace_of(request),
    )


def _check_media_type(request: Request) -> None:
    seen = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if seen not in _MEDIA_TYPES:
        hint = "say which with the header Content-Type; for JSON lines application/x-ndjson"
        raise UnsupportedMedia("media type", seen, accepted=_MEDIA_TYPES, hint=hint)
