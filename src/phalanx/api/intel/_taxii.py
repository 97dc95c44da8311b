"""TAXII 2.1 (OASIS Standard): discovery, an API root for the caller's tenant, and its collections.

Clients of the standard use it unchanged, with the node's tokens: as a bearer token, or by HTTP Basic with the token as
the password, whatever the user name. Paths, media types, headers and error messages are the standard's; what may be
read and written is decided by ``phalanx.intel.sharing``.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._bodies import read_small_body
from phalanx.api._problems import kind_of
from phalanx.core import NotFound, PhalanxError, encode_json, iso_from_ns
from phalanx.intel.sharing import (
    MAX_CONTENT_BYTES,
    Collection,
    Kept,
    Query,
    Reader,
    Status,
    can_read,
    can_write,
    read_query,
)
from phalanx.messaging import Marking
from phalanx.trust import NotAllowed, NotAuthenticated, Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

MEDIA_TYPE: Final = "application/taxii+json;version=2.1"
STIX_TYPE: Final = "application/stix+json;version=2.1"
_TAKEN = frozenset({"application/taxii+json", "application/*", "*/*"})
_PREFIX: Final = "/taxii2"
_MAX_AUTHORIZATION_CHARS: Final = 4_096
# Section 3.2: timestamps of the oldest and the newest object on the page.
_ADDED_FIRST, _ADDED_LAST = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"

_Answer = Callable[[Request, Principal], Awaitable[Response]]


class NotAcceptable(PhalanxError):
    """The client accepts none of the available media types."""

    code = "not-acceptable"


class WrongContentType(PhalanxError):
    """The body is not of the media type that the standard requires."""

    code = "unsupported-media"


class WrongFilter(PhalanxError):
    """A filter or a cursor is not one of this server."""

    code = "http"


def taxii_routes(node: "Node") -> APIRouter:
    """``/taxii2/``. OASIS documents it: it is not in the node's own OpenAPI document."""
    router = APIRouter(prefix=_PREFIX, include_in_schema=False, default_response_class=Response)
    face = _Face(node)
    each = "/{root}/collections/{collection}"
    for path, method, answer in (
        ("/", "GET", face.discovery),
        ("/{root}/", "GET", face.api_root),
        ("/{root}/status/{status_id}/", "GET", face.status),
        ("/{root}/collections/", "GET", face.collections),
        (f"{each}/", "GET", face.collection),
        (f"{each}/manifest/", "GET", face.manifest),
        (f"{each}/objects/", "GET", face.objects),
        (f"{each}/objects/", "POST", face.add),
        (f"{each}/objects/{{object_id}}/", "GET", face.objects),
        (f"{each}/objects/{{object_id}}/", "DELETE", face.delete),
        (f"{each}/objects/{{object_id}}/versions/", "GET", face.versions),
    ):
        router.add_api_route(path, _guarded(node, answer), methods=[method], response_class=Response)
    router.add_api_route("/{rest:path}", _guarded(node, face.nothing), methods=["GET"], response_class=Response)
    return router


