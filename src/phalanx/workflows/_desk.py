"""What an engine is given so that circuits of its steps become jobs, in windows of a calendar, paid for by budgets."""

from dataclasses import dataclass
from typing import Protocol

from phalanx.allocation import Ask, Booking
from phalanx.allocation.forecasts import QueueWait
from phalanx.allocation.money import QUOTAS, Budgets
from phalanx.allocation.routing import Aims, Kind, Routed, Router, Way, judge
from phalanx.core import NS_PER_S, Circuit, Clock, IdSource, NotFound, Offload, TenantId, Unavailable
from phalanx.devices import MICROS, DeviceModel, Jobs
from phalanx.workflows._limits import FREE_FOR_S, MAX_FREE_KNOWN
from phalanx.workflows._placing import Placing

FALLBACK = "the classical fallback"


class Calendar(Protocol):
    """Where windows are booked: this node's calendar, or that of its manager."""

    async def book(self, tenant: str, ask: Ask, *, id: str = "") -> list[Booking]: ...  # noqa: A002

    async def cancel(self, tenant: str, id: str) -> Booking: ...  # noqa: A002

    async def bookings(self, tenant: str) -> list[Booking]: ...


class Ways(Protocol):
    """Who says which way of answering loses least."""

    @property
    def router(self) -> Router: ...

    async def route(self, tenant: TenantId, circuit: Circuit, shots: int, aims: Aims) -> Routed: ...


class Waits(Protocol):
    """Who says how long a circuit that is sent now will wait at a machine's vendor."""

    async def of(self, model: DeviceModel, /) -> QueueWait: ...


class RoutedClassically(Unavailable):
    """The step's fallback is expected to lose less than any device; ``reason`` says why."""

    code = "routed-classically"

    def __init__(self, reason: str) -> None:
        super().__init__("a quantum answer", reason)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a job took of money."""

    amount: float
    currency: str


class Desk:
    """Jobs, budgets, calendar and router of a node, as far as steps need them.

    ``lives_since_ns`` is when the node was restored from a backup, 0 when it never was: what runs that began before
    may have sent to a vendor, nobody here knows.
    """

    def __init__(
        self, jobs: Jobs, budgets: Budgets, calendar: Calendar, ways: Ways, waits: Waits, *, clock: Clock,
        ids: IdSource, offload: Offload, lives_since_ns: int = 0,
    ) -> None:  # fmt: skip
        self.lives_since_ns = lives_since_ns
        self.jobs, self.calendar, self.waits, self.ids, self.offload = jobs, calendar, waits, ids, offload
        self._budgets, self._ways, self._clock = budgets, ways, clock
        self._free: dict[tuple[TenantId, str], tuple[int, bool]] = {}

    async def is_free(self, device: DeviceModel, tenant: TenantId) -> bool:
        """Whether a run there costs nothing that a budget of the tenant counts. What was read is believed shortly."""
        now_ns = self._clock.monotonic_ns()
        until_ns, free = self._free.get((tenant, device.name), (-1, False))
        if now_ns >= until_ns:
            price = (await self._budgets.prices.of(device)).model
            counted = any(one.unit in QUOTAS for one in await self._budgets.all(tenant))
            free = not counted and not any(price.coefficients)
            if len(self._free) >= MAX_FREE_KNOWN:
                self._free.clear()
            self._free[tenant, device.name] = now_ns + int(FREE_FOR_S * NS_PER_S), free
        return free

    async def spent(self, tenant: TenantId, job: str) -> Spent:
        """What a job cost in the end."""
        try:
            charge = await self._budgets.charge(tenant, job)
        except NotFound:
            return Spent(0.0, "")
        currency = charge.price.model.currency
        return Spent(charge.spent.get(currency, 0) / MICROS, currency)

    async def routed(
        self, tenant: TenantId, name: str, circuit: Circuit, shots: int, asked: Placing, *, within_s: float,
        budget: float,
    ) -> Routed:  # fmt: skip
        """Where a circuit of the step ``name`` goes, its fallback being one of the ways.

        Raises ``RoutedClassically``, and ``Unavailable`` where no way is left.
        """
        aims = asked.aims(within_s=within_s, budget=budget)
        found = await self._ways.route(tenant, circuit, shots, aims)
        seconds, late = self._ways.router.learned.seconds(name, asked.classical_s, aims.deadline_s)
        why_not = f"has a fidelity of {asked.classical_fidelity:g}, below {asked.fidelity:g}"
        fallback = Way(
            name=FALLBACK, kind=Kind.CLASSICAL, seconds=seconds, money=0.0, fidelity=asked.classical_fidelity,
            late=late, expected_s=asked.classical_s,
            why_not=why_not if asked.classical_fidelity < asked.fidelity else "",
        )  # fmt: skip
        judged = judge(aims, [*(one.way for one in found.ways), fallback])
        if judged.name == FALLBACK:
            raise RoutedClassically(judged.reason)
        if not judged.name:
            raise Unavailable("a way to answer it", judged.reason)
        return judged

    def took(self, name: str, asked: Placing, took_s: float) -> None:
        """How long the fallback of the step ``name`` took: what is expected of it next time."""
        self._ways.router.learned.took(name, asked.classical_s, took_s)
