"""Operations streaming through a pool: where they go, what is learned, what is refused."""

import math

import numpy as np
import pytest

from phalanx.balancing import (
    FairShares,
    Move,
    NoEligibleResource,
    Operation,
    OperationKind,
    Pool,
    QueuesFull,
    Resource,
    compute,
    confirm,
    placements,
    plan_moves,
    put,
    show,
    take,
)
from phalanx.balancing._deciding import COUNT, LIMIT, OUT_ROWS, PENDING, compile_decider, decide, decider
from phalanx.balancing._estimates import Estimates
from phalanx.balancing._fluid import plan_fluid, split_by_speed
from phalanx.balancing._limits import FAILURES_TO_REST, MAX_MOVES_PER_OPERATION, RECENT_PLACEMENTS, REST_FIRST_S
from phalanx.core import InvalidInput, NotFound

READ = OperationKind(name="read", work={"cpu": 1.0})
FACTOR = OperationKind(name="factor", work={"cpu": 8.0, "qpu": 2.0}, coherence_us=20.0)
FAST = Resource(name="fast", kind="cpu", default_speed=2.0)
SLOW = Resource(name="slow", kind="cpu", default_speed=0.5)
QPU = Resource(name="qpu", kind="qpu", coherence_us=200.0)


def pool(*resources, capacity=4, **options):
    wanted = resources or (FAST, SLOW, QPU)
    return Pool("p", [READ, FACTOR], wanted, capacities={one.name: capacity for one in wanted}, **options)


def name_of(made, ticket):
    return made.seats[ticket.resource].resource.name


def read(number, **fields):
    return Operation(id=f"r{number}", kind="read", **fields)


@pytest.mark.requirement("BAL-4")
def test_an_operation_goes_where_it_is_done_first_and_the_reason_says_so():
    made = pool()
    placed = [made.place(read(j), 0.0) for j in range(4)]
    assert [name_of(made, one) for one in placed] == ["fast", "fast", "fast", "fast"]
    assert [one.done_s for one in placed] == [0.5, 1.0, 1.5, 2.0]
    assert str(placed[3].reason) == "fast is free in 1.5 s and takes 0.5 s; slow would be done after 2 s"
    after = made.place(read(9), 0.0)
    assert name_of(made, after) == "slow"
    assert str(after.reason) == "slow is free in 0 s and takes 2 s; 1 is full"


def test_the_same_operation_is_placed_once_and_finished_once():
    made = pool()
    ticket = made.place(read(1), 0.0)
    assert made.place(read(1), 5.0) is ticket
    assert made.placed == 1
    assert made.start("r1", 1.0)
    assert not made.start("r1", 1.0)
    assert not made.finish("r1", 2.0, resource="slow"), "word from one who does not hold it"
    assert made.finish("r1", 2.0, resource="fast")
    assert not made.finish("r1", 2.0)
    assert not made.withdraw("r1", 2.0)
    assert not made.start("gone", 2.0)
    assert made.state[COUNT].sum() == made.state[PENDING].sum() == 0


def test_queues_are_bounded_and_what_can_go_nowhere_is_told_apart():
    made = pool(FAST, SLOW, capacity=2)
    for j in range(4):
        made.place(read(j), 0.0)
    with pytest.raises(QueuesFull) as full:
        made.place(read(4), 0.0)
    assert (full.value.pool, made.refused) == ("p", 1)
    assert not made.has_room(read(4), 0.0)
    assert made.withdraw("r0", 0.0)
    assert made.has_room(read(4), 0.0)
    assert not made.has_room(read(4, eligible=frozenset({"slow"})), 0.0)
    assert not made.has_room(Operation(id="f", kind="factor", eligible=frozenset({"qpu"})), 0.0), "not of this pool"
    assert name_of(made, made.place(read(4), 0.0)) == "fast"
    made.withdraw("r1", 0.0)
    made.close("fast", "closed")
    assert not made.has_room(read(5), 0.0)
    for impossible in (
        read(8, eligible=frozenset({"elsewhere"})),
        Operation(id="q", kind="factor", eligible=frozenset()),
    ):
        with pytest.raises(NoEligibleResource):
            made.place(impossible, 0.0)
    with pytest.raises(InvalidInput, match="knows no kind"):
        made.place(Operation(id="x", kind="unheard-of"), 0.0)


