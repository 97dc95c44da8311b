"""Reports from what jobs left behind. Pure: rows in, rows out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from phalanx.allocation.money import QUOTAS, SECONDS_UNIT, SHOTS_UNIT, Charge, ChargeState, PriceTable
from phalanx.allocation.reports._rows import ChargebackRow, ChargeRow, RevenueRow, SlaRow
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
    """Sums of whole millionths, so that they are exact."""

    jobs: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    shots: int = 0
    seconds: int = 0
    cost: int = 0
    held: int = 0

    def count(self, charge: Charge) -> None:
        self.jobs += 1
        if charge.state is ChargeState.HELD:
            return
        # Before charges said how their job ended: what was charged had completed.
        ended = charge.ended or (JobState.COMPLETED if charge.state is ChargeState.SETTLED else JobState.FAILED)
        self.completed += ended == JobState.COMPLETED
        self.failed += ended == JobState.FAILED
        self.cancelled += ended == JobState.CANCELLED

    def add(self, other: "_Used") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def tallied(charges: Iterable[Charge]) -> dict[tuple[str, str, str], _Used]:
    """By tenant, device and currency. A job counts once, where it is; its money counts where it is due, in what it is.

    So the costs of all rows add up to those of all jobs, in each currency, also where a job was charged on several
    devices.
    """
    found: defaultdict[tuple[str, str, str], _Used] = defaultdict(_Used)
    for charge in charges:
        found[charge.tenant, charge.device, charge.price.currency].count(charge)
        for share in charge.divided:
            used = found[charge.tenant, share.device, charge.listed(share.device).currency]
            used.shots += share.spent.get(SHOTS_UNIT, 0)
            used.seconds += share.spent.get(SECONDS_UNIT, 0)
            for currency, micros in _monies(share.spent):
                found[charge.tenant, share.device, currency].cost += micros
        if charge.state is ChargeState.HELD:
            for currency, micros in _monies(charge.estimated):
                found[charge.tenant, charge.device, currency].held += micros
    return found


def _monies(amounts: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(unit, micros) for unit, micros in amounts.items() if unit not in QUOTAS and micros]


def chargeback(charges: Iterable[Charge]) -> list[ChargebackRow]:
    """By tenant, device and currency."""
    return [
        ChargebackRow(
            tenant=tenant, device=device, currency=currency, jobs=used.jobs, completed=used.completed,
            failed=used.failed, cancelled=used.cancelled, shots=used.shots / MICROS, seconds=used.seconds / MICROS,
            cost=used.cost / MICROS, held=used.held / MICROS,
        )
        for (tenant, device, currency), used in sorted(tallied(charges).items())
    ]  # fmt: skip


def lines(charge: Charge) -> list[ChargeRow]:
    """A line for each device and currency that a job was charged for or holds; one for a job that costs nothing."""
    rows = []
    for (tenant, device, currency), used in sorted(tallied([charge]).items()):
        price = charge.listed(device)
        rows.append(
            ChargeRow(
                job=charge.id, tenant=tenant, device=device, submitted_at_ns=charge.at_ns,
                ended_at_ns=charge.ended_at_ns, state=charge.state.value, ended=charge.ended,
                shots=used.shots / MICROS, seconds=used.seconds / MICROS, cost=used.cost / MICROS,
                held=used.held / MICROS, currency=currency, price_source=price.source, price_as_of_ns=price.as_of_ns,
            )
        )  # fmt: skip
    return rows


def revenue(charges: Iterable[Charge], prices: Mapping[str, PriceTable], from_ns: int, to_ns: int) -> list[RevenueRow]:
    """By device and currency. ``prices`` of now tell the flat part, and show devices that earned nothing."""
    span_s = max(1e-9, (to_ns - from_ns) / NS_PER_S)
    flat = {(name, price.currency): price for name, price in prices.items() if price.per_month}
    found: defaultdict[tuple[str, str], _Used] = defaultdict(_Used, {key: _Used() for key in flat})
    by: dict[tuple[str, str], tuple[PriceTable, str]] = {key: (price, "") for key, price in flat.items()}
    for charge in charges:
        for (_, device, currency), used in tallied([charge]).items():
            found[device, currency].add(used)
            origin = charge.origin if device == charge.device else by.get((device, currency), (None, ""))[1]
            by[device, currency] = charge.listed(device), origin
    rows = []
    for (device, currency), used in sorted(found.items()):
        (price, origin), now = by[device, currency], prices.get(device)
        month = now.per_month * span_s / _MONTH_S if now is not None and now.currency == currency else 0.0
        seconds, money = used.seconds / MICROS, used.cost / MICROS
        rows.append(
            RevenueRow(
                device=device, provider=device.partition(".")[0], origin=origin, currency=currency, jobs=used.jobs,
                seconds=seconds, busy=seconds / span_s, revenue=money, flat=month,
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
