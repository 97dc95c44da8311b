"""Splunk's HTTP Event Collector as a way in: anything that sends to a collector can send to a node instead.

``/services/collector[/event]`` takes concatenated JSON objects, ``/services/collector/raw`` lines, ``/health`` says
whether there is room. The token is one of the node's (``Authorization: Splunk phx_…``) with the role ingest. The
answer comes when everything is durable, so an acknowledgement requested afterwards is already there. A sender that
got no answer sends again, and what it sent twice is stored twice: the protocol has no key to recognise it by.
"""

import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.core import InvalidInput, LimitExceeded, Overloaded, PhalanxError, StorageFull
from phalanx.trust import NotAllowed, NotAuthenticated, Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_PREFIX = "/services/collector"


class _Refused(PhalanxError):
    """What the collector answers with: a code of the protocol."""

    code = "hec-refused"

    def __init__(self, status: int, number: int, text: str, event: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        more = {} if event is None else {"invalid-event-number": event}
        self.body: dict[str, Any] = {"text": text, "code": number, **more}


def hec_routes(node: "Node") -> APIRouter:
    """Below ``/services/collector``; not part of the API's own document."""
    router = APIRouter(prefix=_PREFIX, include_in_schema=False, default_response_class=Response)

    async def events(request: Request) -> Response:
        return await _answered(_take(node, request, raw=False))

    async def raw(request: Request) -> Response:
        return await _answered(_take(node, request, raw=True))

    async def ack(request: Request) -> Response:
        return await _answered(_acks(node, request))

    async def health(_: Request) -> Response:
        if node.read_only:
            return reply({"text": "HEC is unhealthy, queues are full", "code": 18}, status=503)
        return reply({"text": "HEC is healthy", "code": 17})

    for path in ("", "/event", "/event/1.0"):
        router.add_api_route(path, events, methods=["POST"])
    for path in ("/raw", "/raw/1.0"):
        router.add_api_route(path, raw, methods=["POST"])
    router.add_api_route("/ack", ack, methods=["POST"])
    for path in ("/health", "/health/1.0"):
        router.add_api_route(path, health, methods=["GET"])
    return router


async def _answered(work: Any) -> Response:
    """The protocol's answer, whatever happened."""
    try:
        return reply(await work)
    except _Refused as refused:
        return reply(refused.body, status=refused.status)
    except Overloaded as full:
        return reply(
            {"text": "Server is busy", "code": 9}, status=503, headers={"Retry-After": str(full.retry_after_s)}
        )
    except StorageFull:
        return reply({"text": "Server is busy", "code": 9}, status=503)
    except LimitExceeded as error:
        return reply({"text": f"Request entity too large: {error.message}", "code": 27}, status=413)
    except InvalidInput as error:
        return reply({"text": f"Invalid data format: {error.message}", "code": 6}, status=400)


async def _take(node: "Node", request: Request, *, raw: bool) -> dict[str, Any]:
    principal = await _sender(node, request)
    if node.read_only:
        raise StorageFull("new events")
    channel = request.headers.get("x-splunk-request-channel") or request.query_params.get("channel")
    if raw and not channel:
        raise _Refused(400, 10, "Data channel is missing")
    body = await read_body(request, node.offload)
    if not body.strip():
        raise _Refused(400, 5, "No data")
    lines = body if raw else await node.offload.run(unwrapped, body)
    accepted = await node.intake.accept(lines, tenant=principal.tenant)
    more = {"ackId": accepted.offset} if channel else {}
    return {"text": "Success", "code": 0, **more}


async def _acks(node: "Node", request: Request) -> dict[str, Any]:
    await _sender(node, request)
    try:
        asked = json.loads(await read_body(request, node.offload))["acks"]
        return {"acks": {str(int(one)): 0 <= int(one) < node.intake.journal.end for one in asked}}
    except (ValueError, KeyError, TypeError) as error:
        raise _Refused(400, 6, "Invalid data format") from error


async def _sender(node: "Node", request: Request) -> Principal:
    header = request.headers.get("authorization", "")
    if not header:
        raise _Refused(401, 2, "Token is required")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "splunk":
        raise _Refused(401, 3, "Invalid authorization")
    try:
        principal = await node.tokens.authenticate(token.strip())
        principal.require(Role.INGEST)
    except (NotAuthenticated, NotAllowed) as error:
        raise _Refused(403, 4, "Invalid token") from error
    return principal


def unwrapped(body: bytes) -> bytes:
    """The events of concatenated objects as lines: an object as JSON, a text as it is. Raises ``_Refused``."""
    text, decoder, at = body.decode(errors="replace"), json.JSONDecoder(), 0
    lines: list[str] = []
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            found, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _Refused(400, 6, "Invalid data format", len(lines)) from error
        if not isinstance(found, dict) or "event" not in found:
            raise _Refused(400, 12, "Event field is required", len(lines))
        event = found["event"]
        if event in ("", None):
            raise _Refused(400, 13, "Event field cannot be blank", len(lines))
        lines.append(_line(event))
    return "\n".join(lines).encode()


def _line(event: Any) -> str:
    if isinstance(event, str):
        return " ".join(event.splitlines())
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)
