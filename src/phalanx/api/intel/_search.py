"""Searching the archive of events, and hunts over it."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import NS_PER_S, InvalidInput, Value, event_id
from phalanx.intel import Hypothesis, HypothesisWanted, RuleSet, parse_rule
from phalanx.intel import Rule as SigmaRule
from phalanx.intel.archive import (
    DEFAULT_TIMEOUT_S,
    MAX_ANSWER_ROWS,
    MAX_QUERY_CHARS,
    MAX_TIMEOUT_S,
    Answer,
    Group,
    Searches,
    mark_of,
    parse,
    span_ns,
)
from phalanx.node import require_archive
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.core import EventBatch
    from phalanx.node import Node

_MAX_CURSOR_CHARS = 64


class SearchWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A query to the archive. ``last`` limits it to this far back, ``bars`` asks for a histogram of that interval.

    ``rule`` is a Sigma rule, run instead of a query.
    """

    query: str = ""
    rule: str = ""
    last: str = ""
    bars: str = ""
    limit: int = 100
    after: str = ""
    timeout_s: float = DEFAULT_TIMEOUT_S


class FoundEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was found. Its ``id`` is its trace; ``rules`` are those that match, where rules were run."""

    id: str
    time_ns: int
    log_source: str
    reader: str
    fields: dict[str, str | int | float | bool]
    rules: tuple[str, ...] = ()


class BarView(msgspec.Struct, frozen=True, kw_only=True):
    """How many events from ``start_ns`` on, for one interval."""

    start_ns: int
    events: int


class UnknownField(msgspec.Struct, frozen=True, kw_only=True):
    """A name in a query that none of the searched events has, and similar names."""

    name: str
    near: tuple[str, ...]


class SearchView(msgspec.Struct, frozen=True, kw_only=True):
    """What was found: the newest events first, ``next`` where the following page begins. ``complete`` is false if
    time was up before everything was searched, or if ``unreadable`` events are in archive files that are damaged or
    missing. ``query`` is how the query was understood. ``left`` are chunks from before the node started that the
    archive has not read yet: their events cannot be found so far. ``rough`` means that there were too many different
    values to count: the numbers in ``groups`` are lower bounds.
    """

    query: str
    total: int
    complete: bool
    items: tuple[FoundEvent, ...]
    next: str
    bars: tuple[BarView, ...]
    span_s: float
    groups: tuple[Group, ...]
    segments: int
    skipped: int
    took_ms: float
    unknown: tuple[UnknownField, ...] = ()
    left: int = 0
    unreadable: int = 0
    rough: bool = False


W = TypeVar("W", bound=msgspec.Struct)
KINDS: tuple[type, ...] = (
    SearchWanted,
    FoundEvent,
    BarView,
    Group,
    UnknownField,
    SearchView,
    Hypothesis,
    HypothesisWanted,
)


def search_routes(node: "Node", gate: Gate) -> list[APIRouter]:
    """``/v1/events/search`` and ``/v1/hunts/saved``."""
    router = APIRouter(prefix="/v1/events/search", tags=["events"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("", responses=answer(SearchView))
    async def search_events(
        principal: Annotated[Principal, viewer],
        query: Annotated[str, Query(max_length=MAX_QUERY_CHARS, description="The query.")] = "",
        last: Annotated[str, Query(max_length=16, description="Only this far back, such as `24h`.")] = "",
        bars: Annotated[str, Query(max_length=16, description="A histogram of this interval, such as `1h`.")] = "",
        limit: Annotated[int, Query(ge=0, le=MAX_ANSWER_ROWS, description="Maximum number of events.")] = 100,
        after: Annotated[str, Query(max_length=_MAX_CURSOR_CHARS, description="`next` of the previous page.")] = "",
        timeout_s: Annotated[float, Query(gt=0, le=MAX_TIMEOUT_S, description="How long it may take.")] = (
            DEFAULT_TIMEOUT_S
        ),
    ) -> Response:
        """Search the archive; a query that nobody waits for any more stops."""
        wanted = SearchWanted(query=query, last=last, bars=bars, limit=limit, after=after, timeout_s=timeout_s)
        return reply(await searched(node, principal, wanted))

    @router.post("", responses=answer(SearchView), openapi_extra=asked(SearchWanted))
    async def post_search(request: Request, principal: Annotated[Principal, viewer]) -> Response:
        """The same, with the query in the body; also for Sigma rules."""
        return reply(await searched(node, principal, document(await read_body(request, node.offload), SearchWanted)))

    return [router, _saved_routes(node, gate)]


def _saved_routes(node: "Node", gate: Gate) -> APIRouter:
    router = APIRouter(prefix="/v1/hunts/saved", tags=["events"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(Hypothesis, many=True))
    async def list_hunts(principal: Annotated[Principal, viewer]) -> Response:
        """Saved hunts with what each found when it last ran."""
        kept = await require_archive(node.archive).hypotheses.list(principal.tenant)
        return reply({"items": kept, "next": ""})

    @router.post("", status_code=201, responses=answer(Hypothesis, status=201), openapi_extra=asked(HypothesisWanted))
    async def save_hunt(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Save a query as a hunt, replacing any of the same name."""
        wanted = document(await read_body(request, node.offload), HypothesisWanted)
        hypotheses = require_archive(node.archive).hypotheses
        return reply(await hypotheses.save(wanted, tenant=principal.tenant, by=principal.name), status=201)

    @router.post("/{name}/run", responses=answer(SearchView))
    async def run_hunt(name: str, principal: Annotated[Principal, operator]) -> Response:
        """Run a saved hunt now."""
        kept, found = await require_archive(node.archive).hypotheses.run(principal.tenant, name)
        return reply(_view(kept.query, found))

    @router.delete("/{name}", status_code=204)
    async def remove_hunt(name: str, principal: Annotated[Principal, operator]) -> Response:
        """Delete a saved hunt."""
        await require_archive(node.archive).hypotheses.remove(principal.tenant, name, by=principal.name)
        return Response(status_code=204)

    return router


