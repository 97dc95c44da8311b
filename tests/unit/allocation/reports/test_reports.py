"""Reports against sums made by hand, and the times that a node was up."""

import csv
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.allocation.money import Charge, ChargeState, Place, PriceTable, Share
from phalanx.allocation.reports import (
    ChargebackRow,
    ChargeRow,
    Promise,
    Span,
    Uptime,
    availability,
    chargeback,
    csv_of,
    lines,
    quantile,
    revenue,
    sla,
)
from phalanx.core import NO_TRACE, NS_PER_S, Circuit, TenantId, decode, encode
from phalanx.devices import Job, JobState, JobWishes, PriceShape
from phalanx.testing import SimWorld

CIRCUIT = Circuit.from_canonical("", 1)
DAY = 86_400 * NS_PER_S


def table(device, per_month=0.0, currency="USD"):
    shape = PriceShape.SUBSCRIPTION if per_month else PriceShape.TASK_AND_SHOT
    return PriceTable(device=device, shape=shape, currency=currency, as_of_ns=5, source="a list", per_month=per_month)


def charge(tenant, device, state=ChargeState.SETTLED, cost=0, seconds=0, held=0, currency="USD"):
    spent = {"shots": 10_000_000, "seconds": seconds, currency: cost} if state is ChargeState.SETTLED else {}
    return Charge(
        id="x", tenant=TenantId(tenant), trace=NO_TRACE, at_ns=1, device=device, provider="p", origin="hardware",
        price=table(device, currency=currency), estimated={currency: held}, holds=(), state=state, spent=spent,
    )  # fmt: skip


CHARGES = [
    charge("a", "p.one", cost=100_001, seconds=3_000_000),
    charge("a", "p.one", cost=200_002, seconds=1_000_000),
    charge("a", "p.one", ChargeState.RELEASED, held=7),
    charge("a", "p.two", cost=5, currency="HQC"),
    charge("b", "p.one", ChargeState.HELD, held=900_000),
    charge("b", "p.one", cost=300_003, seconds=4_000_000),
]


@pytest.mark.requirement("QRM-11")
def test_chargeback_is_exact_by_tenant_device_and_currency():
    rows = {(one.tenant, one.device): one for one in chargeback(CHARGES)}
    assert set(rows) == {("a", "p.one"), ("a", "p.two"), ("b", "p.one")}
    one = rows["a", "p.one"]
    assert (one.jobs, one.completed, one.failed, one.shots, one.seconds) == (3, 2, 1, 20.0, 4.0)
    assert one.cost == 0.300003
    assert rows["b", "p.one"].held == 0.9
    assert rows["a", "p.two"].currency == "HQC"


@pytest.mark.requirement("QRM-11")
def test_revenue_is_that_of_all_tenants_and_flat_prices_count_by_the_day():
    prices = {"p.one": table("p.one"), "p.flat": table("p.flat", per_month=365.25 / 12 * 3)}
    rows = {one.device: one for one in revenue(CHARGES, prices, 0, 10 * DAY)}
    assert rows["p.one"].revenue == pytest.approx(0.600006)
    assert rows["p.one"].busy == pytest.approx(8.0 / (10 * 86_400))
    assert rows["p.one"].per_hour == pytest.approx(0.600006 / (8.0 / 3_600))
    assert (rows["p.flat"].flat, rows["p.flat"].jobs, rows["p.flat"].per_hour) == (pytest.approx(30.0), 0, None)
    assert sum(one.revenue for one in rows.values()) == pytest.approx(sum(one.cost for one in chargeback(CHARGES)))


SECOND = 10**6


def two_vendors(device="p.two"):
    """Charged on a machine that began it for nothing, in dollars, and on the one that gave a result, in euros."""
    first, second = Place(device="p.one", price=table("p.one")), Place(device="p.two", price=table("p.two", 0.0, "EUR"))
    shares = (
        Share(device="p.two", spent={"jobs": SECOND, "shots": 10 * SECOND, "seconds": 4 * SECOND, "EUR": 700_000}),
        Share(device="p.one", spent={"jobs": SECOND, "shots": 10 * SECOND, "seconds": 3 * SECOND, "USD": 500_000}),
    )
    return Charge(
        id="y", tenant=TenantId("a"), trace=NO_TRACE, at_ns=1, device=device, provider="p", origin="hardware",
        price=second.price, estimated={}, holds=(), state=ChargeState.SETTLED, places=(first, second), shares=shares,
        spent={"jobs": SECOND, "shots": 20 * SECOND, "seconds": 7 * SECOND, "EUR": 700_000, "USD": 500_000},
        ended="Completed", ended_at_ns=9,
    )  # fmt: skip