class _Face:
    """The endpoints, for a principal that is known and may use TAXII."""

    def __init__(self, node: "Node") -> None:
        self._exchange = node.sharing.exchange
        self._settings = node.settings.taxii

    async def discovery(self, _: Request, principal: Principal) -> Response:
        root, title, contact = f"{_PREFIX}/{principal.tenant}/", self._settings.title, self._settings.contact
        return _reply(
            {"title": title, "default": root, "api_roots": [root]} | ({"contact": contact} if contact else {})
        )

    async def api_root(self, _: Request, principal: Principal) -> Response:
        title = f"{self._settings.title}: {principal.tenant}"
        return _reply({"title": title, "versions": [MEDIA_TYPE], "max_content_length": MAX_CONTENT_BYTES})

    async def nothing(self, request: Request, _: Principal) -> Response:
        raise NotFound("TAXII resource", request.url.path, hint="TAXII addresses end with a slash")

    async def status(self, request: Request, principal: Principal) -> Response:
        wanted = request.path_params["status_id"]
        return _reply(_status(await self._exchange.status(principal.tenant, wanted, reader_of(principal))))

    async def collections(self, _: Request, principal: Principal) -> Response:
        reader = reader_of(principal)
        found = [_collection(one, reader) for one in await self._exchange.visible(principal.tenant, reader)]
        return _reply({"collections": found} if found else {})

    async def collection(self, request: Request, principal: Principal) -> Response:
        return _reply(_collection(*await self._asked(request, principal)))

    async def manifest(self, request: Request, principal: Principal) -> Response:
        one, reader = await self._readable(request, principal)
        found = await self._exchange.look(principal.tenant, one, reader, _query(request))
        return _page("objects", [_line(row) for row in found.rows], found.rows, found.next)

    async def objects(self, request: Request, principal: Principal) -> Response:
        one, reader = await self._readable(request, principal)
        query = _query(request)
        found = await self._exchange.hand_over(principal.tenant, one, reader, query)
        if not found.rows and "object_id" in request.path_params and not query.after:
            await self._require_object(request, principal, one, reader)
        return _page("objects", [row.raw for row in found.rows], found.rows, found.next)

    async def versions(self, request: Request, principal: Principal) -> Response:
        one, reader = await self._readable(request, principal)
        found = await self._exchange.look(principal.tenant, one, reader, _query(request, all_versions=True))
        if not found.rows:
            await self._require_object(request, principal, one, reader)
        return _page("versions", [row.version for row in found.rows], found.rows, found.next)

    async def add(self, request: Request, principal: Principal) -> Response:
        one, reader = await self._asked(request, principal)
        _require(can_write(one, reader), "write", one)
        if not _is_taxii(request.headers.get("content-type", ""), exact=True):
            raise WrongContentType(f"the body has to be {MEDIA_TYPE}")
        body = await read_small_body(request, MAX_CONTENT_BYTES)
        return _reply(_status(await self._exchange.take(principal.tenant, one, reader, body)), status=202)

    async def delete(self, request: Request, principal: Principal) -> Response:
        one, reader = await self._readable(request, principal)
        _require(can_write(one, reader), "write", one)
        await self._exchange.delete(principal.tenant, one, reader, _query(request))
        return _reply({})

    async def _asked(self, request: Request, principal: Principal) -> tuple[Collection, Reader]:
        reader = reader_of(principal)
        return await self._exchange.collection(principal.tenant, request.path_params["collection"], reader), reader

    async def _readable(self, request: Request, principal: Principal) -> tuple[Collection, Reader]:
        one, reader = await self._asked(request, principal)
        _require(can_read(one, reader), "read", one)
        return one, reader

    async def _require_object(self, request: Request, principal: Principal, one: Collection, reader: Reader) -> None:
        """404 for an object that does not exist, an empty page for one of which a filter leaves nothing."""
        stix_id = request.path_params["object_id"]
        query = read_query([("match[version]", "all")], ceiling=Marking.AMBER_STRICT, only=stix_id)
        if not (await self._exchange.look(principal.tenant, one, reader, query)).rows:
            raise NotFound("object", stix_id)


def reader_of(principal: Principal) -> Reader:
    """What the sharing room has to know about the caller."""
    return Reader(
        principal.name,
        partner=principal.role is Role.PARTNER,
        may_read=principal.role.allows(Role.VIEWER),
        may_write=principal.role.allows(Role.OPERATOR),
    )


