"""The OpenAPI document: routes from the framework, schemas from the records themselves.

Records are msgspec structs and never pass through pydantic, so their JSON Schemas are generated
from the same types that encode them: a schema cannot differ from what is sent.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from phalanx.api._problems import MEDIA_TYPE, Problem
from phalanx.trust import SESSION_COOKIE

Responses = dict[int | str, dict[str, Any]]

_REF = "#/components/schemas/{name}"
_DESCRIPTION = """\
What a node took in, what it found, what its agents did about it, and how all of it can be checked.

Times are UNIX nanoseconds in UTC, as integers. Identifiers are UUIDv7. Listings come in pages:
`next` is the cursor to give as `after`, and empty on the last page. Errors are problem documents
(RFC 9457) whose `type` can be looked up on the node itself."""

ANY_PROBLEM: Responses = {
    "default": {
        "description": "A problem document.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name=Problem.__name__)}}},
    }
}
# For what a probe or a login page must reach without a token.
OPEN: dict[str, Any] = {"security": []}

_SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "An access token of the node (`phx_…`)."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "The dashboard's session; good for reading only.",
    },
}


def answer(kind: type, *, status: int = 200, many: bool = False, description: str = "") -> Responses:
    """How a route documents its success: one ``kind``, or a page of them."""
    schema: dict[str, Any] = {"$ref": _REF.format(name=kind.__name__)}
    if many:
        cursor = {"type": "string", "description": "Give it as `after` for the next page; empty on the last."}
        schema = {
            "type": "object",
            "required": ["items", "next"],
            "properties": {"items": {"type": "array", "items": schema}, "next": cursor},
        }
    text = description or (inspect.getdoc(kind) or kind.__name__).splitlines()[0]
    return {status: {"description": text, "content": {"application/json": {"schema": schema}}}}


def asked(kind: type) -> dict[str, Any]:
    """How a route documents the body it takes: one ``kind`` as JSON, for ``openapi_extra``."""
    schema = {"$ref": _REF.format(name=kind.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def answer_text(media_type: str, description: str) -> Responses:
    """How a route that answers with text documents its success."""
    return {200: {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}}


def install_openapi(app: FastAPI, kinds: Sequence[type]) -> None:
    """Make ``app`` serve its document with the schemas of ``kinds`` in it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, kinds)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, kinds: Sequence[type]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=_DESCRIPTION, routes=app.routes
    )
    found = _named(msgspec.json.schema_components([*kinds, Problem], ref_template=_REF)[1])
    for schema in found.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    components = document.setdefault("components", {})
    components["schemas"] = dict(sorted((components.get("schemas", {}) | found).items()))
    components["securitySchemes"] = _SECURITY
    document["security"] = [{name: []} for name in _SECURITY]
    return document


def _named(found: dict[str, Any]) -> dict[str, Any]:
    """Schemas whose name several rooms use are called ``room.Name``: the module a class is in is an internal matter."""
    short = {name: ".".join((name.split(".")[1], name.rsplit(".", 1)[1])) for name in found if "." in name}
    assert len(set(short.values())) == len(short), "one room has two kinds of one name"

    def renamed(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: renamed(value) for key, value in part.items()}
        if isinstance(part, list):
            return [renamed(value) for value in part]
        return refs.get(part, part) if isinstance(part, str) else part

    refs = {_REF.format(name=name): _REF.format(name=new) for name, new in short.items()}
    return {short.get(name, name): renamed(schema) for name, schema in found.items()}