@pytest.mark.requirement("QRM-11")
def test_what_two_vendors_charged_for_one_job_is_theirs_and_adds_up():
    rows = {(one.device, one.currency): one for one in chargeback([two_vendors()])}
    assert set(rows) == {("p.one", "USD"), ("p.two", "EUR")}
    one, two = rows["p.one", "USD"], rows["p.two", "EUR"]
    assert (one.jobs, one.cost, one.seconds, two.jobs, two.completed, two.cost, two.seconds) == (
        0,
        0.5,
        3,
        1,
        1,
        0.7,
        4,
    )
    earned = {(one.device, one.currency): one for one in revenue([two_vendors()], {}, 0, DAY)}
    assert (earned["p.one", "USD"].revenue, earned["p.two", "EUR"].revenue) == (0.5, 0.7)
    assert earned["p.two", "EUR"].origin == "hardware"


money = st.dictionaries(st.sampled_from(["USD", "EUR", "HQC"]), st.integers(0, 10**12), max_size=3)


@pytest.mark.requirement("QRM-11")
@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.tuples(st.sampled_from(["p.one", "p.two"]), money)))))
def test_lines_chargeback_revenue_and_the_costs_of_jobs_are_one_sum(asked):
    charges = []
    for tenant, shares in asked:
        spent = {}
        for _, amounts in shares:
            for unit, micros in amounts.items():
                spent[unit] = spent.get(unit, 0) + micros
        made = tuple(Share(device=device, spent=amounts) for device, amounts in shares)
        one = charge(tenant, "p.one", ChargeState.SETTLED if shares else ChargeState.RELEASED)
        charges.append(msgspec.structs.replace(one, spent=spent, shares=made))
    of_jobs = summed((unit, micros) for one in charges for unit, micros in one.spent.items())
    assert summed((one.currency, round(one.cost * SECOND)) for one in chargeback(charges)) == of_jobs
    assert summed((one.currency, round(one.cost * SECOND)) for each in charges for one in lines(each)) == of_jobs
    assert summed((one.currency, round(one.revenue * SECOND)) for one in revenue(charges, {}, 0, DAY)) == of_jobs
    assert sum(one.jobs for one in chargeback(charges)) == len(charges)


def summed(amounts):
    found = {}
    for unit, micros in amounts:
        found[unit] = found.get(unit, 0) + micros
    return {unit: micros for unit, micros in found.items() if micros}


@pytest.mark.requirement("QRM-11")
def test_cancelled_and_failed_jobs_are_told_apart_also_where_a_vendor_charged_for_them():
    released = charge("a", "p.one", ChargeState.RELEASED)
    ended = [
        msgspec.structs.replace(charge("a", "p.one", cost=5), ended="Failed"),
        msgspec.structs.replace(released, ended="Failed"),
        msgspec.structs.replace(released, ended="Cancelled"),
        msgspec.structs.replace(charge("a", "p.one", cost=7), ended="Completed"),
    ]
    (row,) = chargeback(ended)
    assert (row.jobs, row.completed, row.failed, row.cancelled, row.cost) == (4, 1, 2, 1, 0.000012)


def test_charges_of_the_first_version_are_read():
    now = charge("a", "p.one", cost=5)
    old = msgspec.msgpack.decode(encode(now))
    del old["shares"], old["ended"]
    found = decode(msgspec.msgpack.encode(old | {"v": 1}), Charge)
    assert found == now
    assert found.divided == (Share(device="p.one", spent=now.spent),)


def job(state, at, started=0, finished=0, deadline=0):
    return Job(
        id="x", tenant=TenantId("a"), trace=NO_TRACE, at_ns=at * NS_PER_S, device="p.one", circuit=CIRCUIT, shots=1,
        seed=1, reason="", state=state, started_at_ns=started * NS_PER_S, finished_at_ns=finished * NS_PER_S,
        wishes=JobWishes(deadline_at_ns=deadline * NS_PER_S),
    )  # fmt: skip


