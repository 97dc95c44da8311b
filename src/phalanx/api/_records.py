"""What followed from events: findings, missions, assessments, proposals, decisions, and their cases.

All of them are rows of a table under their id, so there is one listing for all. Ids begin with the time of their
cause: the order of ids is the order in which things came about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.agents import MISSIONS, REPORTS, Mission, Report
from phalanx.api._auth import Gate
from phalanx.api._limits import MAX_CURSOR_CHARS
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer
from phalanx.core import (
    MAX_PAGE_ROWS,
    Assessment,
    Decision,
    Finding,
    NotFound,
    Record,
    Row,
    Store,
    Table,
    TenantId,
    decode,
)
from phalanx.crypto.vault import Shredded
from phalanx.incidents import CORRELATIONS, DECISIONS, PROPOSALS, REHEARSALS, ActionProposal, Correlation, Rehearsal
from phalanx.intel import FINDINGS, HUNTS, Hunt
from phalanx.intel.foresight import FORESIGHTS, Foresight
from phalanx.node import RoleView, roles
from phalanx.telemetry import Alert
from phalanx.trust import Principal, Role
from phalanx.workflows import ASSESSMENTS

if TYPE_CHECKING:
    from phalanx.node import Node

R = TypeVar("R", bound=Record)


class Order(Enum):
    """Which end a listing begins at."""

    NEWEST = "newest"
    OLDEST = "oldest"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything recorded about one case: what was found, who looked into it, and what was made of it."""

    case: str
    findings: tuple[Finding, ...]
    missions: tuple[Mission, ...]
    assessments: tuple[Assessment, ...]
    proposals: tuple[ActionProposal, ...]
    decisions: tuple[Decision, ...]
    hunts: tuple[Hunt, ...]
    rehearsals: tuple[Rehearsal, ...]
    related: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Shelf(Generic[R]):
    """One kind of record: where it is stored, and under which path it is served."""

    path: str
    table: Table
    kind: type[R]

    async def get(self, store: Store, tenant: TenantId, key: str) -> R:
        row = await store.get(self.table, tenant, key)
        if row is None:
            raise NotFound(self.path[:-1], key)
        return decode(row.value, self.kind)

    async def page(self, store: Store, tenant: TenantId, asked: Page, order: Order, case: str) -> list[R]:
        newest = order is Order.NEWEST
        if case:
            rows = await store.find(
                self.table, tenant, "case", case, after=asked.after, limit=asked.limit, reverse=newest
            )
        else:
            rows = await store.scan(self.table, tenant, after=asked.after, limit=asked.limit, reverse=newest)
        return [decode(row.value, self.kind) for row in rows]


_SHELVES: Sequence[_Shelf[Any]] = (
    _Shelf("findings", FINDINGS, Finding),
    _Shelf("missions", MISSIONS, Mission),
    _Shelf("assessments", ASSESSMENTS, Assessment),
    _Shelf("proposals", PROPOSALS, ActionProposal),
    _Shelf("decisions", DECISIONS, Decision),
    _Shelf("hunts", HUNTS, Hunt),
    _Shelf("correlations", CORRELATIONS, Correlation),
    _Shelf("rehearsals", REHEARSALS, Rehearsal),
    _Shelf("foresights", FORESIGHTS, Foresight),
    _Shelf("agent-reports", REPORTS, Report),
)

KINDS: tuple[type, ...] = (*(shelf.kind for shelf in _SHELVES), Case, RoleView, Alert)


def record_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/findings`` and its siblings, ``/v1/cases``, ``/v1/roles`` and ``/v1/alerts``."""
    router = APIRouter(prefix="/v1", tags=["records"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))
    for shelf in _SHELVES:
        _add_shelf(router, node, gate, shelf)

    async def _of_case(table: Table, principal: Principal, case: str) -> list[Row]:
        return await node.store.find(table, principal.tenant, "case", case, limit=MAX_PAGE_ROWS)

    @router.get("/cases/{case}", responses=answer(Case))
    async def get_case(case: str, principal: Annotated[Principal, viewer]) -> Response:
        """Everything known about one case."""
        found = await node.cases.get(principal.tenant, case)
        rows = await _of_case(MISSIONS, principal, case)
        return reply(
            Case(
                case=case,
                findings=found.findings,
                missions=tuple(decode(row.value, Mission) for row in rows),
                assessments=found.assessments,
                proposals=found.proposals,
                decisions=found.decisions,
                hunts=tuple([decode(row.value, Hunt) for row in await _of_case(HUNTS, principal, case)]),
                rehearsals=tuple([decode(row.value, Rehearsal) for row in await _of_case(REHEARSALS, principal, case)]),
                related=found.related,
            )
        )

    @router.get("/roles", responses=answer(RoleView, many=True))
    async def list_roles(principal: Annotated[Principal, viewer]) -> Response:
        """What each role consists of, and what it did last."""
        return reply({"items": await roles(node, principal.tenant), "next": ""})

    @router.get("/alerts", responses=answer(Alert, many=True), dependencies=[viewer])
    async def list_alerts() -> Response:
        """What a person should know about the node itself since it started, newest first."""
        return reply({"items": node.alerts.recent(), "next": ""})

    return router


def _add_shelf(router: APIRouter, node: "Node", gate: Gate, shelf: _Shelf[Any]) -> None:
    viewer, store = Depends(gate.needs(Role.VIEWER)), node.store

    def check(tenant: TenantId) -> None:
        """Raises ``Shredded``: that nothing is left is different from nothing being there yet."""
        if node.vault.is_shredded(tenant):
            raise Shredded(tenant)

    async def list_records(
        request: Request,
        principal: Annotated[Principal, viewer],
        asked: Annotated[Page, Depends(page)],
        order: Annotated[Order, Query(description="Which end to begin at.")] = Order.NEWEST,
        case: Annotated[str, Query(max_length=MAX_CURSOR_CHARS, description="Only records of this case.")] = "",
    ) -> Response:
        check(principal.tenant)
        found = await shelf.page(store, principal.tenant, asked, order, case)
        return reply_page(request, found, asked=asked, last=found[-1].id if found else "")

    async def get_record(key: str, principal: Annotated[Principal, viewer]) -> Response:
        check(principal.tenant)
        return reply(await shelf.get(store, principal.tenant, key))

    one = shelf.path[:-1]
    router.add_api_route(
        f"/{shelf.path}",
        list_records,
        responses=answer(shelf.kind, many=True),
        name=f"list_{shelf.path}",
        summary=f"List {shelf.path}",
        description=f"All {shelf.path}, newest first unless asked otherwise.",
    )
    router.add_api_route(
        f"/{shelf.path}/{{key}}",
        get_record,
        responses=answer(shelf.kind),
        name=f"get_{one}",
        summary=f"Get {one}",
        description=f"One {one} by its id.",
    )
