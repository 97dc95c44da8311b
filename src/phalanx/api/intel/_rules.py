"""Detection rules over HTTP: those in force with what they cost, and reloading them."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.node import LeftOut, Reloaded, RulesView, RuleView
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (RulesView, RuleView, LeftOut, Reloaded)


def rule_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/rules``."""
    router = APIRouter(prefix="/v1/rules", tags=["rules"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(RulesView))
    async def get_rules(principal: Annotated[Principal, viewer]) -> Response:
        """The rules in force, files left out with the reason, and for the node's own tenant what each rule cost."""
        return reply(node.rules.view(principal.tenant))

    @router.post("/reload", responses=answer(Reloaded))
    async def reload_rules(principal: Annotated[Principal, operator]) -> Response:
        """Reload the rules. No event is lost; if a file is not a valid rule, the old rules stay in force."""
        return reply(await node.rules.reload(by=principal.name))

    return router
