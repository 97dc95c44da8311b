"""Every error leaves the API as one problem document (RFC 9457).

``type`` can be looked up on the node itself, without a network. ``code`` is that of the ``PhalanxError``; an error
without a type of its own gets its nearest ancestor's. A fault of the node itself is answered without its message:
that goes to the log, under the same trace.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from phalanx.core import NotFound, PhalanxError, encode_json

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class ProblemType(msgspec.Struct, frozen=True):
    """A kind of problem: what it is called, its HTTP status and what it means."""

    code: str
    status: int
    title: str
    meaning: str


class FieldProblem(msgspec.Struct, frozen=True):
    """One field that is not acceptable, and why."""

    field: str
    reason: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document. ``hint`` says what to do, ``trace`` finds it in the node's log."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    hint: str = ""
    instance: str = ""
    trace: str = ""
    errors: tuple[FieldProblem, ...] = ()
    context: dict[str, str | int | float | bool] = {}


PROBLEM_TYPES: Mapping[str, ProblemType] = {
    kind.code: kind
    for kind in (
        ProblemType("invalid-input", 422, "Invalid input", "A parameter or a part of the body is not acceptable."),
        ProblemType("not-authenticated", 401, "Not authenticated", "The token or the session is missing or not valid."),
        ProblemType("not-allowed", 403, "Not allowed", "The token is valid, but its role does not allow this."),
        ProblemType("over-budget", 402, "Over budget", "A job would cost more than its tenant has left."),
        ProblemType("manager-refused", 409, "Refused by the manager", "The node that is manager says no, and why."),
        ProblemType("manager-away", 503, "The manager is away", "The node that is manager did not answer in time."),
        ProblemType("not-found", 404, "Not found", "There is no such record or address."),
        ProblemType("method-not-allowed", 405, "Method not allowed", "The address exists, but not for this method."),
        ProblemType("shredded", 410, "Shredded", "The tenant's keys were destroyed; its data is gone for good."),
        ProblemType(
            "damaged-artefact", 410, "Damaged artefact", "A kept file is not what was written, from a chunk on."
        ),
        ProblemType("sharing", 422, "Escrow refused", "An escrow, ceremony, release or share does not hold."),
        ProblemType("identity", 422, "Identity refused", "A certificate, chain or list of revocations does not hold."),
        ProblemType("algorithm-forbidden", 422, "Algorithm forbidden", "The policy in force does not allow it."),
        ProblemType("invalid-key", 422, "Invalid key", "Bytes are not a key in the form that is written here."),
        ProblemType("ceremony-closed", 409, "Ceremony closed", "The ceremony has been used, or its time is over."),
        ProblemType("conflict", 409, "Conflict", "Somebody else changed the record first; read it again."),
        ProblemType("out-of-date", 409, "Out of date", "It is no longer as you saw it; nothing was changed."),
        ProblemType("ledger-tampered", 409, "Ledger changed", "What is stored of the ledger is not what was recorded."),
        ProblemType("limit-exceeded", 413, "Limit exceeded", "The request is beyond a named bound."),
        ProblemType("unsupported-media", 415, "Unsupported media", "The body's type or encoding is not understood."),
        ProblemType(
            "invalid-circuit",
            422,
            "Not a circuit",
            "The text is no circuit; the message says where.",
        ),
        ProblemType(
            "invalid-workflow-file", 422, "Not a workflow", "The file is no workflow; each line says what is wrong."
        ),
        ProblemType("wire", 422, "Unreadable record", "Bytes are not the record they should be."),
        ProblemType("not-shareable", 403, "Not shareable", "The marking of an object does not allow it there."),
        ProblemType("taxii-refused", 502, "Refused elsewhere", "A TAXII server elsewhere answered with an error."),
        ProblemType("no-eligible-resource", 422, "Nowhere to go", "An operation can be done by none of the resources."),
        ProblemType("undelivered", 409, "Not delivered", "An envelope did not reach its recipient; it is kept."),
        ProblemType("refused", 403, "Refused", "Marking, audience, tenant or identity do not allow an envelope."),
        ProblemType("overloaded", 429, "Overloaded", "A bounded queue is full; nothing was accepted; retry later."),
        ProblemType("internal", 500, "Internal error", "A fault of the node; its log has the details under the trace."),
        ProblemType("unavailable", 503, "Unavailable", "A needed service or extra is not there now."),
        ProblemType("workflow", 409, "Workflow stopped", "A run cannot go on as it stands; the detail names why."),
        ProblemType("storage", 500, "Storage error", "The node could not read or write its state."),
        ProblemType("storage-full", 507, "Storage full", "No space left; nothing was accepted; reading still works."),
        ProblemType("http", 400, "Bad request", "The HTTP request itself is not acceptable."),
    )
}

_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "limit-exceeded", 415: "unsupported-media"}
_INTERNAL = PROBLEM_TYPES["internal"]


class UnsupportedMedia(PhalanxError):
    """The body's media type or encoding is not understood. Attribute: ``accepted``."""

    code = "unsupported-media"

    def __init__(self, what: str, seen: str, *, accepted: Sequence[str], hint: str = "") -> None:
        choices = ", ".join(accepted)
        super().__init__(f"{what} {seen or '(none)'!r} is none of {choices}", hint=hint, accepted=choices)


