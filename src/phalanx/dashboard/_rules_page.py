"""The rules section: what is looked for, what it costs and brings, what was left out, and what is suppressed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from phalanx.core import TenantId
from phalanx.dashboard._limits import MAX_REFUSED_SHOWN, MAX_RULES_SHOWN
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import RULES
from phalanx.intel import RuleFeedback, Suppression, ThresholdStanding
from phalanx.intel.models import ModelView, model_views
from phalanx.node import LeftOut, RuleView
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class RulesPage:
    """What the page shows, at ``now_ns``. ``rules`` are those that held most often, then those that cost most."""

    compiled: int
    digest: str
    detectors: tuple[str, ...]
    rules: tuple[RuleView, ...]
    refused: tuple[LeftOut, ...]
    refused_more: int
    suppressions: tuple[Suppression, ...]
    now_ns: int
    thresholds: tuple[ThresholdStanding, ...]
    feedback: tuple[RuleFeedback, ...]
    models: tuple[ModelView, ...]


def rules_page(node: "Node", renderer: Renderer) -> Callable[[Request, Principal], Awaitable[Response]]:
    """The page of ``node``."""

    async def page(_: Request, principal: Principal) -> Response:
        view = await rules_shown(node, principal.tenant)
        return renderer.page("rules.html", principal=principal, section=RULES.path, view=view)

    return page


async def rules_shown(node: "Node", tenant: TenantId) -> RulesPage:
    """Everything as it stands now."""
    view = node.rules.view(tenant)
    ordered = sorted(view.rules, key=lambda one: (-one.hits, -one.spent_ns, one.name))
    refused = sorted(view.refused, key=lambda one: one.unsupported)
    now_ns = node.clock.wall_ns()
    return RulesPage(
        compiled=view.compiled,
        digest=view.digest,
        detectors=tuple(detector.name for detector in node.sentinel.detectors),
        rules=tuple(ordered[:MAX_RULES_SHOWN]),
        refused=tuple(refused[:MAX_REFUSED_SHOWN]),
        refused_more=max(0, len(view.refused) - MAX_REFUSED_SHOWN),
        suppressions=_ordered(await node.judgements.suppressions(tenant), now_ns),
        now_ns=now_ns,
        thresholds=tuple(await node.detection.thresholds.standing(tenant)),
        models=tuple(await model_views(node.detection.models, node.store, tenant)),
        feedback=tuple(await node.detection.thresholds.feedback(tenant))[:MAX_RULES_SHOWN],
    )


def _ordered(found: Sequence[Suppression], now_ns: int) -> tuple[Suppression, ...]:
    """Those that hold first, the newest of each before others."""
    return tuple(sorted(found, key=lambda one: (0 < one.until_ns <= now_ns, -one.at_ns)))
