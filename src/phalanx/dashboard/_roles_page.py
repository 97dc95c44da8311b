"""The roles section: each role, what it is made of, and what it did last, with where to read on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from phalanx.core import DEFAULT_TENANT, Decision, Outcome, TenantId, decode
from phalanx.dashboard._limits import MAX_CAPTURES_SHOWN, MAX_FORESIGHTS_SHOWN, MAX_STOCK_SHOWN
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import ROLES
from phalanx.deception import CAPTURES, Capture
from phalanx.incidents import DECISIONS, PROPOSALS, ActionProposal
from phalanx.intel.foresight import FORESIGHTS, Foresight
from phalanx.node import Probed, RoleView, roles
from phalanx.posture import INVENTORIES, Inventory
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node

# What a role is for, in a line.
PURPOSES = {
    "sentinel": "hears when a source or a host goes quiet, and asks the rules of a serious finding's lines again",
    "hunter": "follows a finding through stored events, and asks saved queries of them",
    "guardian": "goes through an approved action without doing it, weighs whom it hits, and heeds what is foreseen",
    "analyst": "assesses cases, and puts those together that belong together",
    "deception": "keeps what nobody has a reason to touch, tells who did, and what else whoever did it did",
    "admin": "looks after missions that do not get on, oversees cases, and replaces agents that keep failing",
    "canary": "probes the node itself; watches files, settings, what runs out, its own clock and those of others",
    "specialist": "takes stock of keys and certificates, plans their migration, and judges sessions in events",
}


@dataclass(frozen=True, slots=True)
class ForesightView:
    """A foresight, what was looked into because of it, and why the rest was not."""

    foresight: Foresight
    looked_into: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RolesView:
    """What the page shows. Captures and inventory are the node's own, so only its own tenant sees them."""

    roles: tuple[RoleView, ...]
    purposes: dict[str, str]
    probe: Probed | None
    probe_told: str
    captures: tuple[Capture, ...]
    inventory: Inventory | None
    shown: int
    foresights: tuple[ForesightView, ...] = ()


def roles_page(node: "Node", renderer: Renderer) -> Callable[[Request, Principal], Awaitable[Response]]:
    """The page of ``node``."""

    async def page(_: Request, principal: Principal) -> Response:
        view = await roles_view(node, principal.tenant)
        return renderer.page("roles.html", principal=principal, section=ROLES.path, view=view)

    return page


async def roles_view(node: "Node", tenant: TenantId) -> RolesView:
    """Everything as it stands now."""
    captures: tuple[Capture, ...] = ()
    inventory = None
    if tenant == DEFAULT_TENANT:
        rows = await node.store.scan(CAPTURES, tenant, limit=MAX_CAPTURES_SHOWN, reverse=True)
        captures = tuple(decode(row.value, Capture) for row in rows)
        kept = await node.store.scan(INVENTORIES, tenant, limit=1)
        inventory = decode(kept[0].value, Inventory) if kept else None
    return RolesView(
        roles=tuple(await roles(node, tenant)),
        purposes=PURPOSES,
        probe=node.probes.last,
        probe_told=node.probes.told(),
        captures=captures,
        inventory=inventory,
        shown=MAX_STOCK_SHOWN,
        foresights=await _foresights(node, tenant),
    )


async def _foresights(node: "Node", tenant: TenantId) -> tuple[ForesightView, ...]:
    """The newest, each with the decisions on it."""
    found = []
    for row in await node.store.scan(FORESIGHTS, tenant, limit=MAX_FORESIGHTS_SHOWN, reverse=True):
        one = decode(row.value, Foresight)
        rows = await node.store.find(PROPOSALS, tenant, "case", one.case, limit=MAX_FORESIGHTS_SHOWN)
        asked = [proposal for proposal in (decode(each.value, ActionProposal) for each in rows)
                 if proposal.assessment == one.id]  # fmt: skip
        rows = await node.store.find(DECISIONS, tenant, "case", one.case, limit=MAX_FORESIGHTS_SHOWN)
        decided = {decision.about: decision for decision in (decode(each.value, Decision) for each in rows)}
        pairs = [(str(proposal.target), decided[proposal.id]) for proposal in asked if proposal.id in decided]
        refused = [reason for _, decision in pairs if decision.outcome is Outcome.REFUSED
                   for reason in decision.reasons]  # fmt: skip
        found.append(
            ForesightView(
                foresight=one,
                looked_into=tuple(target for target, decision in pairs if decision.outcome is Outcome.APPROVED),
                refused=tuple(dict.fromkeys(refused)),
            )
        )
    return tuple(found)