def test_what_would_be_late_goes_where_it_is_in_time_though_that_costs_others_more():
    made = pool(FAST, SLOW)
    made.state[5] = [50.0, 0.0]  # The plan wants the fast one kept free.
    assert name_of(made, made.place(read(1), 0.0)) == "slow"
    assert name_of(made, made.place(read(2, deadline_s=1.0), 0.0)) == "fast"
    late = made.place(read(3, deadline_s=0.1), 0.0)
    assert made.late == 1
    assert "too late everywhere" in str(late.reason)


def test_eligibility_and_data_are_respected():
    near = Resource(name="near", kind="cpu", site="here", default_link_s_per_mib=1.0)
    far = Resource(name="far", kind="cpu", site="there", default_link_s_per_mib=1.0, default_speed=1.1)
    made = pool(near, far)
    assert name_of(made, made.place(read(1), 0.0)) == "far"
    assert name_of(made, made.place(read(2, site="here", data_mib=5.0), 0.0)) == "near"
    assert name_of(made, made.place(read(3, site="here", data_mib=5.0, eligible=frozenset({"far"})), 0.0)) == "far"


def test_a_device_that_has_drifted_gets_nothing_that_needs_coherence():
    worn = Resource(name="worn", kind="qpu", coherence_us=200.0, drift=0.4)
    made = pool(QPU, worn, FAST)
    job = Operation(id="j", kind="factor")
    assert made.eligibility.loss[1, 1] > made.eligibility.loss[1, 0] > 0 == made.eligibility.loss[1, 2]
    assert name_of(made, made.place(job, 0.0)) == "qpu"
    made.set_drift("qpu", 0.9)
    assert name_of(made, made.place(Operation(id="k", kind="factor"), 0.0)) == "worn"
    made.set_drift("worn", 0.9)
    assert name_of(made, made.place(Operation(id="l", kind="factor"), 0.0)) == "fast"


def test_a_resource_that_fails_rests_longer_each_time_and_comes_back_slowly():
    made, now = pool(FAST), 0.0
    for j in range(FAILURES_TO_REST):
        made.place(read(j), now)
        made.finish(f"r{j}", now, ok=False)
    for turn in range(3):
        with pytest.raises(QueuesFull):
            made.place(read("resting"), now)
        now += REST_FIRST_S * 2**turn - 0.01
        with pytest.raises(QueuesFull):
            made.place(read("still resting"), now)
        now += 0.02
        made.place(read(f"back {turn}"), now)
        with pytest.raises(QueuesFull):
            made.place(read("second"), now)
        made.finish(f"rback {turn}", now, ok=turn == 2)
    assert made.state[LIMIT, 0] == 2.0
    made.place(read("more"), now)
    made.finish("rmore", now)
    assert made.state[LIMIT, 0] == 4.0


def test_a_closed_resource_gets_nothing_and_what_waits_there_moves():
    made = pool(FAST, SLOW)
    for j in range(3):
        made.place(read(j), 0.0)
    made.start("r0", 0.0)
    assert made.close("fast", "maintenance") == ("r1", "r2")
    moves = plan_moves(made, 0.0)
    assert [(move.operation, move.target) for move in moves] == [("r2", "slow"), ("r1", "slow")]
    assert all(confirm(made, move, 0.0) for move in moves)
    assert not any(confirm(made, move, 0.0) for move in moves), "a move is carried out once"
    assert [seat.closed for seat in made.seats] == ["maintenance", ""]
    made.open("fast")
    assert made.state[LIMIT, 0] == 1.0
    with pytest.raises(NotFound):
        made.close("nobody", "")


