"""What people do on pages: close an incident, say whether a finding was right.

They are the same deeds as over the API, by the same roles, with the same entries in the ledger. Each comes from a
form of a page of this node, is carried out, and leads back to that page.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from phalanx.core import InvalidInput
from phalanx.dashboard._session import read_form, require_same_origin
from phalanx.incidents import CloseWanted, IncidentOutcome
from phalanx.intel import OpinionWanted, Verdict
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_SEE_OTHER = 303
_Deed = Callable[[Request, Principal], Awaitable[Response]]
K = TypeVar("K", bound=Enum)


def closing(node: "Node") -> _Deed:
    """``POST /incidents/{incident}/close``."""

    async def close(request: Request, principal: Principal) -> Response:
        form = await _asked(request, principal)
        wanted = CloseWanted(outcome=_one_of(IncidentOutcome, form, "outcome"), reason=form.get("reason", ""))
        closed = await node.incidents.close(
            principal.tenant, request.path_params["incident"], wanted, by=principal.name
        )  # fmt: skip
        return RedirectResponse(f"/incidents/{closed.id}", _SEE_OTHER)

    return close


def judging(node: "Node") -> _Deed:
    """``POST /findings/{finding}/opinion``."""

    async def judge(request: Request, principal: Principal) -> Response:
        form = await _asked(request, principal)
        wanted = OpinionWanted(verdict=_one_of(Verdict, form, "verdict"), reason=form.get("reason", ""))
        said = await node.judgements.say(principal.tenant, request.path_params["finding"], wanted, by=principal.name)
        return RedirectResponse(f"/trace/{said.trace}", _SEE_OTHER)

    return judge


async def _asked(request: Request, principal: Principal) -> Mapping[str, str]:
    """The form, from whoever may act. Raises ``NotAuthenticated`` for one of another site, and ``NotAllowed``."""
    require_same_origin(request)
    principal.require(Role.OPERATOR)
    return await read_form(request)


def _one_of(kind: type[K], form: Mapping[str, str], name: str) -> K:
    try:
        return kind(form.get(name, ""))
    except ValueError as error:
        raise InvalidInput(name, f"is one of {', '.join(str(one.value) for one in kind)}") from error