def problem_type(code: str) -> ProblemType:
    """The kind of problem named ``code``; raises ``NotFound``."""
    found = PROBLEM_TYPES.get(code)
    if found is None:
        raise NotFound("problem type", code)
    return found


def problem_response(
    kind: ProblemType, request: Request, *, headers: Mapping[str, str] = {}, **fields: Any
) -> Response:
    """The response for one problem."""
    fields.setdefault("code", kind.code)
    problem = Problem(
        type=f"/v1/problems/{kind.code}",
        title=kind.title,
        status=kind.status,
        instance=request.url.path,
        trace=trace_of(request),
        **fields,
    )
    return Response(encode_json(problem), kind.status, headers=dict(headers), media_type=MEDIA_TYPE)


def trace_of(request: Request) -> str:
    """The trace id under which this request is logged."""
    return str(request.scope.get("phalanx.trace", ""))


def internal_problem(request: Request) -> Response:
    """The answer to a fault of our own: says only where to look."""
    return problem_response(_INTERNAL, request, detail="the node failed to answer; its log has the details")


async def on_phalanx_error(request: Request, error: Exception) -> Response:
    """Answer an error that Phalanx raised on purpose."""
    assert isinstance(error, PhalanxError)
    kind = kind_of(error)
    if kind.status == _INTERNAL.status:
        # Raised again for the edge, which logs it with its cause before it answers.
        raise error
    headers = {}
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="phalanx"'
    if "retry_after_s" in error.context:
        headers["Retry-After"] = str(error.context["retry_after_s"])
    if kind.status == 413:
        # The rest of the body is not read, so the connection cannot carry another request.
        headers["Connection"] = "close"
    plain = {name: value for name, value in error.context.items() if isinstance(value, str | int | float | bool)}
    return problem_response(
        kind, request, headers=headers, code=error.code, detail=error.message, hint=error.hint, context=plain
    )


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answers what the framework refuses: no such address, no such method."""
    assert isinstance(error, HTTPException)
    kind = PROBLEM_TYPES[_BY_STATUS.get(error.status_code, "http")]
    if kind.status != error.status_code:
        kind = msgspec.structs.replace(kind, status=error.status_code)
    detail = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.method} is not possible at {request.url.path}",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed_methods(request))
    return problem_response(kind, request, headers=headers, detail=detail)


def _allowed_methods(request: Request) -> list[str]:
    """All methods of an address; the framework names only those of one of its routes."""
    routes: Sequence[BaseRoute] = request.app.routes if "app" in request.scope else ()

    def is_allowed(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    return [method for method in METHODS if is_allowed(method)]


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Answers unacceptable parameters, naming each."""
    assert isinstance(error, RequestValidationError)
    fields = tuple(FieldProblem(_field_name(one["loc"]), one["msg"]) for one in error.errors())
    detail = "; ".join(f"{one.field}: {one.reason}" for one in fields)
    return problem_response(PROBLEM_TYPES["invalid-input"], request, detail=detail, errors=fields)


def _field_name(location: Sequence[Any]) -> str:
    # The first part says where the field stood (query, path, header); the rest is its name.
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def kind_of(error: PhalanxError) -> ProblemType:
    """The kind of problem that an error is, by its nearest ancestor that has one."""
    for kind in type(error).__mro__:
        found = PROBLEM_TYPES.get(vars(kind).get("code", ""))
        if found is not None:
            return found
    return _INTERNAL
