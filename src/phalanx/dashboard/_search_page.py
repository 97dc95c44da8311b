"""The search section: a question to the archive, hits over time, the newest events, and hunts, saved and done."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from phalanx.core import NS_PER_S, decode, event_id
from phalanx.dashboard._limits import MAX_FIRST_FIELDS, MAX_SEARCH_BARS, MAX_SEARCH_HUNTS, MAX_SEARCH_ROWS
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import SEARCH
from phalanx.intel import HUNTS, Hunt, Hypothesis
from phalanx.intel.archive import MAX_QUERY_CHARS, Answer, InvalidQuery, mark_of, parse
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node

# Spans of bars, the shortest first: the first with which the whole time fits the page is taken.
_SPANS = {
    60: "minute", 300: "5 minutes", 900: "15 minutes", 3_600: "hour", 10_800: "3 hours", 86_400: "day",
    604_800: "week", 2_592_000: "30 days", 31_536_000: "365 days",
}  # fmt: skip
# What tells most of an event, in the order in which it is read: host, who, what, from where, and why.
_TELLING = (
    r"host(_?name)?|computer(_?name)?",
    r"((subject|target)_?)?user(_?name)?|account(_?name)?",
    r"image|process(_?name)?|program",
    r"command_?line|message",
    r"parent_?image|parent_?(process|command_?line)",
    r"(src|source|client|id\.orig)_?(ip|address|h)?|ip_?address",
    r"(dst|dest(ination)?|server|id\.resp)_?(ip|address|h)?",
    r"rule(_?name)?|event_?id|query",
)
_LAST = re.compile(r"(?:\s+AND\s+)?\blast:\d+[a-z]\b(?:\s+AND\b)?")


@dataclass(frozen=True, slots=True)
class FoundRow:
    """An event that was found: ``first`` are the fields that tell most, ``rest`` the others as they came."""

    id: str
    time_ns: int
    log_source: str
    first: tuple[tuple[str, Any], ...]
    rest: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What the page shows: the question, the answer or what is wrong with it, saved hunts, and what hunts found."""

    query: str
    wrong: str
    pointer: str
    answer: Answer | None
    rows: Sequence[FoundRow]
    most: int
    hunts: Sequence[Hypothesis]
    done: Sequence[Hunt] = ()
    hunt: Hunt | None = None
    span: str = ""
    outside: int = 0
    wider: str = ""
    left: int = 0


def search_page(node: "Node", renderer: Renderer) -> Callable[[Request, Principal], Awaitable[Response]]:
    """The page of ``node``."""

    async def page(request: Request, principal: Principal) -> Response:
        query = request.query_params.get("query", "last:24h")[:MAX_QUERY_CHARS]
        view = await _shown(node, principal, query, request.query_params.get("after", "")[:64])
        rows = await node.store.scan(HUNTS, principal.tenant, limit=MAX_SEARCH_HUNTS, reverse=True)
        # The store has them in order of what led to them: these are of what happened last, and done when they were.
        done = sorted((decode(row.value, Hunt) for row in rows), key=lambda hunt: hunt.at_ns, reverse=True)
        chosen = request.query_params.get("hunt", "")[:64]
        row = await node.store.get(HUNTS, principal.tenant, chosen) if chosen else None
        view = replace(view, done=done, hunt=None if row is None else decode(row.value, Hunt))
        return renderer.page("search.html", principal=principal, section=SEARCH.path, view=view)

    return page


async def _shown(node: "Node", principal: Principal, query: str, after: str) -> SearchPage:
    archive = node.archive
    if archive is None:
        return SearchPage(query, "this node keeps no archive of events", "", None, (), 0, ())
    hunts = await archive.hypotheses.list(principal.tenant)
    try:
        asked = parse(query, now_ns=node.clock.wall_ns())
        found = await archive.searches.search(
            principal.tenant,
            asked,
            limit=MAX_SEARCH_ROWS,
            after=mark_of(after),
            bars_ns=min(_SPANS) * NS_PER_S,
            text=query,
        )
    except InvalidQuery as wrong:
        return SearchPage(query, wrong.message, wrong.pointer(), None, (), 0, hunts)
    span = _widen(found)
    rows = [
        FoundRow(
            event_id(batch.batch, batch.rows[at]), batch.times_ns[at], str(batch.log_source),
            *told_first({name: column[at] for name, column in batch.columns.items() if column[at] is not None}),
        )
        for batch, at in found.events
    ]  # fmt: skip
    view = SearchPage(
        query, "", "", found, rows, max((bar.events for bar in found.bars), default=1), hunts, span=span,
        left=archive.archivist.left,
    )  # fmt: skip
    # A question whose answer does not fill the page may have been asked of too short a time.
    wider = "" if after or found.total >= MAX_SEARCH_ROWS else without_range(query)
    return replace(view, wider=wider, outside=await _outside(node, principal, wider, found)) if wider else view


async def _outside(node: "Node", principal: Principal, wider: str, found: Answer) -> int:
    """How many events more the question has without its range."""
    assert node.archive is not None
    try:
        asked = parse(wider, now_ns=node.clock.wall_ns())
    except InvalidQuery:
        # The range stood where a question does not do without it.
        return 0
    everything = await node.archive.searches.search(principal.tenant, asked, limit=1, after=None, text=wider)
    return max(0, everything.total - found.total)


def without_range(query: str) -> str:
    """The question without ``last:24h`` and the like; empty where it has none."""
    wider = _LAST.sub(" ", query).strip()
    return "" if wider == query.strip() else wider or "*"


def told_first(fields: Mapping[str, Any]) -> tuple[tuple[tuple[str, Any], ...], tuple[tuple[str, Any], ...]]:
    """The fields that tell most, in the order in which they are read, and the others."""
    first = [
        name
        for telling in _TELLING
        for name in fields
        if re.fullmatch(telling, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold())
    ]
    chosen = list(dict.fromkeys(first))[:MAX_FIRST_FIELDS] or list(fields)[:MAX_FIRST_FIELDS]
    return (
        tuple((name, fields[name]) for name in chosen),
        tuple((name, value) for name, value in fields.items() if name not in chosen),
    )


def _widen(found: Answer) -> str:
    """Make bars wider until the time from the first to the last takes few enough; the name of their width."""
    if not found.bars:
        return ""
    length_ns = found.bars[-1].start_ns - found.bars[0].start_ns
    fitting = (span_s for span_s in _SPANS if length_ns < span_s * NS_PER_S * (MAX_SEARCH_BARS - 1))
    span_s = next(fitting, max(_SPANS))
    if span_s * NS_PER_S > found.span_ns:
        found.widen(span_s * NS_PER_S)
    return _SPANS[span_s]
