"""Reads what a report is made of, for one tenant or for all."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from phalanx.allocation.money import CHARGES, Charge, Prices
from phalanx.allocation.reports._limits import MAX_LINES, MAX_REPORTED_JOBS
from phalanx.allocation.reports._rows import ChargebackRow, ChargeRow, RevenueRow, SlaRow
from phalanx.allocation.reports._tallies import Promise, chargeback, lines, revenue, sla
from phalanx.allocation.reports._uptime import Span, Uptime
from phalanx.core import NS_PER_MS, Clock, InvalidInput, LimitExceeded, Record, Store, Table, TenantId, decode
from phalanx.devices import JOBS, Fleet, History, Job, SeenState, Status

R = TypeVar("R", bound=Record)
_WORKS = {status.value for status in Status if status.takes_work}


class Reports:
    """Reports over the jobs of a store, as its ``node`` sees it. ``tenant`` ``None``: of all."""

    def __init__(self, store: Store, clock: Clock, fleet: Fleet, history: History, node: str) -> None:
        self._store, self._clock, self._fleet, self._history = store, clock, fleet, history
        self.uptime = Uptime(store, clock, node)

    async def chargeback(self, from_ns: int, to_ns: int, *, tenant: TenantId | None = None) -> list[ChargebackRow]:
        _checked(from_ns, to_ns)
        return chargeback([one async for one in self._read(CHARGES, Charge, from_ns, to_ns, tenant)])

    async def charges(
        self, from_ns: int, to_ns: int, *, tenant: TenantId | None = None, after: str = "", limit: int = MAX_LINES
    ) -> tuple[list[ChargeRow], str]:
        """Line by line, by tenant and submission, and where the next page begins; empty after the last."""
        _checked(from_ns, to_ns)
        whose, _, last = after.rpartition("/")
        found: list[ChargeRow] = []
        seen = 0
        async for one in self._read(CHARGES, Charge, from_ns, to_ns, tenant, after=(whose, last)):
            if seen == limit:
                return found, last
            found += lines(one)
            seen, last = seen + 1, f"{one.tenant}/{one.id}"
        return found, ""

    async def revenue(self, from_ns: int, to_ns: int) -> list[RevenueRow]:
        _checked(from_ns, to_ns)
        prices = Prices(self._store)
        tables = {device.name: await prices.of(device) for device in self._fleet.devices()}
        charges = [one async for one in self._read(CHARGES, Charge, from_ns, to_ns, None)]
        return revenue(charges, tables, from_ns, to_ns)

    async def sla(
        self, from_ns: int, to_ns: int, *, tenant: TenantId | None = None, promise: Promise | None = None
    ) -> list[SlaRow]:
        """A time that is not over yet is reported up to now."""
        _checked(from_ns, to_ns)
        until_ns = min(to_ns, self._clock.wall_ns())
        jobs: dict[str, list[Job]] = {} if tenant is None else {tenant: []}
        async for one in self._read(JOBS, Job, from_ns, to_ns, tenant):
            jobs.setdefault(one.tenant, []).append(one)
        spans = await self.uptime.spans()
        return sla(jobs, spans, await self._devices_up(until_ns), from_ns, until_ns, promise or Promise())

    async def _devices_up(self, until_ns: int) -> Sequence[Span] | None:
        """When some device took work. Devices that nobody looks at (simulators, emulations) are always there."""
        spans: list[Span] = []
        looked_at = False
        for device in self._fleet.devices():
            states = await self._history.states(device.name)
            if not states and device.status.takes_work:
                return None
            looked_at = True
            spans += _working(states, until_ns)
        return spans if looked_at else ()

    async def _read(
        self, table: Table, kind: type[R], from_ns: int, to_ns: int, tenant: TenantId | None,
        *, after: tuple[str, str] = ("", ""),
    ) -> AsyncIterator[R]:  # fmt: skip
        """Ids are in order of time, so that only what is asked for is read. ``after``: a tenant, and the last of its
        rows that was read before."""
        count, (begin, read) = 0, after
        for whose in [tenant] if tenant is not None else sorted(await self._store.tenants(table)):
            if whose < begin:
                continue
            last = max(_before(from_ns), read if whose == begin else "")
            while rows := await self._store.scan(table, whose, after=last):
                last = rows[-1].key
                for row in rows:
                    one = decode(row.value, kind)
                    if one.at_ns >= to_ns:
                        rows = []
                        break
                    if one.at_ns >= from_ns:
                        count += 1
                        if count > MAX_REPORTED_JOBS:
                            raise LimitExceeded(
                                "jobs of one report",
                                maximum=MAX_REPORTED_JOBS,
                                seen=count,
                                hint="ask for a shorter time",
                            )
                        yield one
                if not rows:
                    break


def _working(states: Sequence[SeenState], until_ns: int) -> list[Span]:
    """Each state holds until the next one was seen."""
    ends = [*(one.at_ns for one in states[1:]), until_ns]
    return [Span(one.at_ns, end) for one, end in zip(states, ends, strict=True) if one.status in _WORKS]


def _before(at_ns: int) -> str:
    """A key that every identifier of that time, or later, is past; one second earlier, for clocks that stepped back."""
    ms = f"{max(0, at_ns // NS_PER_MS - 1_000) & 0xFFFFFFFFFFFF:012x}"
    return f"{ms[:8]}-{ms[8:]}"


def _checked(from_ns: int, to_ns: int) -> None:
    if from_ns >= to_ns:
        raise InvalidInput("to", "a report ends after it begins")
