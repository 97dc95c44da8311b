"""How records leave the API: encoded by msgspec, in pages with a cursor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._limits import DEFAULT_PAGE_ROWS, MAX_CURSOR_CHARS
from phalanx.core import MAX_PAGE_ROWS, encode_json


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a listing is asked for: ``limit`` records past the cursor ``after``."""

    after: str
    limit: int


def page(
    after: Annotated[
        str, Query(max_length=MAX_CURSOR_CHARS, description="Cursor: `next` of the previous page; empty for the first.")
    ] = "",
    limit: Annotated[
        int, Query(ge=1, le=MAX_PAGE_ROWS, description="Maximum records on this page.")
    ] = DEFAULT_PAGE_ROWS,
) -> Page:
    """The dependency that reads a listing's parameters."""
    return Page(after, limit)


def reply(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One record, as JSON."""
    return Response(encode_json(value), status, headers=headers, media_type="application/json")


def reply_page(request: Request, items: Sequence[Any], *, asked: Page, last: str, full: bool | None = None) -> Response:
    """One page. A full page names the cursor of the next, in the body and as a link (RFC 8288).

    ``full`` says whether the page was filled, where it holds fewer than were read.
    """
    if not (len(items) >= asked.limit if full is None else full):
        return reply({"items": items, "next": ""})
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    target = f"{request.url.path}?{urlencode([*kept, ('after', last)])}"
    return reply({"items": items, "next": last}, headers={"Link": f'<{target}>; rel="next"'})
