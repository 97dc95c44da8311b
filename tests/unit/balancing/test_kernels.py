"""Compiled kernels against plain Python that was written for reading."""

import numpy as np
import pytest

from phalanx.balancing._kernels_assign import shed, sweep, tally
from phalanx.balancing._kernels_dual import BLOCK, cheapest, smoothed
from phalanx.balancing._kernels_genetic import breed, measure, mutate
from phalanx.balancing._kernels_lists import earliest, least_loaded, min_min, most_urgent, round_robin, two_choices
from phalanx.balancing._kernels_local import anneal, descend, shortlist

NO_COSTS = np.empty((0, 0), np.float32)
M, N = 5, 60


@pytest.fixture
def times():
    draws = np.random.default_rng(11)
    made = draws.lognormal(0, 1, (M, N)).astype(np.float32)
    made[draws.random((M, N)) < 0.3] = np.inf
    made[2] = draws.lognormal(0, 1, N)
    return made


@pytest.fixture
def costs():
    return np.random.default_rng(12).random((M, N)).astype(np.float32)


def prices():
    made = np.random.default_rng(13).random(M).astype(np.float32) + np.float32(0.1)
    return made / made.sum()


def loads_of(times, choice, queue=None):
    loads = np.zeros(M) if queue is None else queue.copy()
    for j, i in enumerate(choice):
        loads[i] += times[i, j]
    return loads


@pytest.mark.parametrize("with_costs", [False, True])
def test_cheapest_is_the_least_value_of_every_operation(times, costs, with_costs):
    price, choice, loads = prices(), np.empty(N, np.int32), np.empty(M)
    total = cheapest(times, costs if with_costs else NO_COSTS, with_costs, price, choice, loads)
    values = price[:, None] * times + (costs if with_costs else 0)
    assert (choice == values.argmin(axis=0)).all()
    assert total == pytest.approx(values.min(axis=0).sum(), rel=1e-6)
    assert loads == pytest.approx(loads_of(times, choice), rel=1e-6)


@pytest.mark.parametrize("with_costs", [False, True])
def test_smoothed_dual_has_the_gradient_it_says(times, costs, with_costs):
    given = costs if with_costs else NO_COSTS

    def dual(logs):
        """The k-norm soft minimum, in float64."""
        values = np.exp(logs)[:, None] * times.astype(np.float64) + (costs if with_costs else 0)
        return ((values**-16).sum(axis=0) ** (-1 / 16)).sum()

    price = prices()
    scratch, worth, bend, loads = np.empty((M, BLOCK), np.float32), np.empty(M), np.empty(M), np.empty(M)
    value = smoothed(times, given, with_costs, price, 4, scratch, worth, bend, loads, np.empty((M, M)))
    logs = np.log(price.astype(np.float64))
    assert value == pytest.approx(dual(logs), rel=1e-5)
    step = 1e-5
    for i in range(M):
        bump = np.eye(M)[i] * step
        assert worth[i] == pytest.approx((dual(logs + bump) - dual(logs - bump)) / (2 * step), rel=2e-3), i


def test_a_sweep_keeps_its_loads_in_step_and_evens_them_out(times):
    queue, choice, loads = np.arange(M) * 0.5, np.zeros(N, np.int32), np.empty(M)
    noise = np.zeros(4096 + M, np.float32)
    even = np.full(M, 1 / M, np.float32)
    target = float(times[np.isfinite(times)].mean() * N / M)
    for turn in range(4):
        sweep(
            times, NO_COSTS, False, even, queue, target, np.float32(1), np.float32(0), noise, turn == 0, choice, loads
        )
        assert loads == pytest.approx(loads_of(times, choice, queue), rel=1e-5)
        assert np.isfinite(times[choice, np.arange(N)]).all()
    unsteered = loads_of(times, times.argmin(axis=0), queue)
    assert loads.max() < unsteered.max()


def test_shedding_moves_off_overloaded_resources_only_and_never_above_the_target(times):
    choice = np.full(N, 2, np.int32)
    loads = loads_of(times, choice)
    target = loads[2] * 0.6
    scratch = np.empty(N, np.float32), np.empty(N, np.int32), np.empty(N, np.int32)
    moved = shed(times, NO_COSTS, False, prices(), target, choice, loads, *scratch)
    assert moved == (choice != 2).sum() > 0
    assert loads == pytest.approx(loads_of(times, choice), rel=1e-5)
    assert np.delete(loads, 2).max() <= target
    assert loads[2] <= target


def test_list_rules_do_what_they_are_named_for(times):
    def run(rule, *extra):
        loads, choice = np.zeros(M), np.zeros(N, np.int32)
        rule(times, *extra, loads, choice)
        assert loads == pytest.approx(loads_of(times, choice), rel=1e-6)
        return choice.tolist()

    def greedy(order, key):
        loads, choice = [0.0] * M, [0] * N
        for j in order:
            able = [i for i in range(M) if np.isfinite(times[i, j])]
            choice[j] = min(able, key=lambda i: key(loads, i, j))
            loads[choice[j]] += float(times[choice[j], j])
        return choice

    in_order = range(N)
    assert run(least_loaded) == greedy(in_order, lambda loads, i, j: (loads[i], i))
    assert run(earliest, np.arange(N)) == greedy(in_order, lambda loads, i, j: loads[i] + float(times[i, j]))
    longest = np.argsort(-times.min(axis=0), kind="stable")
    assert run(earliest, longest) == greedy(longest, lambda loads, i, j: loads[i] + float(times[i, j]))
    turns = run(round_robin)
    assert turns[:2] == [next(i for i in range(M) if np.isfinite(times[i, 0])), turns[1]]
    assert max(np.bincount(turns)) < N / 2
    drawn = run(two_choices, np.random.default_rng(1).random((N, 2)))
    assert drawn != run(earliest, np.arange(N))


