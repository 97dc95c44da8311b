"""Budgets, durable: every change of what is held or spent is in the commit of the job that it is for."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.allocation._requirement import Counts
from phalanx.allocation.money._accounts import held, released, settled
from phalanx.allocation.money._drawing import Drawing, read_account
from phalanx.allocation.money._errors import OverBudget
from phalanx.allocation.money._limits import MAX_BUDGETS, MAX_CHARGES_SHOWN, MAX_LIMIT, MAX_NAME_CHARS
from phalanx.allocation.money._periods import Period, Span
from phalanx.allocation.money._prices import Prices
from phalanx.allocation.money._pricing import QUOTAS, Needs, estimate, used
from phalanx.allocation.money._records import BUDGETS, CHARGES, Budget, Charge, ChargeState, Hold
from phalanx.core import (
    NO_TRACE,
    Clock,
    Delete,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    Put,
    Store,
    TenantId,
    decode,
    encode,
)
from phalanx.devices import MICROS, Dues, Fleet, Job, JobState
from phalanx.quantum import features


class BudgetView(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as it stands in the period of now. ``renews_at_ns`` 0: never."""

    name: str
    tenant: str
    unit: str
    period: Period
    span: str
    limit: float
    spent: float
    held: float
    left: float
    overrun: float
    renews_at_ns: int