@pytest.mark.requirement("QRM-11", "QRM-7")
def test_service_levels_are_held_against_what_was_promised():
    jobs = [
        job(JobState.COMPLETED, 0, 2, 10, deadline=10),
        job(JobState.COMPLETED, 0, 4, 20, deadline=15),
        job(JobState.FAILED, 0, 6, 7, deadline=30),
        job(JobState.CANCELLED, 0),
        job(JobState.QUEUED, 0, deadline=99),
    ]
    up = [Span(0, 990 * NS_PER_S), Span(991 * NS_PER_S, 1_000 * NS_PER_S)]
    (row,) = sla({"a": jobs}, up, None, 0, 1_000 * NS_PER_S, Promise(0.999))
    assert (row.jobs, row.completed, row.failed, row.cancelled, row.under_way) == (5, 2, 1, 1, 1)
    assert row.succeeded == pytest.approx(2 / 3)
    assert (row.with_deadline, row.in_time) == (4, pytest.approx(1 / 3))
    assert (row.wait_s_p50, row.wait_s_p99, row.run_s_p50) == (4.0, 6.0, 8.0)
    assert row.availability == pytest.approx(0.999)
    assert row.kept
    dark = [Span(0, 500 * NS_PER_S)]
    (row,) = sla({"a": jobs}, up, dark, 0, 1_000 * NS_PER_S, Promise(0.999))
    assert (row.availability, row.kept) == (pytest.approx(0.5), False)
    (row,) = sla({"a": []}, [], None, 0, 1_000 * NS_PER_S, Promise())
    assert (row.succeeded, row.in_time, row.wait_s_p50, row.availability, row.kept) == (None,) * 5


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda p: Span(p[0], p[0] + p[1])), max_size=6)


@given(spans, st.integers(0, 40), st.integers(1, 60))
def test_availability_counts_each_moment_once(found, from_ns, length):
    to_ns = from_ns + length
    share = availability(found, from_ns, to_ns)
    inside = [one for one in found if one.end_ns >= from_ns and one.start_ns < to_ns]
    if share is None:
        assert not inside or min(one.start_ns for one in found) >= to_ns
        return
    begins = max(from_ns, min(one.start_ns for one in found))
    slots = [any(one.start_ns <= at < one.end_ns for one in found) for at in range(begins, to_ns)]
    assert share == pytest.approx(sum(slots) / len(slots))


def test_quantiles():
    assert quantile([], 0.5) is None
    assert [quantile([3, 1, 2], part) for part in (0.0, 0.5, 0.99, 1.0)] == [1, 2, 3, 3]


def test_lines_for_a_spreadsheet_hold_no_formulas():
    row = ChargebackRow(
        tenant='=HYPERLINK("x")', device="p,one", currency="USD", jobs=1, completed=1, failed=0, cancelled=0, shots=1.0,
        seconds=1.0, cost=-1.0, held=0.0,
    )  # fmt: skip
    heading, line = csv.reader(io.StringIO(csv_of([row], ChargebackRow)))
    assert heading[:3] == ["tenant", "device", "currency"]
    assert line[:2] == ['\'=HYPERLINK("x")', "p,one"]
    assert line[9] == "-1.0"


def test_lines_for_accounting_have_dates_the_span_and_no_exponents():
    (row,) = lines(charge("a", "p.one", cost=1, seconds=1))
    text = csv_of([row], ChargeRow, beside={"from": "2026-11-01", "to": "2026-12-01"})
    (line,) = csv.DictReader(io.StringIO(text))
    assert (line["from"], line["to"], line["job"]) == ("2026-11-01", "2026-12-01", "x")
    assert (line["cost"], line["seconds"]) == ("0.000001", "0.000001")
    assert (line["price_as_of"], line["ended_at"]) == ("1970-01-01T00:00:00Z", ""), "no time is no date"


def test_a_node_that_was_away_shows_as_a_gap():
    async def main(world):
        node = world.node("n")

        async def program(_):
            await Uptime(world.store("n"), world.clock, "n").run()

        for _ in range(2):
            node.start(program)
            await world.clock.sleep(600)
            await node.crash()
            await world.clock.sleep(1_000)
        first, second = await Uptime(world.store("n"), world.clock, "n").spans()
        assert 540 <= (first.end_ns - first.start_ns) / NS_PER_S <= 600
        assert 1_000 <= (second.start_ns - first.end_ns) / NS_PER_S <= 1_070
        now = world.clock.wall_ns()
        assert 0.3 < availability([first, second], first.start_ns, now) < 0.4

    SimWorld(3).run(main)


def test_a_node_that_has_just_begun_is_up_until_its_next_beat_is_overdue():
    async def main(world):
        node = world.node("n")

        async def program(_):
            await Uptime(world.store("n"), world.clock, "n").run()

        node.start(program)
        await world.clock.sleep(20)
        uptime = Uptime(world.store("n"), world.clock, "n")
        begun = (await uptime.spans())[0].start_ns
        assert availability(await uptime.spans(), begun, world.clock.wall_ns()) == 1.0
        await node.crash()
        await world.clock.sleep(980)
        assert availability(await uptime.spans(), begun, world.clock.wall_ns()) < 0.1

    SimWorld(3).run(main)
