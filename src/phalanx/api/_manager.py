"""Work that another node of the cluster places and runs for this one: its manager."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.allocation import Shape
from phalanx.allocation.money import BudgetView
from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput, Unavailable
from phalanx.node import WORDS_VERSION, JobLine, ManagedJob, ManagedWork, Placed, Work, WorkWishes
from phalanx.quantum.circuits import read
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class WorkRequest(WorkWishes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A circuit, or only its ``shape``, for the manager. ``circuit`` is text in ``language``, or recognised if that
    is empty.

    Zeros and empty texts mean no limit. ``key`` makes a repeated request find the first. ``fall_back``: if the
    manager is away, this node's own policy decides, and the work runs here. ``hold_s``: how long a window is held
    before it must be used.
    """

    circuit: str = ""
    language: str = ""
    key: str = ""
    fall_back: bool = True


class ManagerView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is manager for this node, and for whom it is one; ``budgets`` are what this tenant has there.

    ``away`` says why the manager does not answer, or cannot be understood; empty when it does. ``words`` is the version
    of managers' words that this node speaks; ``manager_words`` and ``manager_program`` are what the manager says of
    itself, 0 and empty while it says nothing.
    """

    manager: str
    manages: tuple[str, ...]
    away: str = ""
    budgets: tuple[BudgetView, ...] = ()
    words: int = WORDS_VERSION
    manager_words: int = 0
    manager_program: str = ""


KINDS: tuple[type, ...] = (WorkRequest, ManagerView, ManagedJob, JobLine, Placed, Shape)
_Key = Annotated[str, Query(description="Key of the work, as it was given or returned.", min_length=1, max_length=200)]


def manager_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/manager``."""
    router = APIRouter(prefix="/v1/manager", tags=["allocation"], default_response_class=Response)
    viewer, operator = Depends(gate.needs(Role.VIEWER)), Depends(gate.needs(Role.OPERATOR))

    @router.get("", responses=answer(ManagerView))
    async def get_manager(principal: Annotated[Principal, viewer]) -> Response:
        """The manager of this node, whether it answers, and what it grants the caller's tenant."""
        manages = node.settings.cluster.manages
        if node.managed is None:
            return reply(ManagerView(manager="", manages=manages))
        try:
            found = await node.managed.granted(principal.tenant)
        except Unavailable as error:
            return reply(ManagerView(manager=node.managed.manager, manages=manages, away=error.reason))
        return reply(
            ManagerView(
                manager=node.managed.manager, manages=manages, budgets=found.budgets, manager_words=found.words,
                manager_program=found.program,
            )
        )  # fmt: skip

    @router.post("/place", responses=answer(Placed), openapi_extra=asked(WorkRequest))
    async def place_work(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Where the manager would run it, with everything that was considered and a window held there."""
        wanted, work = await _read(request)
        placed = await _managed(node).place(principal.tenant, work, key=wanted.key, fall_back=wanted.fall_back)
        return reply(placed)

    @router.post("/jobs", responses=answer(ManagedJob), openapi_extra=asked(WorkRequest))
    async def submit_work(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Run it at the manager, under the budget it granted this node; durable when this answers."""
        wanted, work = await _read(request)
        job = await _managed(node).submit(principal.tenant, work, key=wanted.key, fall_back=wanted.fall_back)
        return reply(job)

    @router.get("/jobs", responses=answer(JobLine, many=True))
    async def list_managed_jobs(principal: Annotated[Principal, viewer]) -> Response:
        """The latest jobs at the manager, and those that are here since it was away, newest first."""
        return reply({"items": await _managed(node).jobs(principal.tenant), "next": ""})

    @router.get("/job", responses=answer(ManagedJob))
    async def get_managed_job(principal: Annotated[Principal, viewer], key: _Key) -> Response:
        """The job of a key, wherever it is, with its counts once it has completed."""
        return reply(await _managed(node).job(principal.tenant, key))

    @router.post("/cancel", responses=answer(ManagedJob))
    async def cancel_managed_job(principal: Annotated[Principal, operator], key: _Key) -> Response:
        """The job as it ended: cancelled, unless it had ended before. Its window is given back.

        Where only a window is held under the key there is no job, and the window is given back.
        """
        return reply(await _managed(node).cancel(principal.tenant, key))

    async def _read(request: Request) -> tuple[WorkRequest, Work]:
        try:
            wanted = msgspec.json.decode(await read_body(request, node.offload), type=WorkRequest)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        circuit = None
        if wanted.circuit:
            circuit = await node.offload.run(read, wanted.circuit, language=wanted.language or None)
        wishes = {name: getattr(wanted, name) for name in WorkWishes.__struct_fields__}
        return wanted, Work(circuit=circuit, **wishes)

    return router


def _managed(node: "Node") -> ManagedWork:
    if node.managed is None:
        raise Unavailable("a manager", "this node names none", hint="set cluster.manager to a node of its cluster")
    return node.managed