class Budgets:
    """The budgets of all tenants of a store; a ``devices.Purse``."""

    def __init__(self, store: Store, clock: Clock, fleet: Fleet, offload: Offload) -> None:
        self._store, self._clock, self._fleet, self._offload = store, clock, fleet, offload
        self.prices = Prices(store)
        self._turns: defaultdict[TenantId, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def put(self, tenant: TenantId, name: str, *, unit: str, limit: float, period: Period) -> Budget:
        """Grant ``limit`` of ``unit`` in each period, or change what is granted; what is spent stays spent.

        Another unit or another period begins a new account.
        """
        if not name or len(name) > MAX_NAME_CHARS or "/" in name or not name.isprintable():
            raise InvalidInput("name", f"{name!r} is no name of a budget: up to {MAX_NAME_CHARS} characters, no slash")
        if not unit or len(unit) > MAX_NAME_CHARS or not unit.isprintable():
            raise InvalidInput("unit", f"{unit!r} is neither a currency nor one of {', '.join(QUOTAS)}")
        if not 0.0 <= limit <= MAX_LIMIT:
            raise InvalidInput("limit", f"{limit} is not between 0 and {MAX_LIMIT:g}")
        known = {one.id for one in await self.all(tenant)}
        if name not in known and len(known) >= MAX_BUDGETS:
            raise LimitExceeded("budgets of one tenant", maximum=MAX_BUDGETS, seen=len(known) + 1)
        made = Budget(
            id=name, tenant=tenant, trace=NO_TRACE, at_ns=self._clock.wall_ns(), unit=unit,
            limit_micros=round(limit * MICROS), period=period,
        )  # fmt: skip
        await self._store.commit([Put(BUDGETS, tenant, name, encode(made))])
        return made

    async def remove(self, tenant: TenantId, name: str) -> None:
        """Nothing is held from it any more; what jobs hold now ends with them. Raises ``NotFound``."""
        await self.get(tenant, name)
        await self._store.commit([Delete(BUDGETS, tenant, name)])

    async def get(self, tenant: TenantId, name: str) -> Budget:
        """Raises ``NotFound``."""
        row = await self._store.get(BUDGETS, tenant, name)
        if row is None:
            raise NotFound("budget", name)
        return decode(row.value, Budget)

    async def all(self, tenant: TenantId) -> list[Budget]:
        """By name."""
        return [decode(row.value, Budget) for row in await self._store.scan(BUDGETS, tenant)]

    async def tenants(self) -> list[TenantId]:
        """Those that have a budget."""
        return await self._store.tenants(BUDGETS)

    async def view(self, budget: Budget) -> BudgetView:
        span = budget.period.span(self._clock.wall_ns())
        account, _ = await read_account(self._store, self._clock, budget.tenant, _account_key(budget, span))
        return BudgetView(
            name=budget.id, tenant=budget.tenant, unit=budget.unit, period=budget.period, span=span.name,
            limit=budget.limit_micros / MICROS, spent=account.spent / MICROS, held=account.held / MICROS,
            left=account.left(budget.limit_micros) / MICROS, overrun=account.overrun / MICROS, renews_at_ns=span.end_ns,
        )  # fmt: skip

    async def charges(self, budget: Budget, *, limit: int = MAX_CHARGES_SHOWN) -> list[Charge]:
        """What jobs held or spent of it in the period of now, newest first."""
        key = _account_key(budget, budget.period.span(self._clock.wall_ns()))
        rows = await self._store.find(CHARGES, budget.tenant, "account", key, limit=limit, reverse=True)
        return [decode(row.value, Charge) for row in rows]

    async def charge(self, tenant: TenantId, job_id: str) -> Charge:
        """Raises ``NotFound``."""
        row = await self._store.get(CHARGES, tenant, job_id)
        if row is None:
            raise NotFound("charge of job", job_id)
        return decode(row.value, Charge)

    async def estimate(self, job: Job) -> Needs:
        """What a job will take, by the prices of now."""
        model = self._fleet.backend(job.device).device
        return estimate((await self.prices.of(model)).model, model, await self._counts(job), job.shots)

    @contextlib.asynccontextmanager
    async def due(self, job: Job, /) -> AsyncIterator[Dues]:
        """What belongs into the commit of ``job`` as it is now. Raises ``OverBudget``."""
        async with self._turns[job.tenant]:
            row = await self._store.get(CHARGES, job.tenant, job.id)
            charge = None if row is None else decode(row.value, Charge)
            version = 0 if row is None else row.version
            if charge is None:
                yield Dues() if job.state.final else await self._hold(job, None, version)
            elif charge.state is not ChargeState.HELD or (not job.state.final and charge.device == job.device):
                yield Dues()
            elif job.state.final:
                yield await self._end(job, charge, version)
            else:
                yield await self._hold(job, charge, version)

    async def _hold(self, job: Job, before: Charge | None, version: int) -> Dues:
        """Hold the estimate; where the job moved to another device, instead of what it held before."""
        model = self._fleet.backend(job.device).device
        price = await self.prices.of(model)
        needs = estimate(price.model, model, await self._counts(job), job.shots)
        drawing = Drawing(self._store, self._clock, job.tenant)
        for hold in before.holds if before else ():
            await drawing.change(hold.account, partial(released, micros=hold.micros))
        budgets = await self.all(job.tenant)
        holds = [await self._held_of(one, needs.micros[one.unit], drawing) for one in budgets if needs.counts(one.unit)]
        monies = {one.unit for one in budgets} - set(QUOTAS)
        if needs.money_micros and monies and needs.currency not in monies:
            raise OverBudget(
                job.tenant, "", needs.currency, costs=needs.money_micros / MICROS, left=0.0, limit=0.0, renews=(0, "")
            )
        made = Charge(
            id=job.id, tenant=job.tenant, trace=job.trace, at_ns=job.at_ns, device=model.name, provider=model.provider,
            origin=model.origin.value, price=price, estimated=dict(needs.micros), holds=tuple(holds),
        )  # fmt: skip
        return drawing.dues(made, version)

    async def _held_of(self, budget: Budget, micros: int, drawing: Drawing) -> Hold:
        span = budget.period.span(self._clock.wall_ns())
        key = _account_key(budget, span)
        account = await drawing.account(key)
        after = held(account, micros, budget.limit_micros)
        if after is None:
            raise OverBudget(
                budget.tenant, budget.id, budget.unit, costs=micros / MICROS,
                left=account.left(budget.limit_micros) / MICROS, limit=budget.limit_micros / MICROS,
                renews=(span.end_ns, span.told()),
            )  # fmt: skip
        await drawing.change(key, lambda _: after)
        return Hold(key, budget.unit, micros)

    async def _end(self, job: Job, charge: Charge, version: int) -> Dues:
        """Settle by the prices that the job was submitted under, or release."""
        spent: dict[str, int] = {}
        state = ChargeState.RELEASED
        if job.state is JobState.COMPLETED:
            model, state = self._fleet.backend(job.device).device, ChargeState.SETTLED
            spent = dict(used(charge.price.model, model, await self._counts(job), job).micros)
        drawing = Drawing(self._store, self._clock, job.tenant)
        for hold in charge.holds:
            took = partial(settled, held_micros=hold.micros, spent_micros=spent.get(hold.unit, 0))
            await drawing.change(hold.account, took)
        ended = msgspec.structs.replace(charge, spent=spent, ended_at_ns=job.finished_at_ns, state=state)
        return drawing.dues(ended, version)

    async def _counts(self, job: Job) -> Counts:
        if job.circuit is None:
            return _Gateless(job.work.n_qubits)
        found: Counts = await self._offload.run(features, job.circuit)
        return found


@dataclass(frozen=True, slots=True)
class _Gateless:
    """A program has no gates: what is charged for it are shots, tasks and seconds."""

    n_qubits: int
    n_one: int = 0
    n_two: int = 0
    n_measured: int = 0
    depth: int = 0
    two_qubit_depth: int = 0
    pairs: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 2), np.int32))
    has_mid_circuit: bool = False
    has_feed_forward: bool = False


def _account_key(budget: Budget, span: Span) -> str:
    return f"{budget.id}/{budget.unit}/{span.name}"
