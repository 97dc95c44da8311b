"""The findings section: everything that detectors saw, narrowed by severity and by words."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from phalanx.core import Finding, Severity, TenantId
from phalanx.dashboard._limits import FINDINGS_PAGE_ROWS, FINDINGS_SCAN_ROWS, MAX_FILTER_CHARS
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import FINDINGS
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class FindingsAsked:
    """What the page is narrowed to; without anything it is everything."""

    least: Severity = Severity.INFORMATIONAL
    like: str = ""

    def meant(self, finding: Finding) -> bool:
        if finding.severity < self.least:
            return False
        named = (str(entity) for entity in finding.entities)
        words = "\n".join((finding.title, finding.rule, finding.case, *finding.techniques, *named))
        return self.like.casefold() in words.casefold()


@dataclass(frozen=True, slots=True)
class FindingsView:
    """One page of findings, and where the next begins; empty where there are no more."""

    asked: FindingsAsked
    findings: tuple[Finding, ...]
    severities: tuple[str, ...]
    after: str

    def query(self, **changed: str) -> str:
        """The address of this page with something else asked for."""
        named = {"severity": self.asked.least.name.lower(), "like": self.asked.like} | changed
        return urlencode({name: value for name, value in named.items() if value})


def findings_page(node: "Node", renderer: Renderer) -> Callable[[Request, Principal], Awaitable[Response]]:
    """The page of ``node``."""

    async def page(request: Request, principal: Principal) -> Response:
        wanted = request.query_params
        severity = Severity.__members__.get(wanted.get("severity", "").upper(), Severity.INFORMATIONAL)
        asked = FindingsAsked(severity, wanted.get("like", "").strip()[:MAX_FILTER_CHARS])
        view = await findings_view(node, principal.tenant, asked, after=wanted.get("after", "")[:64])
        return renderer.page("findings.html", principal=principal, section=FINDINGS.path, view=view)

    return page


async def findings_view(node: "Node", tenant: TenantId, asked: FindingsAsked, *, after: str) -> FindingsView:
    """The newest that are meant, past the finding ``after``; so many are looked through for one page."""
    found: list[Finding] = []
    looked, more = 0, True
    while more and len(found) < FINDINGS_PAGE_ROWS and looked < FINDINGS_SCAN_ROWS:
        rows = await node.findings.list(tenant, after=after, limit=FINDINGS_PAGE_ROWS, reverse=True)
        more = len(rows) == FINDINGS_PAGE_ROWS
        for row in rows:
            if len(found) == FINDINGS_PAGE_ROWS:
                more = True
                break
            looked, after = looked + 1, row.id
            if asked.meant(row):
                found.append(row)
    # Ids are in order of the hour in which something was first seen; within it order is up to the page.
    found.sort(key=lambda one: one.first_seen_ns, reverse=True)
    names = tuple(one.name.lower() for one in Severity)
    return FindingsView(asked, tuple(found), names, after if more else "")