def _guarded(node: "Node", answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    """``answer`` for those that are known, with the standard's error messages for all that goes wrong."""

    async def guarded(request: Request) -> Response:
        try:
            principal = await _principal(node, request)
            if not _accepts(request):
                raise NotAcceptable(f"this server answers with {MEDIA_TYPE}")
            if request.path_params.get("root", principal.tenant) != principal.tenant:
                raise NotFound("API root", request.path_params["root"])
            return await answer(request, principal)
        except PhalanxError as error:
            return _problem(request, error)

    return guarded


async def _principal(node: "Node", request: Request) -> Principal:
    header = request.headers.get("authorization", "")
    scheme, _, secret = header.partition(" ")
    if len(header) > _MAX_AUTHORIZATION_CHARS or not secret:
        raise NotAuthenticated("no token was given")
    if scheme.lower() == "basic":
        try:
            secret = base64.b64decode(secret.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError) as error:
            raise NotAuthenticated("the Authorization header is not HTTP Basic") from error
    elif scheme.lower() != "bearer":
        raise NotAuthenticated("the Authorization header is neither Bearer nor Basic")
    principal = await node.tokens.authenticate(secret.strip())
    if not (principal.role is Role.PARTNER or principal.role.allows(Role.VIEWER)):
        raise NotAllowed(principal.name, role=principal.role.value, needed=f"{Role.PARTNER.value} or viewer")
    return principal


def _accepts(request: Request) -> bool:
    header = request.headers.get("accept", "")
    return not header or any(_is_taxii(one, exact=False) for one in header.split(","))


def _is_taxii(text: str, *, exact: bool) -> bool:
    media, *params = [part.strip().lower() for part in text.split(";")]
    version = next((one.partition("=")[2].strip('"') for one in params if one.startswith("version=")), "")
    if exact:
        return media == "application/taxii+json" and version in ("", "2.1")
    return media in _TAKEN and version in ("", "2.1")


def _query(request: Request, *, all_versions: bool = False) -> Query:
    params: Sequence[tuple[str, str]] = request.query_params.multi_items()
    if all_versions:
        params = [*((name, value) for name, value in params if name != "match[version]"), ("match[version]", "all")]
    try:
        return read_query(params, ceiling=Marking.AMBER_STRICT, only=request.path_params.get("object_id", ""))
    except PhalanxError as error:
        if "object_id" in request.path_params and error.context.get("field") == "match[id]":
            raise NotFound("object", request.path_params["object_id"]) from error
        raise WrongFilter(error.message) from error


def _require(allowed: bool, what: str, collection: Collection) -> None:  # noqa: FBT001 - reads as a sentence
    if not allowed:
        raise NotAllowed(
            "this token", role=f"no right to {what} {collection.alias}", needed=f"to be named to {what} it"
        )


def _collection(one: Collection, reader: Reader) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": one.id, "title": one.title, "alias": one.alias, "can_read": can_read(one, reader),
        "can_write": can_write(one, reader), "media_types": [STIX_TYPE],
    }  # fmt: skip
    return shown | ({"description": one.description} if one.description else {})


def _line(row: Kept) -> dict[str, str]:
    return {"id": row.object, "date_added": row.added, "version": row.version, "media_type": STIX_TYPE}


def _status(found: Status) -> dict[str, Any]:
    n_good = found.total - found.n_failures
    shown: dict[str, Any] = {
        "id": found.id, "status": "complete", "request_timestamp": iso_from_ns(found.at_ns),
        "total_count": found.total, "success_count": n_good, "failure_count": found.n_failures, "pending_count": 0,
    }  # fmt: skip
    for name, lines in (("successes", found.successes), ("failures", found.failures)):
        if lines:
            # The standard requires a version of each, also of an object that had none.
            shown[name] = [
                {"id": one.id, "version": one.version or iso_from_ns(found.at_ns)}
                | ({"message": one.message} if one.message else {})
                for one in lines
            ]
    return shown


def _page(name: str, items: Sequence[Any], rows: Sequence[Kept], after: str) -> Response:
    head = {_ADDED_FIRST: rows[0].added, _ADDED_LAST: rows[-1].added} if rows else {}
    if items and isinstance(items[0], bytes):
        # Objects go out as the bytes that are kept: nothing is read to be written again.
        body = b'{"more":%s%s,"%s":[%s]}' % (
            b"true" if after else b"false", b',"next":"%s"' % after.encode() if after else b"", name.encode(),
            b",".join(items),
        )  # fmt: skip
        return Response(body, headers=head, media_type=MEDIA_TYPE)
    more: dict[str, Any] = {"more": bool(after)} | ({"next": after} if after else {})
    return _reply(more | ({name: list(items)} if items else {}), headers=head) if items else _reply({}, headers=head)


def _reply(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(encode_json(value), status, headers=headers, media_type=MEDIA_TYPE)


def _problem(request: Request, error: PhalanxError) -> Response:
    """An error message of the standard (section 3.6.1)."""
    kind = kind_of(error)
    status = 406 if isinstance(error, NotAcceptable) else kind.status
    if kind.status == kind_of(PhalanxError("")).status and not isinstance(error, NotAcceptable):
        raise error  # a fault of the node's own: the edge logs it and answers
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="phalanx", Bearer realm="phalanx"'
    if "retry_after_s" in error.context:
        headers["Retry-After"] = str(error.context["retry_after_s"])
    if status == 413:
        headers["Connection"] = "close"
    shown = {
        "title": kind.title if status != 406 else "Not acceptable", "description": error.message,
        "error_code": error.code, "http_status": str(status), "error_id": str(request.scope.get("phalanx.trace", "")),
    }  # fmt: skip
    return _reply(shown, status=status, headers=headers)
