"""Workers of workflows over HTTP: who works for this node, and letting another one do so."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from phalanx.api._auth import Gate, keeper
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import NO_TRACE, AuditEntry
from phalanx.trust import Principal, Role
from phalanx.workflows.workers import WorkerShown

if TYPE_CHECKING:
    from phalanx.node import Node

_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"


class WorkerTokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A token, shown only this once. Whoever has it works for this node under that name."""

    name: str
    token: str


class WorkerRemovedView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that no longer works here."""

    name: str


KINDS: tuple[type, ...] = (WorkerRemovedView, WorkerShown, WorkerTokenView)


def workflow_worker_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/workflows/workers``."""
    router = APIRouter(prefix="/v1/workflows/workers", tags=["workflows"], default_response_class=Response)
    name = Query(max_length=63, pattern=_NAME, description="Name of the worker.")

    @router.get("", responses=answer(WorkerShown, many=True), dependencies=[Depends(gate.needs(Role.VIEWER))])
    async def list_workers() -> Response:
        """Every invited worker: its state, what it does, and what was lost with it."""
        return reply({"items": node.workflow_workers.shown(), "next": ""})

    @router.post("", responses=answer(WorkerTokenView))
    async def invite_worker(
        principal: Annotated[Principal, Depends(keeper(gate))], name: Annotated[str, name]
    ) -> Response:
        """A token with which one process may work for this node; an earlier one of that name becomes void. Recorded
        in the ledger.
        """
        token = await node.workflow_workers.invite(name, by=principal.name)
        await _record(node, principal, "worker.invited", name)
        return reply(WorkerTokenView(name=name, token=token))

    @router.post("/remove", responses=answer(WorkerRemovedView))
    async def remove_worker(
        principal: Annotated[Principal, Depends(keeper(gate))], name: Annotated[str, name]
    ) -> Response:
        """Cut a worker off: nothing it says counts any more. Recorded in the ledger."""
        await node.workflow_workers.remove(name)
        await _record(node, principal, "worker.removed", name)
        return reply(WorkerRemovedView(name=name))

    return router


async def _record(node: "Node", principal: Principal, action: str, name: str) -> None:
    await node.ledger.record(
        AuditEntry(
            id=node.ids.new(), tenant=principal.tenant, trace=NO_TRACE, at_ns=node.clock.wall_ns(),
            actor=principal.name, action=action, subject=name, case="",
        )
    )  # fmt: skip