def stepwise(times, pick):
    """Min-min and its kin as the textbooks have them: all pairs looked at in every step."""
    loads, choice, left = np.zeros(M), [0] * N, list(range(N))
    while left:
        done = {j: sorted((loads[i] + float(times[i, j]), i) for i in range(M)) for j in left}
        j = pick(done)
        loads[done[j][0][1]] = done[j][0][0]
        choice[j] = done[j][0][1]
        left.remove(j)
    return choice


def test_min_min_max_min_and_sufferage_agree_with_the_textbook(times):
    loads, choice = np.zeros(M), np.zeros(N, np.int32)
    min_min(times, np.argsort(times, axis=1, kind="stable").astype(np.int32), loads, choice)
    assert choice.tolist() == stepwise(times, lambda done: min(done, key=lambda j: done[j][0][0]))
    loads, choice = np.zeros(M), np.zeros(N, np.int32)
    most_urgent(times, False, loads, choice)
    assert choice.tolist() == stepwise(times, lambda done: max(done, key=lambda j: done[j][0][0]))
    full = np.where(np.isinf(times), np.float32(50), times)
    loads, choice = np.zeros(M), np.zeros(N, np.int32)
    most_urgent(full, True, loads, choice)
    assert choice.tolist() == stepwise(full, lambda done: max(done, key=lambda j: done[j][1][0] - done[j][0][0]))


def test_children_and_mutants_carry_loads_and_costs_as_if_counted_from_scratch(times, costs):
    draws = np.random.default_rng(5)
    finite = np.where(np.isinf(times), np.float32(9), times)
    pool = draws.integers(0, M, (6, N)).astype(np.int16)
    loads, extra, queue = np.empty((6, M)), np.empty(6), np.arange(M) * 1.0
    measure(finite, costs, True, queue, pool, loads, extra)
    children = np.empty_like(pool), np.empty_like(loads), np.empty_like(extra)
    cuts = np.sort(draws.integers(0, N + 1, (6, 2)), axis=1)
    parents = draws.integers(0, 6, (6, 2))
    crossed = np.array([True, True, False, True, True, True])
    breed(finite, costs, True, pool, loads, extra, parents, cuts, crossed, *children)
    for p, (one, other) in enumerate(parents):
        low, high = cuts[p] if crossed[p] else (0, 0)
        expected = np.concatenate([pool[one][:low], pool[other][low:high], pool[one][high:]])
        assert (children[0][p] == expected).all()
    who = np.array([0, 3])
    mutate(times, costs, True, *children, who, np.array([7, 8]), np.array([0.2, 0.9]))
    assert np.isfinite(times[children[0][who, [7, 8]], [7, 8]]).all()


def test_mutants_carry_loads_as_if_counted_from_scratch(times, costs):
    finite = np.where(np.isinf(times), np.float32(9), times)
    pool = np.random.default_rng(6).integers(0, M, (4, N)).astype(np.int16)
    loads, extra, queue = np.empty((4, M)), np.empty(4), np.zeros(M)
    measure(finite, costs, True, queue, pool, loads, extra)
    mutate(finite, costs, True, pool, loads, extra, np.arange(4), np.arange(4), np.full(4, 0.7))
    fresh = np.empty_like(loads), np.empty_like(extra)
    measure(finite, costs, True, queue, pool, *fresh)
    assert loads == pytest.approx(fresh[0], rel=1e-6)
    assert extra == pytest.approx(fresh[1], rel=1e-6)


def test_local_search_never_answers_worse_than_it_began(times):
    price, active = prices(), np.arange(N, dtype=np.int32)
    where, took = np.empty((N, 4), np.int32), np.empty((N, 4), np.float32)
    shortlist(times, NO_COSTS, False, price, active, where, took)
    for a in range(N):
        values = price * times[:, a]
        kept = [i for i in np.argsort(values, kind="stable") if np.isfinite(values[i])][:4]
        assert where[a].tolist() == kept + [-1] * (4 - len(kept))
    home = np.full(N, 2, np.int32)
    loads, best = loads_of(times, home), np.empty(N, np.int32)
    start = loads.max()
    anneal(
        times, NO_COSTS, False, active, where, took, price.astype(float), start / M, 3e-4, 20_000, 7, home, loads, best
    )
    after = loads_of(times, best)
    assert after.max() < start
    assert np.isfinite(times[best, np.arange(N)]).all()
    descend(times, active, where, took, 0.0, 100_000, best, after)
    again = np.empty(M)
    tally(times, np.zeros(M), best, again)
    assert after == pytest.approx(again, rel=1e-6)
    # No single move out of the fullest resource is left that would lower it.
    full = int(again.argmax())
    for j in np.flatnonzero(best == full):
        for i in where[j][where[j] >= 0]:
            assert i == full or max(again[full] - times[full, j], again[i] + times[i, j]) >= again[full] * (1 - 1e-6)
