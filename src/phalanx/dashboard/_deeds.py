"""What people do on pages about findings and incidents: judging, suppressing, closing, splitting, merging, assigning.

They are the same deeds as over the API, by the same roles, with the same entries in the ledger. Each comes from a
form of a page of this node, is carried out, and leads back to that page.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from phalanx.core import InvalidInput
from phalanx.dashboard._session import read_fields, require_same_origin
from phalanx.incidents import (
    AssignWanted,
    CloseWanted,
    CommentWanted,
    IncidentOutcome,
    MergeWanted,
    SplitWanted,
)
from phalanx.intel import OpinionWanted, SuppressionWanted, Verdict
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_SEE_OTHER = 303
_DAY_S = 86_400.0
Deed = Callable[[Request, Principal], Awaitable[Response]]
K = TypeVar("K", bound=Enum)


def incident_deeds(node: "Node") -> Mapping[str, Deed]:
    """What is done about one incident, by the last part of the address."""
    return {
        "close": _closing(node), "assign": _assigning(node), "comment": _commenting(node), "split": _splitting(node),
        "merge": _merging(node),
    }  # fmt: skip


def _closing(node: "Node") -> Deed:
    async def close(request: Request, principal: Principal) -> Response:
        form = await asked(request, principal)
        wanted = CloseWanted(
            outcome=_one_of(IncidentOutcome, form, "outcome"), reason=form.get("reason", ""),
            seen_ns=_whole(form, "seen_ns"),
        )  # fmt: skip
        closed = await node.incidents.close(
            principal.tenant, request.path_params["incident"], wanted, by=principal.name
        )  # fmt: skip
        return RedirectResponse(f"/incidents/{closed.id}", _SEE_OTHER)

    return close


def _assigning(node: "Node") -> Deed:
    async def assign(request: Request, principal: Principal) -> Response:
        form = await asked(request, principal)
        wanted = AssignWanted(
            to=form.get("to", ""), instead_of=form.get("instead_of", ""), reason=form.get("reason", "")
        )  # fmt: skip
        made = await node.handling.assign(
            principal.tenant, request.path_params["incident"], wanted, by=principal.name
        )  # fmt: skip
        return RedirectResponse(f"/incidents/{made.id}", _SEE_OTHER)

    return assign


def _commenting(node: "Node") -> Deed:
    async def comment(request: Request, principal: Principal) -> Response:
        form = await asked(request, principal)
        wanted = CommentWanted(text=form.get("text", ""), key=form.get("key", ""))
        said = await node.handling.comment(
            principal.tenant, request.path_params["incident"], wanted, by=principal.name
        )  # fmt: skip
        return RedirectResponse(f"/incidents/{said.incident}#{said.id}", _SEE_OTHER)

    return comment


def _splitting(node: "Node") -> Deed:
    async def split(request: Request, principal: Principal) -> Response:
        fields = await _asked_many(request, principal)
        wanted = SplitWanted(findings=tuple(fields.get("finding", ())), reason=_first(fields, "reason"))
        left = await node.incidents.split(
            principal.tenant, request.path_params["incident"], wanted, by=principal.name
        )  # fmt: skip
        return RedirectResponse(f"/incidents/{left.id}", _SEE_OTHER)

    return split


def _merging(node: "Node") -> Deed:
    async def merge(request: Request, principal: Principal) -> Response:
        fields = await _asked_many(request, principal)
        incidents = (request.path_params["incident"], *fields.get("other", ()))
        wanted = MergeWanted(incidents=incidents, reason=_first(fields, "reason"))
        made = await node.incidents.merge(principal.tenant, wanted, by=principal.name)
        return RedirectResponse(f"/incidents/{made.id}", _SEE_OTHER)

    return merge


def judging(node: "Node") -> Deed:
    """``POST /findings/{finding}/opinion``."""

    async def judge(request: Request, principal: Principal) -> Response:
        form = await asked(request, principal)
        wanted = OpinionWanted(verdict=_one_of(Verdict, form, "verdict"), reason=form.get("reason", ""))
        said = await node.judgements.say(principal.tenant, request.path_params["finding"], wanted, by=principal.name)
        return RedirectResponse(f"/trace/{said.trace}", _SEE_OTHER)

    return judge


def suppressing(node: "Node") -> Deed:
    """``POST /findings/{finding}/suppress``: no more of its rule; on its host, or naming what it names, or anywhere."""

    async def suppress(request: Request, principal: Principal) -> Response:
        form = await asked(request, principal)
        finding = await node.findings.get(principal.tenant, request.path_params["finding"])
        where, _, named = form.get("where", "").partition(":")
        if where not in ("host", "entity", "everywhere") or (where == "entity" and not named):
            raise InvalidInput("where", "is host, entity and which, or everywhere")
        wanted = SuppressionWanted(
            rule=finding.rule, host=finding.case.rpartition("@")[0] if where == "host" else "",
            entity=named if where == "entity" else "", reason=form.get("reason", ""),
            for_s=_whole(form, "days") * _DAY_S,
        )  # fmt: skip
        await node.judgements.suppress(principal.tenant, wanted, by=principal.name)
        return RedirectResponse(f"/trace/{finding.trace}", _SEE_OTHER)

    return suppress


def ending(node: "Node") -> Deed:
    """``POST /suppressions/{suppression}/end``."""

    async def end(request: Request, principal: Principal) -> Response:
        await asked(request, principal)
        await node.judgements.end(principal.tenant, request.path_params["suppression"], by=principal.name)
        return RedirectResponse("/rules#suppressed-title", _SEE_OTHER)

    return end


async def asked(request: Request, principal: Principal) -> Mapping[str, str]:
    """The form, from whoever may act. Raises ``NotAuthenticated`` for one of another site, and ``NotAllowed``."""
    return {name: values[0] for name, values in (await _asked_many(request, principal)).items()}


async def _asked_many(request: Request, principal: Principal) -> Mapping[str, list[str]]:
    require_same_origin(request)
    principal.require(Role.OPERATOR)
    return await read_fields(request)


def _first(fields: Mapping[str, list[str]], name: str) -> str:
    return next(iter(fields.get(name, ())), "")


def _one_of(kind: type[K], form: Mapping[str, str], name: str) -> K:
    try:
        return kind(form.get(name, ""))
    except ValueError as error:
        raise InvalidInput(name, f"is one of {', '.join(str(one.value) for one in kind)}") from error


def _whole(form: Mapping[str, str], name: str) -> int:
    text = form.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        raise InvalidInput(name, "is a whole number")
    return int(text)
