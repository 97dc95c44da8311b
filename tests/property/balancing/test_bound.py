"""Any prices prove a bound, and the bound of an answer is below every assignment, tried one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from phalanx.balancing import MAKESPAN_ONLY, Genetics, Operation, OperationKind, Problem, Resource, Weights, solve
from phalanx.balancing._deadlines import counting_bound, deadline_bound, is_whole
from phalanx.balancing._kernels_dual import cheapest
from phalanx.balancing._scoring import Objective, measure

SECONDS = st.floats(0.0625, 100.0, width=32) | st.sampled_from([1.0, 2.0, float("inf")])


@st.composite
def problems(draw):
    m, n = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    times = draw(nps.arrays(np.float32, (m, n), elements=SECONDS))
    for j in range(n):
        if not np.isfinite(times[:, j]).any():
            times[draw(st.integers(0, m - 1)), j] = draw(st.floats(0.0625, 100.0, width=32))
    queue = draw(nps.arrays(np.float64, m, elements=st.floats(0.0, 20.0)))
    return Problem.from_times(times, queue_s=queue)


def assignments(problem):
    places = [np.flatnonzero(np.isfinite(problem.times[:, j])) for j in range(problem.n_operations)]
    return (np.array(choice, np.int32) for choice in itertools.product(*places))


@settings(max_examples=150)
@given(problem=problems(), data=st.data())
def test_any_prices_whatever_are_a_lower_bound_on_every_makespan(problem, data):
    m = problem.n_resources
    raw = data.draw(nps.arrays(np.float32, m, elements=st.floats(0.0009765625, 1.0, width=32)))
    prices = raw / raw.sum()
    values = cheapest(
        problem.times,
        np.empty((0, 0), np.float32),
        False,
        prices,
        np.empty(problem.n_operations, np.int32),
        np.empty(m),
    )
    bound = (values + float(prices @ problem.queue_s)) / float(prices.sum(dtype=np.float64)) * (1 - 2e-6)
    for choice in assignments(problem):
        assert bound <= measure(problem, choice, MAKESPAN_ONLY).makespan_s


@pytest.mark.requirement("BAL-3")
@settings(max_examples=40)
@given(problem=problems())
def test_an_answers_bound_is_below_the_optimum_and_its_makespan_close_to_it(problem):
    best = min(measure(problem, choice, MAKESPAN_ONLY).makespan_s for choice in assignments(problem))
    answer = solve(problem, weights=MAKESPAN_ONLY)
    assert answer.makespan_bound_s <= best * (1 + 1e-9)
    assert best <= answer.makespan_s * (1 + 1e-9)
    assert answer.makespan_s <= best * 1.05 + 1e-6


@settings(max_examples=120)
@given(data=st.data(), m=st.integers(1, 3), n=st.integers(1, 6), whole=st.booleans())
def test_bounds_by_counting_and_by_deadlines_are_below_the_optimum(data, m, n, whole):
    seconds = st.integers(1, 30).map(float) if whole else st.floats(0.5, 30.0, width=32)
    times = data.draw(nps.arrays(np.float32, (m, n), elements=seconds))
    problem = Problem.from_times(times)
    assert is_whole(problem) >= whole
    best = min(measure(problem, choice, MAKESPAN_ONLY).makespan_s for choice in assignments(problem))
    assert counting_bound(problem) <= best * (1 + 1e-6)
    reached = best * data.draw(st.sampled_from([1.0, 1.0, 1.5]))
    if whole:
        reached = round(reached)
    assert deadline_bound(problem, known_s=0.0, makespan_s=reached) <= best * (1 + 1e-6)


def test_deadlines_rule_out_what_prices_allow():
    """Three long operations on two resources: half of one can be shared only in the relaxation."""
    problem = Problem.from_times(np.full((2, 3), 10.0))
    assert counting_bound(problem) == 20.0
    lone = Problem.from_times(np.array([[10.0, 1.0, 1.0], [10.0, 1.0, 1.0], [10.0, 1.0, 1.0]]))
    assert deadline_bound(lone, known_s=4.0, makespan_s=12.0) == 10.0


@settings(max_examples=25)
@given(
    sizes=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=5),
    shares=st.lists(st.integers(0, 10), min_size=4, max_size=4).filter(any),
    drift=st.floats(0.0, 0.9),
)
def test_the_bound_of_any_weighting_is_below_the_best_score(sizes, shares, drift):
    names = ("completion", "utilisation", "coherence", "communication")
    weights = Weights(**{name: share / sum(shares) for name, share in zip(names, shares, strict=True)})
    kinds = [
        OperationKind(name="a", work={"q": 1.0, "c": 3.0}, coherence_us=20.0),
        OperationKind(name="b", work={"c": 1.0}),
    ]
    resources = [
        Resource(name="q1", kind="q", coherence_us=50.0, drift=drift),
        Resource(name="c1", kind="c", site="s", default_link_s_per_mib=0.3),
        Resource(name="c2", kind="c", default_speed=0.7, default_link_s_per_mib=0.1),
    ]
    operations = [
        Operation(id=str(j), kind="ab"[j % 2], size=size, site="s", data_mib=j) for j, size in enumerate(sizes)
    ]
    problem = Problem.of(kinds, resources, operations)
    best = min(measure(problem, choice, weights).score.total for choice in assignments(problem))
    for method in ("prices", "prices+genetic", "sufferage"):
        answer = solve(problem, method=method, weights=weights, genetics=Genetics(population=10, generations=5))
        assert answer.bound <= best + 1e-6
        assert answer.score.total >= best - 1e-9
    assert Objective.of(problem, weights).has_costs == (weights.completion < 1.0)
