"""Budgets, durable: every change of what is held or spent is in the commit of the job that it is for."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from functools import partial

import msgspec

from phalanx.allocation._requirement import Counts, Gateless
from phalanx.allocation.money._accounts import held, released, settled
from phalanx.allocation.money._costs import JobCost, cost_of
from phalanx.allocation.money._drawing import Drawing, read_account
from phalanx.allocation.money._errors import OverBudget
from phalanx.allocation.money._limits import MAX_BUDGETS, MAX_CHARGES_SHOWN, MAX_LIMIT, MAX_NAME_CHARS
from phalanx.allocation.money._periods import Period, Span
from phalanx.allocation.money._prices import Prices, PriceTable
from phalanx.allocation.money._pricing import QUOTAS, Needs, estimate, together, used, without_seconds
from phalanx.allocation.money._records import BUDGETS, CHARGES, Budget, Charge, ChargeState, Hold, Place, Share
from phalanx.core import (
    NO_TRACE,
    Clock,
    Delete,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    Origin,
    Put,
    Store,
    TenantId,
    decode,
    encode,
)
from phalanx.devices import MICROS, DeviceModel, Dues, Fleet, Job, JobState
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

    async def cost(self, tenant: TenantId, job_id: str) -> JobCost | None:
        """What a job holds or was charged; nothing where nobody kept accounts of it."""
        row = await self._store.get(CHARGES, tenant, job_id)
        if row is None:
            return None
        charge = decode(row.value, Charge)
        real = {charge.device} if charge.origin == Origin.HARDWARE.value else set[str]()
        for name in (place.device for place in charge.places if place.device in self._fleet):
            if self._fleet.backend(name).device.origin is Origin.HARDWARE:
                real.add(name)
        return cost_of(charge, real)

    async def estimate(self, job: Job) -> Needs:
        """What a job will take, by the prices of now."""
        model = self._fleet.backend(job.device).device
        return estimate((await self.prices.of(model)).model, model, await self._counts(job), job.shots * job.times)

    @contextlib.asynccontextmanager
    async def due(self, job: Job, /) -> AsyncIterator[Dues]:
        """What belongs into the commit of ``job`` as it is now. Raises ``OverBudget``."""
        async with self._turns[job.tenant]:
            row = await self._store.get(CHARGES, job.tenant, job.id)
            charge = None if row is None else decode(row.value, Charge)
            version = 0 if row is None else row.version
            if charge is None:
                yield Dues() if job.state.final else await self._hold(job, None, version)
            elif charge.state is not ChargeState.HELD:
                yield Dues()
            elif job.state.final:
                yield await self._end(job, charge, version)
            else:
                same = (charge.used or (charge.device,)) == _used(job)
                yield Dues() if same else await self._hold(job, charge, version)

    async def _hold(self, job: Job, before: Charge | None, version: int) -> Dues:
        """Hold the estimate for every place that is used, instead of what was held before."""
        model, used_places = self._fleet.backend(job.device).device, _used(job)
        places = await self._places(job, before, used_places)
        known = {place.device: place for place in places}
        needs = together([known[one].needs for one in used_places])
        if before is None:
            _check_worth(job, needs, model, known[job.device].price)
        drawing = Drawing(self._store, self._clock, job.tenant)
        for hold in before.holds if before else ():
            await drawing.change(hold.account, partial(released, micros=hold.micros))
        budgets = await self.all(job.tenant)
        holds = [await self._held_of(one, needs.micros[one.unit], drawing) for one in budgets if needs.counts(one.unit)]
        monies = {one.unit for one in budgets} - set(QUOTAS)
        for currency, micros in needs.monies.items():
            if monies and currency not in monies:
                raise OverBudget(
                    job.tenant, "", currency, costs=micros / MICROS, left=0.0, limit=0.0, renews=(0, "")
                )  # fmt: skip
        made = Charge(
            id=job.id, tenant=job.tenant, trace=job.trace, at_ns=job.at_ns, device=model.name, provider=model.provider,
            origin=model.origin.value, price=known[job.device].price, estimated=dict(needs.micros), holds=tuple(holds),
            places=places, used=used_places,
        )  # fmt: skip
        return drawing.dues(made, version)

    async def _places(self, job: Job, before: Charge | None, used_places: tuple[str, ...]) -> tuple[Place, ...]:
        """All that it was sent to so far, and what is new at the prices of now."""
        known, counts = _places_of(before) if before else {}, await self._counts(job)
        for one in used_places:
            known[one] = await self._estimated(job, one, known.get(one), counts)
        return tuple(known.values())

    async def _estimated(self, job: Job, device: str, known: Place | None, counts: Counts) -> Place:
        """A place with its estimate, as it was made first. Of a device that is none of this node's any more, and whose
        estimate was not kept, it is by its list without seconds."""
        if known is not None and known.estimated:
            return known
        shots = job.shots * job.times
        if device in self._fleet:
            model = self._fleet.backend(device).device
            price = await self.prices.of(model) if known is None else known.price
            needs = estimate(price.model, model, counts, shots)
        else:
            assert known is not None, device
            price, needs = known.price, without_seconds(known.price.model, counts, shots)
        return Place(device=device, price=price, estimated=dict(needs.micros))

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
        """Settle what was charged, by the prices that it was sent under; release what is left.

        A result is charged by what it took; what a vendor had begun and gave no result for, by its estimate.
        """
        counts, known = await self._counts(job), _places_of(charge)
        lost = [one.device for one in job.losses if one.charged]
        took = [
            (one, (await self._estimated(job, one, known[one], counts)).needs) for one in lost if one in known
        ]  # fmt: skip
        if job.state is JobState.COMPLETED:
            model = self._fleet.backend(job.device).device
            price = known[job.device].price if job.device in known else charge.price
            took.insert(0, (job.device, used(price.model, model, counts, job)))
        spent = dict(together([needs for _, needs in took]).micros) if took else {}
        drawing = Drawing(self._store, self._clock, job.tenant)
        for hold in charge.holds:
            change = partial(settled, held_micros=hold.micros, spent_micros=spent.get(hold.unit, 0))
            await drawing.change(hold.account, change)
        done = [job.device] if job.state is JobState.COMPLETED else []
        ended = msgspec.structs.replace(
            charge, spent=spent, ended_at_ns=job.finished_at_ns, used=(*done, *lost),
            state=ChargeState.SETTLED if took else ChargeState.RELEASED, ended=job.state.value,
            shares=tuple(Share(device=device, spent=dict(needs.micros)) for device, needs in took),
        )  # fmt: skip
        if done and job.device in known:
            ended = msgspec.structs.replace(
                ended, device=model.name, provider=model.provider, origin=model.origin.value,
                price=known[job.device].price,
            )  # fmt: skip
        return drawing.dues(ended, version)

    async def _counts(self, job: Job) -> Counts:
        if job.circuit is None:
            return Gateless(job.work.n_qubits)
        found: Counts = await self._offload.run(features, job.circuit)
        return found


def _check_worth(job: Job, needs: Needs, model: DeviceModel, price: PriceTable) -> None:
    """Raises ``InvalidInput`` where it would cost more than whoever submits it says that it may, or nobody knows."""
    most = job.wishes.budget
    if most and model.is_unlisted and price == PriceTable.of(model.name, model.price):
        raise InvalidInput(
            "budget", f"nobody says what {model.name} costs, and it may cost at most {most:g}",
            hint=f"say what is charged there: phalanx budgets price {model.name} --help",
        )  # fmt: skip
    for currency, micros in needs.monies.items():
        if most and micros > most * MICROS:
            told = f"{micros / MICROS:,.4f} {currency} on {job.device}"
            raise InvalidInput(
                "budget", f"it would cost {told}, and may cost {most:g}", hint="fewer shots, or allow more"
            )


def _used(job: Job) -> tuple[str, ...]:
    """Where money may be due: where it is, where it is as well, and what was begun for nothing."""
    second = (job.second,) if job.second else ()
    return (job.device, *second, *(one.device for one in job.losses if one.charged))


def _places_of(charge: Charge) -> dict[str, Place]:
    places = charge.places or (Place(device=charge.device, price=charge.price),)
    return {one.device: one for one in places}


def _account_key(budget: Budget, span: Span) -> str:
    return f"{budget.id}/{budget.unit}/{span.name}"
