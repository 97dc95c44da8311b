"""The decision over whole arrays is the one of the plain loop."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.balancing._deciding import (
    DONE,
    N_CLOSED,
    N_FULL,
    NEXT,
    NEXT_DONE,
    OUT_ROWS,
    STATE_ROWS,
    WAIT,
    decide,
    decide_wide,
)


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.integers(1, 80), st.booleans(), st.floats(0.0, 30.0))
def test_both_choose_alike(seed, n, hurried, now):
    rng = np.random.default_rng(seed)
    state = rng.random((STATE_ROWS, n)) * 10
    state[3] = rng.integers(0, 4, n)
    state[4] = rng.integers(1, 4, n)
    state[6] = rng.random(n) < 0.8
    state[7] = rng.integers(1, 3, n)
    state[1] *= rng.random(n) < 0.5
    rate = rng.random(n)
    rate[rng.random(n) < 0.2] = np.inf
    loss, extra = rng.random(n), rng.random(n) * (rng.random(n) < 0.5)
    allowed = rng.random(n) < 0.7
    deadline = now + (3.0 if hurried else math.inf)
    plain, wide = np.zeros(OUT_ROWS), np.zeros(OUT_ROWS)
    chosen = decide(state, rate, loss, extra, allowed, 1.5, now, deadline, plain)
    assert decide_wide(state, rate, loss, extra, allowed, 1.5, now, deadline, wide) == chosen
    assert (plain[N_FULL], plain[N_CLOSED]) == (wide[N_FULL], wide[N_CLOSED])
    if chosen >= 0:
        np.testing.assert_allclose(plain[[WAIT, DONE]], wide[[WAIT, DONE]])
        assert wide[NEXT] != chosen
        assert math.isinf(wide[NEXT_DONE]) == math.isinf(plain[NEXT_DONE])
        assert wide[NEXT_DONE] <= plain[NEXT_DONE] + 1e-9
