"""Reports from what jobs left behind. Pure: rows in, rows out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from phalanx.allocation.money import SECONDS_UNIT, SHOTS_UNIT, Charge, ChargeState, PriceTable
from phalanx.allocation.reports._rows import ChargebackRow, RevenueRow, SlaRow
from phalanx.allocation.reports._uptime import Span
from phalanx.core import NS_PER_S
from phalanx.devices import MICROS, Job, JobState

_MONTH_S = 365.25 / 12 * 86_400


@dataclass(frozen=True, slots=True)
class Promise:
    """What a tenant is promised."""

    availability: float = 0.999


@dataclass(slots=True)
class _Used:
    jobs: int = 0
    completed: int = 0
    failed: int = 0
    shots: int = 0
    seconds: int = 0
    cost: int = 0
    held: int = 0

    def add(self, charge: Charge) -> None:
        currency = charge.price.currency
        self.jobs += 1
        if charge.state is ChargeState.SETTLED:
            self.completed += 1
            self.shots += charge.spent.get(SHOTS_UNIT, 0)
            self.seconds += charge.spent.get(SECONDS_UNIT, 0)
            self.cost += charge.spent.get(currency, 0)
        elif charge.state is ChargeState.HELD:
            self.held += charge.estimated.get(currency, 0)
        else:
            self.failed += 1


def chargeback(charges: Iterable[Charge]) -> list[ChargebackRow]:
    """By tenant, device and currency. Sums are of whole millionths, so that they are exact."""
    found: dict[tuple[str, str, str], _Used] = {}
    for one in charges:
        found.setdefault((one.tenant, one.device, one.price.currency), _Used()).add(one)
    return [
        ChargebackRow(
            tenant=tenant, device=device, currency=currency, jobs=used.jobs, completed=used.completed,
            failed=used.failed, shots=used.shots / MICROS, seconds=used.seconds / MICROS, cost=used.cost / MICROS,
            held=used.held / MICROS,
        )
        for (tenant, device, currency), used in sorted(found.items())
    ]  # fmt: skip


def revenue(charges: Iterable[Charge], prices: Mapping[str, PriceTable], from_ns: int, to_ns: int) -> list[RevenueRow]:
    """By device and currency. ``prices`` of now tell the flat part, and show devices that earned nothing."""
    span_s = max(1e-9, (to_ns - from_ns) / NS_PER_S)
    found: dict[tuple[str, str], tuple[_Used, Charge | None]] = {
        (name, price.currency): (_Used(), None) for name, price in prices.items() if price.per_month
    }
    for one in charges:
        used, _ = found.setdefault((one.device, one.price.currency), (_Used(), None))
        used.add(one)
        found[one.device, one.price.currency] = used, one
    rows = []
    for (device, currency), (used, newest) in sorted(found.items()):
        price = newest.price if newest is not None else prices[device]
        now = prices.get(device)
        flat = now.per_month * span_s / _MONTH_S if now is not None and now.currency == currency else 0.0
        seconds, money = used.seconds / MICROS, used.cost / MICROS
        rows.append(
            RevenueRow(
                device=device, provider=device.partition(".")[0], origin=newest.origin if newest else "",
                currency=currency, jobs=used.jobs, seconds=seconds, busy=seconds / span_s, revenue=money, flat=flat,
                per_hour=money / (seconds / 3_600.0) if seconds > 0 else None, price_source=price.source,
                price_as_of_ns=price.as_of_ns,
            )
        )  # fmt: skip
    return rows


def sla(
    jobs: Mapping[str, Sequence[Job]], node_up: Sequence[Span], devices_up: Sequence[Span] | None, from_ns: int,
    to_ns: int, promise: Promise,
) -> list[SlaRow]:  # fmt: skip
    """By tenant. ``devices_up`` is when some device took work; ``None``: nobody looked, and they count as up."""
    up = availability(node_up, from_ns, to_ns)
    some = None if devices_up is None else availability(devices_up, from_ns, to_ns)
    both = up if some is None else None if up is None else _both(node_up, devices_up or (), from_ns, to_ns)
    return [_tenant(tenant, seen, up, some, both, promise) for tenant, seen in sorted(jobs.items())]


def _tenant(
    tenant: str, jobs: Sequence[Job], up: float | None, some: float | None, both: float | None, promise: Promise
) -> SlaRow:
    ended = {state: sum(one.state is state for one in jobs) for state in JobState}
    judged = ended[JobState.COMPLETED] + ended[JobState.FAILED]
    due = [one for one in jobs if one.wishes.deadline_at_ns]
    met = [one for one in due if one.state is JobState.COMPLETED and one.finished_at_ns <= one.wishes.deadline_at_ns]
    over = [one for one in due if one.state.final]
    waits = [(one.started_at_ns - one.at_ns) / NS_PER_S for one in jobs if one.started_at_ns]
    runs = [(one.finished_at_ns - one.started_at_ns) / NS_PER_S for one in jobs if one.state is JobState.COMPLETED]
    return SlaRow(
        tenant=tenant, jobs=len(jobs), completed=ended[JobState.COMPLETED], failed=ended[JobState.FAILED],
        cancelled=ended[JobState.CANCELLED], under_way=ended[JobState.QUEUED] + ended[JobState.RUNNING],
        succeeded=ended[JobState.COMPLETED] / judged if judged else None, with_deadline=len(due),
        in_time=len(met) / len(over) if over else None, wait_s_p50=quantile(waits, 0.5),
        wait_s_p99=quantile(waits, 0.99), run_s_p50=quantile(runs, 0.5), node_up=up, devices_up=some, availability=both,
        promised=promise.availability, kept=None if both is None else both >= promise.availability,
    )  # fmt: skip


def availability(spans: Sequence[Span], from_ns: int, to_ns: int) -> float | None:
    """The share of the time that ``spans`` cover, from the first one on; ``None`` where there is none."""
    inside = [one for one in spans if one.end_ns >= from_ns and one.start_ns < to_ns]
    if not inside:
        return None
    begins = max(from_ns, min(one.start_ns for one in spans))
    if to_ns <= begins:
        return None
    return _covered(inside, begins, to_ns) / (to_ns - begins)


def _both(one: Sequence[Span], other: Sequence[Span], from_ns: int, to_ns: int) -> float | None:
    """The share in which both were."""
    met = [
        Span(max(a.start_ns, b.start_ns), min(a.end_ns, b.end_ns))
        for a in one
        for b in other
        if a.start_ns < b.end_ns and b.start_ns < a.end_ns
    ]
    begins = max(from_ns, min((each.start_ns for each in one), default=from_ns))
    return _covered(met, begins, to_ns) / (to_ns - begins) if to_ns > begins else None


def _covered(spans: Sequence[Span], from_ns: int, to_ns: int) -> int:
    """Of overlapping stretches each moment counts once."""
    covered, reached = 0, from_ns
    for one in sorted(spans, key=lambda each: each.start_ns):
        start_ns, end_ns = max(one.start_ns, reached), min(one.end_ns, to_ns)
        if end_ns > start_ns:
            covered += end_ns - start_ns
            reached = end_ns
    return covered


def quantile(values: Sequence[float], part: float) -> float | None:
    """The smallest value that ``part`` of all are not above; ``None`` of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(part * 1_000_000) * len(ordered) // 1_000_000) - 1))]
