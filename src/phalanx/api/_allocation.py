"""Which device a circuit goes to, and why: the node's policy, a circuit explained, and the latest decisions."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.allocation import Explanation, PolicyValue, Promotion, Trials
from phalanx.allocation.limits import LimitView
from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._devices import work_of
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import Circuit, InvalidInput, NotFound, Unavailable
from phalanx.devices import JobWishes, Program, Wish, check_asked, due_at_ns, origin_of
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that places circuits, and the available ones. ``laid_out`` is how many devices a circuit is laid
    out on.
    """

    policy: str
    policies: tuple[str, ...]
    laid_out: int


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, without the devices that were passed over: those are under its job."""

    at_ns: int
    subject: str
    policy: str
    wanted: str
    device: str
    reason: str
    n_fit: int
    n_refused: int


class PromoteRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a policy is to be used; ``force``: even where outcomes do not show that it is as good."""

    reason: str
    force: bool = False


class ExplainRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A circuit or a program to place without running it. ``circuit`` is text in ``language`` (empty: recognised from
    the text), ``program`` JSON for a machine without gates.

    Zeros mean no limit. ``policy`` empty: the node's; for circuits only. ``origin`` is the kind of results;
    ``within_s`` counts from now.
    """

    circuit: str = ""
    program: str = ""
    language: str = ""
    policy: str = ""
    shots: int = 1_000
    origin: str = ""
    fidelity: float = 0.0
    within_s: float = 0.0
    budget: float = 0.0
    regions: tuple[str, ...] = ()
    emergency: bool = False


def allocation_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/allocation``."""
    router = APIRouter(prefix="/v1/allocation", tags=["allocation"], default_response_class=Response)
    viewer, admin = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.ADMIN))

    @router.get("", responses=answer(PolicyView), dependencies=[viewer])
    async def get_policy() -> Response:
        """The policy that places circuits, and the available ones."""
        placements = node.placements
        return reply(
            PolicyView(
                policy=placements.policy, policies=tuple(sorted(placements.policies)),
                laid_out=node.settings.allocation.laid_out,
            )
        )  # fmt: skip

    @router.get("/policies", responses=answer(PolicyValue, many=True), dependencies=[viewer])
    async def evaluate_policies() -> Response:
        """What each policy would have been worth on the decisions whose outcome is known, best first."""
        return reply({"items": await _trials(node).evaluated(), "next": ""})

    @router.post("/policies/{name}/promote", responses=answer(Promotion), openapi_extra=asked(PromoteRequest))
    async def promote_policy(name: str, request: Request, principal: Annotated[Principal, admin]) -> Response:
        """Place by this policy from now on; refused where outcomes do not show that it is as good, unless forced."""
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=PromoteRequest)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        made = await _trials(node).promote(name, by=principal.name, reason=wanted.reason, force=wanted.force)
        node.placements.use(made.policy)
        return reply(made)

    @router.get("/limits", responses=answer(LimitView, many=True), dependencies=[viewer])
    async def list_limits() -> Response:
        """Per machine: how old its calibration may be, when its queue counts as long, and each change of that with
        its reason.

        Empty where the node reaches no machines: emulated machines do not age, and have no queues.
        """
        return reply({"items": node.device_limits.views(node.fleet.devices()), "next": ""})

    @router.post("/explain", responses=answer(Explanation), openapi_extra=asked(ExplainRequest))
    async def explain_circuit(request: Request, principal: Annotated[Principal, viewer]) -> Response:
        """Where a circuit or a program would go now: every device, and what ruled out those that do not fit."""
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=ExplainRequest)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        work = await node.offload.run(work_of, wanted.circuit, wanted.program, wanted.language)
        due_at_ns(0, wanted.within_s)
        asked_for = JobWishes(fidelity=wanted.fidelity, budget=wanted.budget, regions=wanted.regions)
        check_asked(work, asked_for, shots=wanted.shots)
        wish = Wish(
            circuit=work if isinstance(work, Circuit) else None, program=work if isinstance(work, Program) else None,
            shots=wanted.shots, tenant=principal.tenant, origin=origin_of(wanted.origin), fidelity=wanted.fidelity,
            deadline_s=wanted.within_s or math.inf, budget=wanted.budget or math.inf,
            regions=frozenset(wanted.regions), emergency=wanted.emergency,
        )  # fmt: skip
        return reply(await node.placements.explain(wish, policy=wanted.policy))

    _decision_routes(router, node, viewer)
    return router


def _decision_routes(router: APIRouter, node: "Node", viewer: Any) -> None:
    @router.get("/decisions", responses=answer(DecisionView, many=True))
    async def list_decisions(
        principal: Annotated[Principal, viewer], limit: Annotated[int, Query(ge=1, le=256)] = 50
    ) -> Response:
        """The latest decisions for jobs of the caller's tenant, newest first; a restart of the node forgets them."""
        found = node.placements.recent(principal.tenant)[:limit]
        return reply({"items": [_view(one) for one in found], "next": ""})

    @router.get("/decisions/{job_id}", responses=answer(Explanation))
    async def get_decision(job_id: str, principal: Annotated[Principal, viewer]) -> Response:
        """The latest decision for one job, with every device that was considered."""
        for one in node.placements.recent(principal.tenant):
            if one.subject == f"job {job_id}":
                return reply(one)
        raise NotFound("decision", job_id)


def _trials(node: "Node") -> Trials:
    if node.placements.trials is None:
        raise Unavailable("outcomes of placements", "this node keeps none")
    return node.placements.trials


def _view(one: Explanation) -> DecisionView:
    n_fit = sum(device.fits for device in one.devices)
    return DecisionView(
        at_ns=one.at_ns, subject=one.subject, policy=one.policy, wanted=one.wanted, device=one.device,
        reason=one.reason, n_fit=n_fit, n_refused=len(one.devices) - n_fit,
    )  # fmt: skip


KINDS: tuple[type, ...] = (
    PolicyValue,
    Promotion,
    PromoteRequest,
    PolicyView,
    DecisionView,
    ExplainRequest,
    Explanation,
    LimitView,
)
