"""Which problem an error becomes."""

import asyncio
import json

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from phalanx.agents import InvalidSkill, ToolMissing
from phalanx.api import PROBLEM_TYPES
from phalanx.api._problems import MEDIA_TYPE, on_http_exception, on_phalanx_error
from phalanx.core import Conflict, LimitExceeded, Overloaded, PhalanxError, StorageFull, Unavailable
from phalanx.ledger import InvalidProof
from phalanx.trust import NotAllowed, NotAuthenticated

REQUEST = Request(
    {"type": "http", "method": "GET", "path": "/v1/x", "query_string": b"", "headers": [(b"host", b"node")],
     "server": ("node", 80), "scheme": "http", "phalanx.trace": "0190"}
)  # fmt: skip


def answered(error, handler=on_phalanx_error):
    response = asyncio.run(handler(REQUEST, error))
    assert response.media_type == MEDIA_TYPE
    return response, json.loads(response.body)


@pytest.mark.parametrize(
    ("error", "status", "type_code"),
    [
        (NotAuthenticated("no token"), 401, "not-authenticated"),
        (NotAllowed("kim", role="viewer", needed="admin"), 403, "not-allowed"),
        (Conflict("t", "k", expected=1, found=2), 409, "conflict"),
        (LimitExceeded("bytes", maximum=1, seen=2), 413, "limit-exceeded"),
        (Overloaded("the intake", retry_after_s=7), 429, "overloaded"),
        (Unavailable("otlp", "not installed"), 503, "unavailable"),
        (StorageFull("the disk"), 507, "storage-full"),
        (ToolMissing("tool", "x"), 404, "not-found"),
        (InvalidSkill("name", "is empty"), 422, "invalid-input"),
    ],
)
def test_an_error_is_answered_like_its_nearest_kind_under_its_own_code(error, status, type_code):
    response, body = answered(error)
    assert (response.status_code, body["status"], body["type"]) == (status, status, f"/v1/problems/{type_code}")
    assert type_code in PROBLEM_TYPES
    assert body["code"] == error.code
    assert body["detail"] == error.message
    assert (body["instance"], body["trace"]) == ("/v1/x", "0190")


def test_retrying_and_signing_in_are_said_in_headers_too():
    assert answered(Overloaded("the intake", retry_after_s=7))[0].headers["retry-after"] == "7"
    assert answered(NotAuthenticated("no token"))[0].headers["www-authenticate"].startswith("Bearer")
    assert answered(LimitExceeded("bytes", maximum=1, seen=2))[0].headers["connection"] == "close"


@pytest.mark.parametrize("error", [PhalanxError("something secret"), InvalidProof("something secret")])
def test_what_is_our_own_fault_is_left_to_the_edge(error):
    with pytest.raises(type(error)):
        asyncio.run(on_phalanx_error(REQUEST, error))


def test_what_the_framework_refuses_keeps_its_status():
    response, body = answered(HTTPException(418, "no coffee"), on_http_exception)
    assert (response.status_code, body["status"], body["code"], body["detail"]) == (418, 418, "http", "no coffee")
