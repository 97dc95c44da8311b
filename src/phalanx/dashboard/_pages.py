"""The pages and where they are served. Each is rendered anew from what is stored."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from phalanx.balancing import PlacementView
from phalanx.core import (
    NS_PER_S,
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    PhalanxError,
    StorageFull,
    TenantId,
    Waypoint,
    decode,
)
from phalanx.dashboard._agents_page import agents_view
from phalanx.dashboard._agreement_page import agreement_view
from phalanx.dashboard._assets import ChartLibrary, asset_routes, own_assets
from phalanx.dashboard._balancing_page import panel
from phalanx.dashboard._connectors_page import connectors_view
from phalanx.dashboard._deeds import ending, incident_deeds, judging, suppressing
from phalanx.dashboard._devices_page import devices_page
from phalanx.dashboard._findings_page import findings_page
from phalanx.dashboard._incidents_page import incidents_pages
from phalanx.dashboard._indicators_page import indicators_page, taking, withdrawing
from phalanx.dashboard._keys_page import keys_view
from phalanx.dashboard._ledger_page import LedgerAsked, ledger_view
from phalanx.dashboard._limits import (
    CHART_SPAN_S,
    MAX_CHART_BATCHES,
    MAX_CHART_FINDINGS,
    MAX_FILTER_CHARS,
    MAX_REFRESHED_WAYS,
    MAX_WAYS,
)
from phalanx.dashboard._messages_page import messages_view
from phalanx.dashboard._quarantine_page import quarantine_page
from phalanx.dashboard._render import Renderer, since
from phalanx.dashboard._roles_page import roles_page
from phalanx.dashboard._rules_page import rules_page
from phalanx.dashboard._search_page import search_page
from phalanx.dashboard._sections import (
    AGENTS,
    AGREEMENT,
    BALANCING,
    CONNECTORS,
    COVERAGE,
    DEVICES,
    FINDINGS,
    INCIDENTS,
    INDICATORS,
    KEYS,
    LEDGER,
    LIVE,
    MESSAGES,
    QUARANTINE,
    ROLES,
    RULES,
    SEARCH,
    SHARING,
    WORKFLOWS,
)
from phalanx.dashboard._session import Doorman, to_login
from phalanx.dashboard._sharing_page import coverage_shown, sharing_view
from phalanx.dashboard._stations import LABELS
from phalanx.dashboard._story import tell
from phalanx.dashboard._ways import Ways
from phalanx.dashboard._workflows_page import workflows_page
from phalanx.incidents import OutOfDate
from phalanx.telemetry import WAYPOINTS
from phalanx.trust import NotAllowed, NotAuthenticated, Principal

if TYPE_CHECKING:
    from phalanx.node import Node

_LIVE_AGAIN = ("/", "Back to the live view")
_Page = Callable[[Request, Principal], Awaitable[Response]]

# Name in the pulse, label, unit, and whether it counts from the node's start on: the rest is as it stands.
_COUNTERS = (
    ("events", "Events accepted", "", True),
    ("events_per_second", "Events per second", "", False),
    ("findings", "Findings", "", True),
    ("detect_p99_ms", "Detection, p99", "ms", True),
    ("missions_waiting", "Missions waiting", "", False),
    ("agents_busy", "Agents busy", "", False),
    ("decisions", "Actions decided", "", True),
    ("ledger_entries", "Ledger entries", "", False),
)


def create_pages(node: "Node") -> Sequence[BaseRoute]:
    """The routes of the dashboard of ``node``, to be served beside its API."""
    renderer = Renderer(node.settings.node.name)
    doorman = Doorman(node.tokens, renderer)
    charts, ways = ChartLibrary(node.offload), Ways(node.store)
    # Pages are made when the node starts, as the counters are.
    begun_ns = node.clock.wall_ns()

    async def live(_: Request, principal: Principal) -> Response:
        return renderer.page(
            "live.html",
            principal=principal,
            section=LIVE.path,
            ready=node.ready,
            read_only=node.read_only,
            problems=[f"{name}: {health.detail}" for name, health in node.health().items() if not health.ok],
            counters=_COUNTERS,
            begun_ns=begun_ns,
            begun=since(begun_ns, node.clock.wall_ns()),
            history=await _chart_history(node, principal.tenant),
            chart_library=charts.name,
            style_guards=await charts.style_guards(),
            labels=LABELS,
            ways=await ways.newest(principal.tenant),
            most=MAX_WAYS,
        )

    async def changed_ways(request: Request, principal: Principal) -> Response:
        traces = request.query_params.getlist("trace")[:MAX_REFRESHED_WAYS]
        found = await (ways.of(principal.tenant, traces) if traces else ways.newest(principal.tenant))
        return renderer.page("_ways.html", ways=found)

    async def keys(request: Request, principal: Principal) -> Response:
        view = await keys_view(node, principal, request.query_params.get("after", ""))
        return renderer.page("keys.html", principal=principal, section=KEYS.path, keys=view)

    async def agreement(_: Request, principal: Principal) -> Response:
        view = await agreement_view(node, principal.tenant)
        return renderer.page("agreement.html", principal=principal, section=AGREEMENT.path, agreement=view)

    async def messages(request: Request, principal: Principal) -> Response:
        view = await messages_view(node, principal.tenant, with_graphs=request.query_params.get("graphs") == "1")
        return renderer.page("messages.html", principal=principal, section=MESSAGES.path, messages=view)

    return [
        Route("/", _guarded(live, doorman, renderer)),
        Route("/ways", _guarded(changed_ways, doorman, renderer, part=True)),
        Route("/trace/{trace}", _guarded(_trace(node, renderer), doorman, renderer)),
        Route(AGENTS.path, _guarded(_agents(node, renderer), doorman, renderer)),
        Route(LEDGER.path, _guarded(_ledger(node, renderer), doorman, renderer)),
        Route(KEYS.path, _guarded(keys, doorman, renderer)),
        *_work_routes(node, renderer, doorman),
        Route(AGREEMENT.path, _guarded(agreement, doorman, renderer)),
        Route(BALANCING.path, _guarded(_balancing(node, renderer), doorman, renderer)),
        Route(MESSAGES.path, _guarded(messages, doorman, renderer)),
        *_intel_routes(node, renderer, doorman),
        Route("/login", doorman.show),
        Route("/login", _open(doorman.sign_in, renderer), methods=["POST"]),
        Route("/logout", _open(doorman.sign_out, renderer), methods=["POST"]),
        asset_routes(own_assets(), charts),
    ]


def _work_routes(node: "Node", renderer: Renderer, doorman: Doorman) -> list[Route]:
    """Pages of what is looked for and who does what."""
    listed, one = incidents_pages(node, renderer)
    pages = (
        (ROLES.path, roles_page(node, renderer)),
        (RULES.path, rules_page(node, renderer)),
        (SEARCH.path, search_page(node, renderer)),
        (DEVICES.path, devices_page(node, renderer)),
        (WORKFLOWS.path, workflows_page(node, renderer)),
        (QUARANTINE.path, quarantine_page(node, renderer)),
        (FINDINGS.path, findings_page(node, renderer)),
        (INDICATORS.path, indicators_page(node, renderer)),
        (INCIDENTS.path, listed),
        (f"{INCIDENTS.path}/{{incident}}", one),
    )
    deeds = (
        *((f"{INCIDENTS.path}/{{incident}}/{name}", deed) for name, deed in incident_deeds(node).items()),
        (f"{FINDINGS.path}/{{finding}}/opinion", judging(node)),
        (f"{FINDINGS.path}/{{finding}}/suppress", suppressing(node)),
        ("/suppressions/{suppression}/end", ending(node)),
        (INDICATORS.path, taking(node, renderer)),
        (f"{INDICATORS.path}/withdraw", withdrawing(node)),
    )
    return [
        *(Route(path, _guarded(page, doorman, renderer)) for path, page in pages),
        *(Route(path, _guarded(deed, doorman, renderer), methods=["POST"]) for path, deed in deeds),
    ]


def _trace(node: "Node", renderer: Renderer) -> _Page:
    async def trace(request: Request, principal: Principal) -> Response:
        story = await tell(node, principal.tenant, request.path_params["trace"])
        opinions = {one.id: await node.judgements.opinions(principal.tenant, one.id) for one in story.findings}
        now_ns, known = node.clock.wall_ns(), await node.judgements.suppressions(principal.tenant)
        silenced = {one.id: [each for each in known if each.covers(one, now_ns=now_ns)] for one in story.findings}
        inside = {one.id: await node.incidents.of_finding(principal.tenant, one.id) for one in story.findings}
        return renderer.page(
            "story.html", principal=principal, story=story, opinions=opinions, silenced=silenced,
            incidents={one.id: one for one in inside.values() if one is not None},
        )  # fmt: skip

    return trace


def _agents(node: "Node", renderer: Renderer) -> _Page:
    async def agents(request: Request, principal: Principal) -> Response:
        view = await agents_view(node, principal.tenant)
        live = request.query_params.get("live") == "1"
        return renderer.page("agents.html", principal=principal, section=AGENTS.path, swarm=view, live=live)

    return agents


def _ledger(node: "Node", renderer: Renderer) -> _Page:
    async def ledger(request: Request, principal: Principal) -> Response:
        asked = request.query_params
        case, action, actor = (asked.get(name, "")[:MAX_FILTER_CHARS] for name in ("case", "action", "actor"))
        wanted = LedgerAsked(case, action, actor, probes=asked.get("probes") == "1")
        view = await ledger_view(node, principal.tenant, asked.get("before", ""), wanted)
        return renderer.page("ledger.html", principal=principal, section=LEDGER.path, ledger=view)

    return ledger


def _balancing(node: "Node", renderer: Renderer) -> _Page:
    async def balancing(_: Request, principal: Principal) -> Response:
        own = [one for one in node.balancing.views() if one.resources]
        panels = [panel(view, _for(principal, node.balancing.placements(view.name))) for view in own]
        return renderer.page("balancing.html", principal=principal, section=BALANCING.path, panels=panels)

    return balancing


def _intel_routes(node: "Node", renderer: Renderer, doorman: Doorman) -> list[BaseRoute]:
    async def sharing(_: Request, principal: Principal) -> Response:
        view = await sharing_view(node, principal.tenant)
        return renderer.page("sharing.html", principal=principal, section=SHARING.path, sharing=view)

    async def coverage(_: Request, principal: Principal) -> Response:
        view = await node.offload.run(coverage_shown, node)
        return renderer.page("coverage.html", principal=principal, section=COVERAGE.path, coverage=view)

    return [
        Route(SHARING.path, _guarded(sharing, doorman, renderer)),
        Route(COVERAGE.path, _guarded(coverage, doorman, renderer)),
        Route(CONNECTORS.path, _guarded(_connectors(node, renderer), doorman, renderer)),
    ]


def _connectors(node: "Node", renderer: Renderer) -> _Page:
    async def connectors(_: Request, principal: Principal) -> Response:
        view = await connectors_view(node, principal.tenant)
        return renderer.page("connectors.html", principal=principal, section=CONNECTORS.path, connectors=view)

    return connectors


def _for(principal: Principal, placements: Sequence[PlacementView]) -> list[PlacementView]:
    """What this person may see of them: how busy resources are is everybody's, what was placed is the tenant's."""
    return [one for one in placements if one.tenant == principal.tenant]


def _guarded(
    page: _Page, doorman: Doorman, renderer: Renderer, *, part: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """``page`` for those with a session; a ``part`` of a page is refused instead of redirected."""

    async def guarded(request: Request) -> Response:
        principal: Principal | None = None
        try:
            principal = await doorman.viewer(request)
            return await page(request, principal)
        except NotAuthenticated:
            return Response(status_code=401) if part else to_login(request)
        except PhalanxError as error:
            return _error_page(error, renderer, principal, _back(request))

    return guarded


def _open(
    page: Callable[[Request], Awaitable[Response]], renderer: Renderer
) -> Callable[[Request], Awaitable[Response]]:
    """``page`` for anybody; what it refuses is shown as a page too."""

    async def opened(request: Request) -> Response:
        try:
            return await page(request)
        except PhalanxError as error:
            return _error_page(error, renderer, None, _LIVE_AGAIN)

    return opened


def _back(request: Request) -> tuple[str, str]:
    """Where somebody goes on whose deed was refused."""
    incident = request.path_params.get("incident", "")
    if request.method == "POST" and incident:
        return f"{INCIDENTS.path}/{quote(incident)}", "Back to the incident"
    return _LIVE_AGAIN


def _error_page(
    error: PhalanxError, renderer: Renderer, principal: Principal | None, back: tuple[str, str]
) -> Response:
    match error:
        case NotFound():
            status, title = 404, "Not found"
        case NotAuthenticated() | NotAllowed():
            status, title = 403, "Not allowed"
        case InvalidInput():
            status, title = 400, "Not understood"
        case OutOfDate() | Conflict():
            status, title = 409, "Somebody was faster"
        case LimitExceeded():
            status, title = 413, "Too much"
        case StorageFull():
            status, title = 507, "No room"
        case _:
            # The API's edge logs it and answers; a page has nothing to add.
            raise error
    detail = error.message[:1].upper() + error.message[1:] + "."
    return renderer.page(
        "error.html", status=status, principal=principal, title=title, detail=detail, hint=error.hint, back=back
    )


async def _chart_history(node: "Node", tenant: TenantId) -> list[tuple[int, float, int]]:
    """Events and findings by the second, as far back as the chart reaches."""
    now_s = node.clock.wall_ns() // NS_PER_S
    first_s = now_s - CHART_SPAN_S
    events, findings = [0] * CHART_SPAN_S, [0] * CHART_SPAN_S
    for batch in await node.events.batches(tenant, limit=MAX_CHART_BATCHES):
        place = batch.at_ns // NS_PER_S - first_s
        if 0 <= place < CHART_SPAN_S:
            events[place] += batch.events
    rows = await node.store.find(WAYPOINTS, tenant, "stage", "finding", limit=MAX_CHART_FINDINGS, reverse=True)
    for row in rows:
        place = decode(row.value, Waypoint).at_ns // NS_PER_S - first_s
        if 0 <= place < CHART_SPAN_S:
            findings[place] += 1
    return [(first_s + place, events[place], findings[place]) for place in range(CHART_SPAN_S)]
