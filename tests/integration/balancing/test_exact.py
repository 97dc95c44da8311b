"""Answers on small problems against HiGHS, which shares no code with them."""

import subprocess
import sys

import numpy as np
import pytest

from phalanx.adapters.processes import solve_exactly
from phalanx.balancing import MAKESPAN_ONLY, Problem, solve
from phalanx.core import LimitExceeded, Unavailable


def problem(seed, m=4, n=20, *, whole=False):
    draws = np.random.default_rng(seed)
    times = draws.integers(1, 40, (m, n)).astype(float) if whole else draws.lognormal(0, 1, (m, n))
    times[draws.random((m, n)) < 0.2] = np.inf
    times[0] = np.where(np.isinf(times).all(axis=0), 5.0, times[0])
    return Problem.from_times(times, queue_s=draws.integers(0, 5, m))


def makespan(made, choice):
    loads = made.queue_s.copy()
    for j, i in enumerate(choice):
        loads[i] += made.times[i, j]
    return loads.max()


@pytest.mark.requirement("BAL-3")
@pytest.mark.parametrize("seed", range(6))
def test_bound_optimum_and_answer_stand_in_this_order(seed):
    made = problem(seed, whole=seed % 2 == 0)
    exact = solve_exactly(made, limit_s=60.0)
    assert exact.optimal
    best = makespan(made, exact.choice)
    assert exact.bound_s == pytest.approx(best)
    answer = solve(made, weights=MAKESPAN_ONLY, effort=4)
    assert answer.makespan_bound_s <= best * (1 + 1e-6)
    assert best * (1 - 1e-6) <= answer.makespan_s <= best * 1.03


def test_what_is_too_big_is_refused_and_a_missing_extra_says_so(monkeypatch):
    with pytest.raises(LimitExceeded):
        solve_exactly(Problem.from_times(np.ones((50, 1000))))

    def without(command, **how):
        hide = "import runpy, sys; sys.modules['highspy'] = None; runpy.run_module(sys.argv[1], run_name='__main__')"
        return run([sys.executable, "-c", hide, command[-1]], **how)

    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", without)
    with pytest.raises(Unavailable, match="HiGHS is not installed") as missing:
        solve_exactly(problem(1))
    assert "exact" in missing.value.hint