async def searched(node: "Node", principal: Principal, wanted: SearchWanted) -> SearchView:
    """Raises ``InvalidQuery``, ``InvalidInput`` and what a search raises."""
    archive = require_archive(node.archive)
    if not 0 < wanted.timeout_s <= MAX_TIMEOUT_S:
        raise InvalidInput("timeout_s", f"is more than 0 and at most {MAX_TIMEOUT_S}")
    if not 0 <= wanted.limit <= MAX_ANSWER_ROWS:
        raise InvalidInput("limit", f"is 0 to {MAX_ANSWER_ROWS}")
    now_ns = node.clock.wall_ns()
    last_ns = _span("last", wanted.last)
    if wanted.rule:
        rule = parse_rule(wanted.rule, where="rule")
        low_ns = max(0, now_ns - last_ns) if last_ns else 0
        view = await _by_rule(archive.searches, principal, rule, low_ns, wanted)
        return msgspec.structs.replace(view, left=archive.archivist.left)
    text = wanted.query
    query = parse(text, now_ns=now_ns)
    if last_ns:
        narrowed = parse(f"last:{wanted.last}", now_ns=now_ns).where
        query = query.narrowed(narrowed)
    mark = mark_of(wanted.after)
    if wanted.after and mark is None:
        raise InvalidInput("after", "is not the `next` of a page")
    found = await archive.searches.search(
        principal.tenant, query, limit=wanted.limit, after=mark, bars_ns=_span("bars", wanted.bars),
        timeout_s=wanted.timeout_s, text=text,
    )  # fmt: skip
    return msgspec.structs.replace(_view(str(query), found), left=archive.archivist.left)


async def _by_rule(
    searches: Searches, principal: Principal, rule: SigmaRule, low_ns: int, wanted: SearchWanted
) -> SearchView:
    hits, found = await searches.rules(
        principal.tenant, RuleSet([rule]), low_ns=low_ns, limit=wanted.limit, timeout_s=wanted.timeout_s
    )
    shown = [_event(hit.batch, hit.at, (hit.rule,)) for hit in hits]
    return msgspec.structs.replace(_view(f"rule {rule.name}", found), items=tuple(shown))


def _span(field: str, text: str) -> int:
    if not text:
        return 0
    length = span_ns(text)
    if length is None:
        raise InvalidInput(field, "is no length of time such as 15m, 24h or 7d")
    return length


def _view(query: str, found: Answer) -> SearchView:
    return SearchView(
        query=query, total=found.total, complete=found.complete,
        items=tuple(_event(batch, at) for batch, at in found.events), next=found.after,
        bars=tuple(BarView(start_ns=bar.start_ns, events=bar.events) for bar in found.bars),
        span_s=found.span_ns / NS_PER_S, groups=tuple(found.groups), segments=found.looked_at,
        skipped=found.skipped, took_ms=found.took_ns / 1_000_000,
        unknown=tuple(UnknownField(name=one.name, near=one.near) for one in found.unknown),
        unreadable=found.unreadable, rough=found.rough,
    )  # fmt: skip


def _event(batch: "EventBatch", at: int, rules: tuple[str, ...] = ()) -> FoundEvent:
    fields: dict[str, Value] = {name: column[at] for name, column in batch.columns.items()}
    return FoundEvent(
        id=event_id(batch.batch, batch.rows[at]), time_ns=batch.times_ns[at], log_source=str(batch.log_source),
        reader=batch.reader, fields={name: value for name, value in fields.items() if value is not None}, rules=rules,
    )  # fmt: skip


def document(body: bytes, kind: type[W]) -> W:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInput("body", str(error)) from error
