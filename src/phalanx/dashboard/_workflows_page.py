"""The workflows section: runs and where each stands, and the chart of one, live while it goes on."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from phalanx.agents import MISSIONS, Mission
from phalanx.core import TenantId, decode, derive_id, id_time_ns
from phalanx.dashboard._limits import MAX_CASE_MISSIONS, MAX_RUNS_SHOWN, MAX_TURNS_SHOWN
from phalanx.dashboard._render import Renderer
from phalanx.dashboard._sections import WORKFLOWS
from phalanx.trust import Principal
from phalanx.workflows import Gantt, RunState, RunStatus, StepResult, Template, gantt_svg, now_told, window_told
from phalanx.workflows.operations import Assessed, Compared
from phalanx.workflows.workers import WorkerShown

if TYPE_CHECKING:
    from phalanx.node import Node

_GOING_ON = frozenset({RunStatus.QUEUED, RunStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class Beside:
    """The quantum answer of a step with where it was made, and the classical ones beside it."""

    step: str
    origins: str
    of: Compared


@dataclass(frozen=True, slots=True)
class ShownRun:
    """Where a run stands, the case it is about, and who began it; empty where there is none or nobody is known."""

    state: RunState
    case: str
    by: str


@dataclass(frozen=True, slots=True)
class WorkflowsPage:
    """What the page shows. ``chart`` is there when a run is chosen; ``going_on`` has the page ask again by itself."""

    runs: tuple[ShownRun, ...]
    templates: tuple[Template, ...]
    chosen: RunState | None
    chart: Gantt | None
    picture: Markup
    assessed: Assessed | None
    compared: tuple[Beside, ...]
    going_on: bool
    told = staticmethod(window_told)
    now_told = staticmethod(now_told)
    workers: tuple[WorkerShown, ...]


def workflows_page(node: "Node", renderer: Renderer) -> Callable[[Request, Principal], Awaitable[Response]]:
    """The page of ``node``."""

    async def page(request: Request, principal: Principal) -> Response:
        view = await workflows_shown(node, principal.tenant, request.query_params.get("run", ""))
        return renderer.page("workflows.html", principal=principal, section=WORKFLOWS.path, view=view)

    return page


async def workflows_shown(node: "Node", tenant: TenantId, chosen: str) -> WorkflowsPage:
    """Raises ``NotFound`` when there is no run ``chosen``."""
    newest = await node.engine.states.list(tenant, limit=MAX_RUNS_SHOWN)
    chart, picture, state = None, Markup(), None
    steps: list[StepResult] = []
    if chosen:
        chart = await node.engine.gantt(tenant, chosen)
        # What is drawn is made of numbers and escaped names.
        picture = Markup(gantt_svg(chart))  # noqa: S704
        held = await node.engine.states.held(tenant, chosen)
        state = None if held is None else held.state
        steps = await node.engine.runs.steps(tenant, chosen)
    return WorkflowsPage(
        # The store has them in order of what led to them.
        runs=await _runs(node, sorted((held.state for held in newest), key=lambda run: run.at_ns, reverse=True)),
        templates=tuple(node.engine.templates),
        chosen=state,
        chart=chart,
        picture=picture,
        assessed=_assessed(steps),
        compared=tuple(_compared(steps)),
        going_on=state is not None and state.status in _GOING_ON,
        workers=tuple(node.workflow_workers.shown()),
    )


async def _runs(node: "Node", states: Sequence[RunState]) -> tuple[ShownRun, ...]:
    """With the case that each was begun with, and the agent whose mission it is where nobody else is named."""
    agents: dict[str, dict[str, str]] = {}
    shown = []
    for state in states:
        run = await node.engine.runs.get(state.tenant, state.id)
        case = str(run.inputs.get("case", "")) if run is not None else ""
        if case and case not in agents:
            rows = await node.store.find(MISSIONS, state.tenant, "case", case, limit=MAX_CASE_MISSIONS, reverse=True)
            missions = [decode(row.value, Mission) for row in rows]
            agents[case] = {derive_id(id_time_ns(one.id), "run", state.template, one.id): one.agent for one in missions}
        shown.append(ShownRun(state, case, state.by or agents.get(case, {}).get(state.id, "")))
    return tuple(shown)


def _compared(steps: Sequence[StepResult]) -> Iterator[Beside]:
    for result in steps:
        try:
            found = msgspec.convert(result.output, Compared)
        except msgspec.ValidationError:
            continue
        if found.quantum is not None:
            origins = dict.fromkeys(f"{one.origin.value} on {one.device}" for one in result.provenance)
            yield Beside(result.step, ", ".join(origins), found)


def _assessed(steps: Sequence[StepResult]) -> Assessed | None:
    """What the step ``assess`` of an analysis found, if the run has one; triage tells of its own in the story."""
    for result in steps:
        try:
            found = msgspec.convert(result.output, Assessed)
        except msgspec.ValidationError:
            continue
        turns = found.fused.turns[:MAX_TURNS_SHOWN]
        return msgspec.structs.replace(found, fused=msgspec.structs.replace(found.fused, turns=turns))
    return None