def test_moves_are_bounded_stale_ones_refused_and_thieves_take_what_they_may():
    made = pool(FAST, SLOW, capacity=100)
    for j in range(20):
        made.place(read(j, eligible=frozenset({"slow"})), 0.0)
    assert not plan_moves(made, 0.0), "none of them may go anywhere else"
    for j in range(20):
        made.finish(f"r{j}", 0.0)
        made.place(read(f"m{j}"), 0.0)
    made.state[PENDING, 0] = 1000.0  # As if the fast one had been held up.
    waiting = [one for one in made.tickets.values() if one.resource == 0]
    assert len(waiting) > 5
    assert len(plan_moves(made, 0.0, most=3)) == 3
    stolen = plan_moves(made, 0.0, to="slow", most=1)[0]
    assert (stolen.source, stolen.target) == ("fast", "slow")
    assert confirm(made, stolen, 0.0)
    assert not confirm(made, stolen, 0.0)
    back = Move(stolen.operation, "slow", "fast", 0, 1.0)
    assert not confirm(made, back, 0.0), "of an older version"
    made.start(stolen.operation, 0.0)
    assert not confirm(made, Move(stolen.operation, "slow", "fast", 1, 1.0), 0.0), "begun"
    assert made.moved == 1
    weary = next(one for one in made.tickets.values() if one.resource == 0)
    assert weary.operation.id in {move.operation for move in plan_moves(made, 0.0, most=1000)}
    weary.moves = MAX_MOVES_PER_OPERATION
    assert weary.operation.id not in {move.operation for move in plan_moves(made, 0.0, most=1000)}


@pytest.mark.requirement("BAL-4")
def test_what_things_take_is_learned_and_twins_learn_from_each_other():
    estimates = Estimates(np.array([[1.0, 1.0, math.inf], [4.0, 4.0, 2.0]]))
    for _ in range(60):
        estimates.observe(0, 0, 2.0, 0.6)
    assert estimates.rates[0, 0] == pytest.approx(0.3, rel=0.02)
    assert estimates.rates[0, 1] == pytest.approx(0.3, rel=0.1), "its twin was never tried"
    assert estimates.rates[1, 1] == pytest.approx(4.0), "another kind on another resource"
    assert math.isinf(estimates.rates[0, 2])
    estimates.observe(1, 2, 1.0, 1e9)
    assert estimates.rates[1, 2] <= 2.0 * 10
    for bad in ((0, 0, 0.0, 1.0), (0, 0, 1.0, -1.0), (0, 2, 1.0, 1.0), (0, 0, 1.0, math.nan)):
        before = estimates.rates.copy()
        estimates.observe(*bad)
        assert (estimates.rates == before).all()
    for _ in range(80):
        estimates.observe(1, 0, 1.0, 12.0)
        estimates.observe(1, 1, 1.0, 4.0)
    assert estimates.slowness(0) > estimates.slowness(1)
    estimates.forget(0)
    assert estimates.observations(1, 0) == 0


def test_the_plan_splits_arrivals_so_that_the_busiest_is_as_idle_as_can_be():
    rates = np.array([[1.0, 2.0], [4.0, 1.0]])
    plan = plan_fluid(rates, np.array([0.5, 0.5]), np.ones(2))
    assert plan.utilisation == pytest.approx([0.5, 0.5], abs=0.01)
    assert plan.shares == pytest.approx(np.eye(2), abs=0.02)
    assert plan.bound == pytest.approx(0.5, abs=0.005)
    shared = plan_fluid(np.array([[1.0, 1.0]]), np.array([1.0]), np.array([1.0, 3.0]))
    assert shared.utilisation == pytest.approx([0.25, 0.25], abs=0.01)
    assert shared.shares[0] == pytest.approx([0.25, 0.75], abs=0.01)
    plain = split_by_speed(
        np.array([[1.0, 1.0], [np.inf, 2.0], [np.inf, np.inf]]), np.array([1.0, 0.1, 5.0]), np.array([1.0, 3.0])
    )
    assert plain.shares == pytest.approx(np.array([[0.25, 0.75], [0.0, 1.0], [0.0, 0.0]]))
    assert plain.utilisation == pytest.approx([0.25, 0.25 + 0.2 / 3])
    assert not plain.weights.any()
    nothing = plan_fluid(np.array([[np.inf, np.inf], [1.0, 1.0]]), np.array([3.0, 0.0]), np.ones(2))
    assert not nothing.shares.any()
    assert nothing.bound == 0.0


