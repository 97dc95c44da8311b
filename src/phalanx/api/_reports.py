"""Reports over HTTP: chargeback, device revenue, and service levels."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from phalanx.allocation.forecasts import ForecastRow
from phalanx.allocation.reports import ChargebackRow, ChargeRow, Promise, RevenueRow, SlaRow
from phalanx.api._auth import Gate, keeper, tenant_in_sight
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import DEFAULT_TENANT, InvalidInput, TenantId, ns_from_iso
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

KINDS: tuple[type, ...] = (ChargebackRow, ChargeRow, RevenueRow, SlaRow, ForecastRow)

_From = Annotated[str, Query(alias="from", description="Jobs submitted from then on: a date or a time in UTC.")]
_To = Annotated[str, Query(alias="to", description="Jobs submitted before then.")]
_Whose = Annotated[str, Query(description="Only this tenant; empty: all, for an admin of the default tenant.")]


def report_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/reports``."""
    router = APIRouter(prefix="/v1/reports", tags=["allocation"], default_response_class=Response)
    viewer, owner = Depends(gate.needs(Role.VIEWER)), Depends(keeper(gate))

    @router.get("/chargeback", responses=answer(ChargebackRow, many=True))
    async def chargeback(
        principal: Annotated[Principal, viewer], since: _From, until: _To, tenant: _Whose = ""
    ) -> Response:
        """What each tenant's jobs used on each device, and what that cost."""
        rows = await node.reports.chargeback(_ns("from", since), _ns("to", until), tenant=_seen(principal, tenant))
        return reply({"items": rows, "next": ""})

    @router.get("/charges", responses=answer(ChargeRow, many=True))
    async def charges(
        principal: Annotated[Principal, viewer], since: _From, until: _To, tenant: _Whose = "",
        after: Annotated[str, Query(description="`next` of the page before.")] = "",
        limit: Annotated[int, Query(ge=1, le=1_000, description="Jobs on a page.")] = 1_000,
    ) -> Response:  # fmt: skip
        """Job by job, what each was charged or holds: the lines that chargeback is the sum of."""
        rows, following = await node.reports.charges(
            _ns("from", since), _ns("to", until), tenant=_seen(principal, tenant), after=after, limit=limit
        )
        return reply({"items": rows, "next": following})

    @router.get("/revenue", responses=answer(RevenueRow, many=True))
    async def revenue(_: Annotated[Principal, owner], since: _From, until: _To) -> Response:
        """What each device earned, and how much of the time it was charged for."""
        rows = await node.reports.revenue(_ns("from", since), _ns("to", until))
        return reply({"items": rows, "next": ""})

    @router.get("/sla", responses=answer(SlaRow, many=True))
    async def sla(
        principal: Annotated[Principal, viewer], since: _From, until: _To, tenant: _Whose = "",
        promised: Annotated[float, Query(ge=0, le=1, description="Availability that was promised.")] = 0.999,
    ) -> Response:  # fmt: skip
        """Availability, success, deadlines and waiting of each tenant, compared with what was promised."""
        rows = await node.reports.sla(
            _ns("from", since), _ns("to", until), tenant=_seen(principal, tenant), promise=Promise(promised)
        )
        return reply({"items": rows, "next": ""})

    @router.get("/forecasts", responses=answer(ForecastRow, many=True))
    async def forecasts(principal: Annotated[Principal, viewer], tenant: _Whose = "") -> Response:
        """Arrivals of jobs by device, and queues of devices, five minutes to six hours ahead."""
        return reply({"items": await node.forecasts.of(_seen(principal, tenant)), "next": ""})

    return router


def _seen(principal: Principal, tenant: str) -> TenantId | None:
    """``None``: all tenants."""
    if not tenant and principal.tenant == DEFAULT_TENANT and principal.role.allows(Role.ADMIN):
        return None
    return tenant_in_sight(principal, tenant)


def _ns(name: str, text: str) -> int:
    try:
        return ns_from_iso(text)
    except ValueError as error:
        raise InvalidInput(name, f"{text!r} is neither a date nor a time") from error
