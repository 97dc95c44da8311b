"""The quarantine section: lines that could not be read, why, and what became of them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from phalanx.core import TenantId, event_id
from phalanx.dashboard._limits import MAX_QUARANTINED_SHOWN
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import QUARANTINE
from phalanx.intel import BadRow, Replays
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class QuarantinedLine:
    """A line as the page shows it."""

    id: str
    at_ns: int
    bad: BadRow
    replayed_as: str


@dataclass(frozen=True, slots=True)
class QuarantinePage:
    """The newest lines, and how often each reason is among them."""

    lines: Sequence[QuarantinedLine]
    reasons: Sequence[tuple[str, int]]


def quarantine_page(node: "Node", renderer: Renderer) -> Callable[[Request, Principal], Awaitable[Response]]:
    """The page of ``node``."""

    async def page(_: Request, principal: Principal) -> Response:
        view = await quarantine_shown(node, principal.tenant)
        return renderer.page("quarantine.html", principal=principal, section=QUARANTINE.path, view=view)

    return page


async def quarantine_shown(node: "Node", tenant: TenantId) -> QuarantinePage:
    """Everything as it stands now."""
    replays = Replays(node.events, node.intake, node.store, node.clock, node.ledger)
    lines: list[QuarantinedLine] = []
    for kept in await node.events.quarantine(tenant, limit=MAX_QUARANTINED_SHOWN, reverse=True):
        replay = await replays.of(tenant, kept.id)
        for bad in reversed(kept.lines):
            line = event_id(kept.batch, bad.row) if kept.batch else kept.id
            lines.append(QuarantinedLine(line, kept.at_ns, bad, "" if replay is None else replay.event_of(bad.row)))
        if len(lines) >= MAX_QUARANTINED_SHOWN:
            break
    return QuarantinePage(lines[:MAX_QUARANTINED_SHOWN], Counter(line.bad.reason for line in lines).most_common(10))