@pytest.mark.requirement("BAL-4")
def test_under_load_the_plan_keeps_a_resource_for_those_who_have_no_other():
    """Factoring needs the device, reads would be done there a little sooner: a beat later they leave it alone."""
    either = OperationKind(name="read", work={"cpu": 1.0, "qpu": 0.9})
    factor = OperationKind(name="factor", work={"qpu": 2.0})
    made = Pool("p", [either, factor], [FAST, QPU], capacities={"fast": 1000, "qpu": 1000})
    for j in range(2):
        made.place(read(j), 0.0)
    assert made.state[COUNT].tolist() == [1.0, 1.0]
    for j in range(2):
        made.withdraw(f"r{j}", 0.0)
    take(made, 0.0)
    made.arrived[:] = [200.0, 450.0]
    put(made, compute(take(made, 1000.0)))
    assert made.arrivals_per_s == pytest.approx([0.2, 0.45], rel=0.01)
    assert made.plan.shares == pytest.approx(np.eye(2), abs=0.01)
    for j in range(2):
        made.place(read(f"again {j}"), 1000.0)
    assert made.state[COUNT].tolist() == [2.0, 0.0]
    view = show(made, 1000.0)
    assert [kind.name for kind in view.kinds] == ["read", "factor"]
    assert sum(view.kinds[0].planned) == pytest.approx(1.0)
    assert sum(view.kinds[0].placed) == pytest.approx(1.0)
    assert view.planned_peak == pytest.approx(0.9, abs=0.01)
    assert view.planned_peak >= view.bound > 0.89
    assert [one.target for one in view.resources] == pytest.approx([0.1, 0.9], abs=0.01)


def test_what_is_shown_is_plain_and_tells_states_apart():
    made = pool(FAST, SLOW, QPU, capacity=1)
    made.place(read(1), 0.0)
    made.start("r1", 0.0)
    made.close("slow", "maintenance")
    for j in range(FAILURES_TO_REST):
        made.place(Operation(id=f"f{j}", kind="factor", eligible=frozenset({"qpu"})), 0.0)
        made.finish(f"f{j}", 0.0, ok=False)
    view = show(made, 30.0 - 29.5)
    assert [one.state for one in view.resources] == ["full", "maintenance", "resting after 3 failures, for 0 s"]
    assert view.resources[0].utilisation == pytest.approx(1 - math.exp(-0.5 / 60))
    assert view.kinds[0].expected_s == (0.5, 2.0, None)
    made.finish("r1", 1.0)
    for j in range(RECENT_PLACEMENTS + 5):
        made.place(read(f"n{j}"), 1.0)
        made.finish(f"rn{j}", 1.0)
    newest = placements(made, wall_ns=2_000_000_000, now_s=2.0)
    assert len(newest) == RECENT_PLACEMENTS
    assert (newest[0].operation, newest[0].at_ns) == (f"rn{RECENT_PLACEMENTS + 4}", 1_000_000_000)


def test_the_compiled_decision_is_the_plain_one():
    compile_decider()
    assert decider(1) is not decide
    draws = np.random.default_rng(9)
    for _ in range(300):
        m = int(draws.integers(1, 9))
        state = np.abs(draws.normal(0, 3, (8, m)))
        state[3:5] = draws.integers(0, 4, (2, m))
        state[6] = draws.random(m) < 0.8
        state[7] = draws.integers(1, 4, m)
        rate = np.where(draws.random(m) < 0.2, np.inf, draws.lognormal(0, 1, m))
        given = (
            state, rate, draws.random(m), draws.random(m) * 0.2, draws.random(m) < 0.9,
            float(draws.lognormal()), 10.0, float(draws.choice([math.inf, 11.0])),
        )  # fmt: skip
        outs = np.zeros((2, OUT_ROWS))
        assert decider(1)(*given, outs[0]) == decide(*given, outs[1])
        assert (outs[0] == outs[1]).all()


def test_tenants_go_in_the_order_of_what_they_were_served():
    shares = FairShares({"big": 2.0})
    assert shares.order(["a", "b", "big"]) == ["a", "b", "big"]
    served = dict.fromkeys(("a", "b", "big"), 0)
    for _ in range(400):
        tenant = shares.order(["a", "b", "big"])[0]
        shares.charge(tenant, 1.0)
        served[tenant] += 1
    assert served == {"a": 100, "b": 100, "big": 200}
    assert shares.order(["late", "a"])[0] == "late"
    shares.charge("late", 1.0)
    assert shares.order(["late", "a"])[0] == "a", "a tenant that was away has saved nothing up"


def test_pools_refuse_what_makes_no_sense():
    with pytest.raises(InvalidInput, match="same name"):
        Pool("p", [READ], [FAST, FAST])
    with pytest.raises(InvalidInput, match="cannot hold"):
        Pool("p", [READ], [FAST], capacities={"fast": 0})
    empty = Pool("p", [], [])
    put(empty, compute(take(empty, 0.0)))
    assert show(empty, 0.0).resources == ()
