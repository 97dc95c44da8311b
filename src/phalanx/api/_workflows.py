"""Workflows and their runs over HTTP: what can be run, runs as a service, and the chart of each."""

from typing import TYPE_CHECKING, Annotated, Any, get_origin

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, answer_text, asked
from phalanx.core import MAX_PAGE_ROWS, InvalidInput, NotFound
from phalanx.trust import Principal, Role
from phalanx.workflows import (
    INPUT_TYPES,
    Gantt,
    Placing,
    RunState,
    RunStatus,
    StepKind,
    StepReplayed,
    StepResult,
    Template,
    gantt_svg,
)
from phalanx.workflows.operations import Operation

if TYPE_CHECKING:
    from phalanx.node import Node


class StepShown(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a workflow: what it needs, how often it is tried, whether it can be undone, whether it is pure.

    ``mode`` is who answers a quantum step, and ``placing`` all that it asks for; both empty for a classical one.
    """

    name: str
    step_kind: str
    needs: tuple[str, ...]
    attempts: int
    limit_s: float
    undoable: bool
    pure: bool
    mode: str = ""
    placing: Placing | None = None


class InputShown(msgspec.Struct, frozen=True, kw_only=True):
    """An input of a run: its type, and its default unless it is ``needed``."""

    name: str
    type: str
    needed: bool
    default: Any = None


class WorkflowShown(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow that can be run. ``inputs`` are empty if it does not declare any."""

    name: str
    title: str
    limit_s: float
    steps: tuple[StepShown, ...]
    inputs: tuple[InputShown, ...] = ()


class OperationShown(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that workflow files can use: its input and its result."""

    name: str
    title: str
    step_kind: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    pure: bool


class FileWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workflow's file, as YAML."""

    text: str


class RunReplayWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one step to repeat; empty: all."""

    step: str = ""


class RunReplayed(msgspec.Struct, frozen=True, kw_only=True):
    """What each step gave when it was repeated, beside what is stored."""

    steps: tuple[StepReplayed, ...]


class RunWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run to start. The same ``run`` is one run, however often it is asked for; empty: a new one.

    Runs with the same ``seed`` and the same inputs draw the same; without it each has its own seed.
    """

    workflow: str
    inputs: dict[str, Any] = {}
    deadline_s: float = 0.0
    run: str = ""
    seed: int | None = None


class RunWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reason, and for a resumed run how long it may take from now on (0: as before)."""

    reason: str = ""
    deadline_s: float = 0.0


class RunShown(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a run, the seed of its steps, and their results so far."""

    state: RunState
    steps: tuple[StepResult, ...]
    seed: int = 0


KINDS: tuple[type, ...] = (
    FileWanted, Gantt, InputShown, OperationShown, RunReplayed, RunReplayWanted, RunShown, RunState, RunWanted, RunWish,
    WorkflowShown,
)  # fmt: skip


def workflow_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/workflows`` and ``/v1/runs``."""
    router = APIRouter(prefix="/v1", tags=["workflows"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("/workflows", responses=answer(WorkflowShown, many=True), dependencies=[viewer])
    async def list_workflows() -> Response:
        """Every workflow that can be run, by name."""
        return reply({"items": [_shown(template) for template in node.engine.templates], "next": ""})

    @router.get("/workflows/{workflow}", responses=answer(WorkflowShown), dependencies=[viewer])
    async def get_workflow(workflow: str) -> Response:
        """One workflow and its steps."""
        return reply(_shown(node.engine.template(workflow)))

    @router.get("/operations", responses=answer(OperationShown, many=True), dependencies=[viewer])
    async def list_operations() -> Response:
        """What workflows can be made of, by name."""
        found = sorted(node.workflows.operations.values(), key=lambda one: one.name)
        return reply({"items": [_operation(one) for one in found], "next": ""})

    @router.get("/runs", responses=answer(RunState, many=True))
    async def list_runs(
        principal: Annotated[Principal, viewer],
        status: RunStatus | None = None,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE_ROWS)] = 100,
    ) -> Response:
        """Runs of the caller's tenant and the state of each, newest first."""
        found = await node.engine.states.list(principal.tenant, status=status, after=after, limit=limit)
        last = found[-1].state.id if len(found) == limit else ""
        return reply({"items": [held.state for held in found], "next": last})

    @router.get("/runs/{run}", responses=answer(RunShown))
    async def get_run(run: str, principal: Annotated[Principal, viewer]) -> Response:
        """The state of one run and why, and the results of its steps so far."""
        held = await node.engine.states.held(principal.tenant, run)
        begun = await node.engine.runs.get(principal.tenant, run)
        if held is None or begun is None:
            raise NotFound("run", run)
        steps = await node.engine.runs.steps(principal.tenant, run)
        return reply(RunShown(state=held.state, steps=tuple(steps), seed=begun.seed))

    @router.get("/runs/{run}/gantt", responses=answer(Gantt))
    async def get_gantt(run: str, principal: Annotated[Principal, viewer]) -> Response:
        """When each step worked and on what, hand-over times, and the critical path."""
        return reply(await node.engine.gantt(principal.tenant, run))

    @router.get("/runs/{run}/gantt.svg", responses=answer_text("image/svg+xml", "The chart as a picture."))
    async def get_gantt_svg(run: str, principal: Annotated[Principal, viewer]) -> Response:
        """The same as a picture."""
        return Response(gantt_svg(await node.engine.gantt(principal.tenant, run)), media_type="image/svg+xml")

    _add_wishes(router, node, gate)
    return router


def _add_wishes(router: APIRouter, node: "Node", gate: Gate) -> None:
    operator = Depends(gate.needs(Role.OPERATOR))

    @router.post("/workflows", responses=answer(WorkflowShown), openapi_extra=asked(FileWanted))
    async def add_workflow(
        request: Request, principal: Annotated[Principal, Depends(gate.needs(Role.ADMIN))]
    ) -> Response:  # fmt: skip
        """Upload a workflow as a file; one of the same name is replaced. Errors carry line numbers."""
        wanted = _document(await read_body(request, node.offload), FileWanted)
        return reply(_shown(await node.workflows.add(wanted.text, by=principal.name)))

    @router.post("/runs/{run}/replay", responses=answer(RunReplayed), openapi_extra=asked(RunReplayWanted))
    async def replay(run: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Repeat the pure steps with the same seeds, and say which give a different result; nothing is stored."""
        body = await read_body(request, node.offload)
        wanted = _document(body, RunReplayWanted) if body else RunReplayWanted()
        return reply(RunReplayed(steps=tuple(await node.engine.replay(principal.tenant, run, step=wanted.step))))

    @router.post("/runs", responses=answer(RunState), openapi_extra=asked(RunWanted))
    async def submit(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Start a run and answer at once with its state."""
        wanted = _document(await read_body(request, node.offload), RunWanted)
        state = await node.engine.submit(
            wanted.workflow, run_id=wanted.run or node.ids.new(), tenant=principal.tenant, inputs=wanted.inputs,
            deadline_s=wanted.deadline_s, by=principal.name, seed=wanted.seed,
        )  # fmt: skip
        return reply(state)

    async def wished(request: Request) -> RunWish:
        body = await read_body(request, node.offload)
        return _document(body, RunWish) if body else RunWish()

    @router.post("/runs/{run}/pause", responses=answer(RunState), openapi_extra=asked(RunWish))
    async def pause(run: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Start no further step; those at work finish."""
        wish = await wished(request)
        return reply(await node.engine.pause(principal.tenant, run, by=principal.name, reason=wish.reason))

    @router.post("/runs/{run}/resume", responses=answer(RunState), openapi_extra=asked(RunWish))
    async def resume(run: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Resume a paused or failed run from what is stored."""
        wish = await wished(request)
        return reply(
            await node.engine.resume(
                principal.tenant, run, by=principal.name, reason=wish.reason, deadline_s=wish.deadline_s
            )
        )

    @router.post("/runs/{run}/cancel", responses=answer(RunState), openapi_extra=asked(RunWish))
    async def cancel(run: str, request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Interrupt the steps at work, and undo what steps did outside, last first."""
        wish = await wished(request)
        return reply(await node.engine.cancel(principal.tenant, run, by=principal.name, reason=wish.reason))


def _shown(template: Template) -> WorkflowShown:
    steps = tuple(
        StepShown(
            name=step.name, step_kind=step.kind.value, needs=step.needs, attempts=step.retry.attempts,
            limit_s=step.limit_s, undoable=step.undo is not None, pure=step.pure,
            mode=step.placing.mode.value if step.kind is StepKind.QUANTUM else "",
            placing=step.placing if step.kind is StepKind.QUANTUM else None,
        )
        for step in template.steps
    )  # fmt: skip
    return WorkflowShown(
        name=template.name, title=template.title, limit_s=template.limit_s, steps=steps, inputs=_inputs(template.takes)
    )  # fmt: skip


def _inputs(takes: Any) -> tuple[InputShown, ...]:
    if not (isinstance(takes, type) and issubclass(takes, msgspec.Struct)):
        return ()
    shown = []
    for one in msgspec.structs.fields(takes):
        default = None if one.default is msgspec.NODEFAULT else one.default
        if one.default_factory is not msgspec.NODEFAULT:
            default = msgspec.to_builtins(one.default_factory())
        shown.append(InputShown(name=one.encode_name, type=_type(one.type), needed=one.required, default=default))
    return tuple(shown)


def _type(kind: Any) -> str:
    kind = get_origin(kind) or kind
    return next((name for name, one in INPUT_TYPES.items() if one is kind), "list" if kind is tuple else "map")


def _operation(one: Operation) -> OperationShown:
    gives = one.gives.__struct_fields__ if hasattr(one.gives, "__struct_fields__") else ()
    return OperationShown(
        name=one.name, title=one.title, step_kind=one.kind.value, takes=one.takes.__struct_fields__, gives=gives,
        pure=one.pure,
    )  # fmt: skip


def _document(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInput("body", str(error)) from error
