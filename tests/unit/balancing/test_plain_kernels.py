"""Kernels in NumPy against the compiled ones, and whole answers without a compiler."""

import subprocess
import sys

import numpy as np
import pytest

from phalanx.balancing import MAKESPAN_ONLY, Operation, OperationKind, Problem, Resource, Weights, plainly, solve
from phalanx.balancing import _kernels_assign as assign
from phalanx.balancing import _kernels_dual as dual
from phalanx.balancing import _kernels_lists as lists
from phalanx.balancing import _kernels_plain as plain
from phalanx.core import Unavailable

M, N = 6, 300
NO_COSTS = np.empty((0, 0), np.float32)


@pytest.fixture
def times():
    draws = np.random.default_rng(21)
    made = draws.lognormal(0, 1, (M, N)).astype(np.float32)
    made[draws.random((M, N)) < 0.3] = np.inf
    made[1] = draws.lognormal(0, 1, N)
    return made


@pytest.fixture
def costs():
    return np.random.default_rng(22).random((M, N)).astype(np.float32) * np.float32(1e-3)


def both(name, module, *arguments):
    """What a compiled kernel and its plain form return and leave in their arrays."""
    found = []
    for where in (module, plain):
        own = [one.copy() if isinstance(one, np.ndarray) else one for one in arguments]
        found.append((getattr(where, name)(*own), own))
    return found


def assert_same(name, module, *arguments, rel=1e-5):
    (compiled, left), (plainly_found, plainly_left) = both(name, module, *arguments)
    assert plainly_found == pytest.approx(compiled, rel=rel) if compiled is not None else plainly_found is None
    for one, other in zip(left, plainly_left, strict=True):
        assert np.allclose(one, other, rtol=rel) if isinstance(one, np.ndarray) else one == other


@pytest.mark.parametrize("with_costs", [False, True])
def test_each_kernel_leaves_what_the_compiled_one_does(times, costs, with_costs):
    given = (times, costs if with_costs else NO_COSTS, with_costs)
    prices = np.random.default_rng(3).dirichlet(np.full(M, 3.0)).astype(np.float32)
    queue, choice, loads = np.arange(M) * 2.0, times.argmin(axis=0).astype(np.int32), np.zeros(M)
    assert_same("cheapest", dual, *given, prices, choice, loads)
    assert_same("tally", assign, times, queue, choice, loads)
    assert_same("earliest", lists, times, np.arange(N), queue, choice)
    assign.tally(times, queue, choice, loads)
    assert_same("absorb", assign, prices, np.float32(0.5), 1.0, float(loads.mean()), loads)
    noise = np.random.default_rng(4).random(4096 + M, np.float32)
    scratch = np.zeros(N, np.float32), np.zeros(N, np.int32), np.zeros(N, np.int32)
    (moved, compiled), (plainly_moved, found) = both(
        "shed", assign, *given, prices, float(loads.mean()), choice, loads, *scratch
    )
    assert plainly_moved == moved > 0
    assert (found[5] == compiled[5]).all()
    for fresh in (True, False):
        target = float(loads.mean())
        steering = (prices, queue, target, np.float32(0.7), np.float32(0.002), noise, fresh, choice, loads)
        (_, compiled), (_, found) = both("sweep", assign, *given, *steering)
        # The compiled one steers every sixteen operations along the way, the plain one every one.
        assert found[-1].max() == pytest.approx(compiled[-1].max(), rel=0.1)
        assert np.bincount(found[-2], times[found[-2], np.arange(N)], M) + queue == pytest.approx(found[-1], rel=1e-5)


@pytest.mark.parametrize("with_costs", [False, True])
def test_prices_lead_to_the_same_bound(times, costs, with_costs):
    given = (times, costs if with_costs else NO_COSTS, with_costs)
    bounds = []
    for module in (dual, plain):
        logs, prices = np.zeros(M), np.empty(M, np.float32)
        for plan in ((2, 6, 4, 0.2), (7, 9, 6, 0.01)):
            module.ascend(*given, np.arange(M) * 2.0, 1.0, logs, *plan)
        module.spread(logs, 1.0, prices)
        assert prices.sum() == pytest.approx(1.0, rel=1e-5)
        values = dual.cheapest(*given, prices, np.empty(N, np.int32), np.empty(M))
        bounds.append(values + float(prices @ (np.arange(M) * 2.0)))
    assert bounds[1] == pytest.approx(bounds[0], rel=2e-3)


def mixed(n):
    kinds = [
        OperationKind(name="a", work={"x": 1.0, "y": 2.0}, coherence_us=1.0),
        OperationKind(name="b", work={"y": 1.0}),
    ]
    resources = [
        Resource(name="x", kind="x", queue_s=3.0, coherence_us=9.0),
        Resource(name="y", kind="y", site="s", default_link_s_per_mib=1.0),
        Resource(name="z", kind="y", default_speed=0.7),
    ]
    operations = [
        Operation(
            id=str(j), kind="ab"[j % 2], size=1.0 + j % 3, data_mib=0.1 * (j % 4), site="t",
            deadline_s=2.0 if j % 50 == 0 else 9e9,
        )
        for j in range(n)
    ]  # fmt: skip
    return kinds, resources, operations


@pytest.mark.parametrize("weights", [MAKESPAN_ONLY, Weights()], ids=["makespan", "all objectives"])
@pytest.mark.parametrize("n", [40, 3_000])
def test_plain_answers_are_certified_and_say_that_they_are_plain(n, weights):
    compiled = solve(Problem.of(*mixed(n)), weights=weights)
    with plainly():
        answer = solve(Problem.of(*mixed(n)), weights=weights)
    assert answer.plain
    assert not compiled.plain
    # No bound is above what anybody reached, and the plain one is not far below.
    assert answer.bound <= compiled.score.total * (1 + 1e-9)
    assert answer.bound == pytest.approx(compiled.bound, rel=0.02)
    assert answer.score.total <= compiled.score.total * 1.1
    assert answer.hopeless == compiled.hopeless


def test_a_solver_that_needs_kernels_says_that_they_are_being_compiled():
    with plainly(), pytest.raises(Unavailable, match="being compiled") as refused:
        solve(Problem.from_times(np.ones((2, 3))), method="genetic")
    assert "prices" in refused.value.hint


def test_plain_answers_load_no_compiler():
    code = (
        "import sys, numpy as np\n"
        "from phalanx.balancing import Problem, plainly, solve\n"
        "with plainly():\n"
        "    solve(Problem.from_times(np.random.default_rng(1).random((3, 50)) + 0.1))\n"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
