"""Budgets, what was drawn from them, and price tables, over HTTP."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.allocation.money import BudgetView, Charge, Period, PriceTable
from phalanx.api._auth import Gate, keeper, tenant_in_sight, tenants_in_sight
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput, TenantId
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class BudgetRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Grant ``tenant`` (empty: the caller's) this much of ``unit`` in each period: a currency, jobs, shots or
    seconds.
    """

    name: str
    unit: str
    limit: float
    period: Period = Period.MONTH
    tenant: str = ""


class BudgetDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A budget, and what jobs held or spent of it in this period, newest first."""

    budget: BudgetView
    charges: tuple[Charge, ...]


KINDS: tuple[type, ...] = (BudgetRequest, BudgetView, BudgetDetail, Charge, PriceTable)

D = TypeVar("D", BudgetRequest, PriceTable)
_Whose = Annotated[str, Query(description="Another tenant's; for an admin of the default tenant.")]
_Everybody = Annotated[bool, Query(description="Those of all tenants; for an admin of the default tenant.")]


def budget_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/budgets``."""
    router = APIRouter(prefix="/v1/budgets", tags=["allocation"], default_response_class=Response)
    viewer, owner = Depends(gate.needs(Role.VIEWER)), Depends(keeper(gate))
    budgets = node.budgets

    @router.get("", responses=answer(BudgetView, many=True))
    async def list_budgets(
        principal: Annotated[Principal, viewer],
        tenant: _Whose = "",
        everybody: _Everybody = False,  # noqa: FBT002
    ) -> Response:
        """Budgets of the caller's tenant as they stand now: granted, spent, held, left, and when they renew."""
        seen = await tenants_in_sight(principal, tenant, budgets.tenants, everybody=everybody)
        found = [one for each in seen for one in await budgets.all(each)]
        return reply({"items": [await budgets.view(one) for one in found], "next": ""})

    @router.get("/prices", responses=answer(PriceTable, many=True))
    async def list_prices(_: Annotated[Principal, viewer]) -> Response:
        """What each device costs here, according to whom and as of when; this node's tables take precedence over
        the provider's.
        """
        found = [await budgets.prices.of(device) for device in node.fleet.devices()]
        return reply({"items": found, "next": ""})

    @router.post("/prices", responses=answer(PriceTable), openapi_extra=asked(PriceTable))
    async def put_prices(request: Request, _: Annotated[Principal, owner]) -> Response:
        """Charge a device, or all of a provider (`ibm.*`), by this table from now on."""
        table = await _read(request, PriceTable)
        await budgets.prices.put(table)
        return reply(table)

    @router.post("/prices/{device}/remove", responses=answer(PriceTable))
    async def remove_prices(device: str, _: Annotated[Principal, owner]) -> Response:
        """Remove this node's table: the provider's own prices apply again."""
        table = await budgets.prices.remove(device)
        return reply(table)

    @router.get("/{name}", responses=answer(BudgetDetail))
    async def get_budget(name: str, principal: Annotated[Principal, viewer], tenant: _Whose = "") -> Response:
        """One budget, with the newest charges of this period."""
        found = await budgets.get(tenant_in_sight(principal, tenant), name)
        charges = await budgets.charges(found)
        return reply(BudgetDetail(budget=await budgets.view(found), charges=tuple(charges)))

    @router.post("", responses=answer(BudgetView), openapi_extra=asked(BudgetRequest))
    async def put_budget(request: Request, principal: Annotated[Principal, owner]) -> Response:
        """Grant a tenant an amount, or change what is granted; what is spent stays spent."""
        wanted = await _read(request, BudgetRequest)
        tenant = TenantId(wanted.tenant or principal.tenant)
        made = await budgets.put(tenant, wanted.name, unit=wanted.unit, limit=wanted.limit, period=wanted.period)
        return reply(await budgets.view(made))

    @router.post("/{name}/remove", responses=answer(BudgetView))
    async def remove_budget(name: str, principal: Annotated[Principal, owner], tenant: _Whose = "") -> Response:
        """Remove a budget: nothing is held from it any more; what jobs hold now ends with them."""
        whose = tenant_in_sight(principal, tenant)
        view = await budgets.view(await budgets.get(whose, name))
        await budgets.remove(whose, name)
        return reply(view)

    async def _read(request: Request, kind: type[D]) -> D:
        try:
            return msgspec.json.decode(await read_body(request, node.offload), type=kind)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error

    return router
