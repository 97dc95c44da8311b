"""The solvers that placing is compared with, against every permutation of small problems."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.bench.agents._matching import auction, greedy, optimal


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(0, 3))
def test_the_optimum_is_the_least_of_all_assignments(seed, n, more):
    cost = np.random.default_rng(seed).random((n, n + more))
    slots = optimal(cost)
    assert len(set(slots.tolist())) == n
    least = min(sum(cost[i, slot] for i, slot in enumerate(one)) for one in itertools.permutations(range(n + more), n))
    assert cost[np.arange(n), slots].sum() == pytest.approx(least)


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(0, 30))
def test_the_auction_is_within_what_it_promises_and_greedy_is_not_better_than_the_optimum(seed, n, more):
    cost = np.random.default_rng(seed).random((n, n + more))
    rows = np.arange(n)
    least = cost[rows, optimal(cost)].sum()
    for method, slack in ((auction, n * 0.02 * cost.min(axis=1).mean()), (greedy, np.inf)):
        slots = method(cost)
        assert len(set(slots.tolist())) == n
        total = cost[rows, slots].sum()
        assert least - 1e-9 <= total <= least + slack + 1e-9
