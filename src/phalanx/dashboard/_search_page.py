"""The search section: a question to the archive, hits over time, the newest events, and hunts, saved and done."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from phalanx.core import NS_PER_S, decode, event_id
from phalanx.dashboard._limits import MAX_SEARCH_BARS, MAX_SEARCH_HUNTS, MAX_SEARCH_ROWS
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import SEARCH
from phalanx.intel import HUNTS, Hunt, Hypothesis
from phalanx.intel.archive import MAX_QUERY_CHARS, Answer, InvalidQuery, mark_of, parse
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node

# Spans of bars, the shortest first: the first with which there are few enough is taken.
_SPANS_S = (60, 300, 900, 3_600, 10_800, 86_400, 604_800)


@dataclass(frozen=True, slots=True)
class FoundRow:
    """An event that was found."""

    id: str
    time_ns: int
    log_source: str
    fields: dict[str, Any]


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
            bars_ns=_SPANS_S[0] * NS_PER_S,
            text=query,
        )
    except InvalidQuery as wrong:
        return SearchPage(query, wrong.message, wrong.pointer(), None, (), 0, hunts)
    _widen(found)
    rows = [
        FoundRow(
            event_id(batch.batch, batch.rows[at]), batch.times_ns[at], str(batch.log_source),
            {name: column[at] for name, column in batch.columns.items() if column[at] is not None},
        )
        for batch, at in found.events
    ]  # fmt: skip
    return SearchPage(query, "", "", found, rows, max((bar.events for bar in found.bars), default=1), hunts)


def _widen(found: Answer) -> None:
    """Make bars wider until there are few enough for a page."""
    for span_s in _SPANS_S[1:]:
        if len(found.bars) <= MAX_SEARCH_BARS:
            return
        found.widen(span_s * NS_PER_S)
