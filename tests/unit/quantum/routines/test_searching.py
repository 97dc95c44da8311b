"""Grover's search against its closed form, against circuits, and against looking."""

import math

import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum import parse, simulate
from phalanx.quantum.routines import amplified, chance_of_marked, search_circuit, search_indicators

VALUES = [f"host-{j}.example" for j in range(300)]


@pytest.mark.requirement("IRS-2")
@pytest.mark.parametrize("wanted", [set(), {7}, {0, 299}, {3, 4, 5, 100, 200}, set(range(300))])
def test_all_that_are_on_the_list_are_found_and_nothing_else(wanted):
    answer = search_indicators(VALUES, {VALUES[j] for j in wanted} | {"elsewhere.example"}, seed=5, alpha=1e-4)
    assert answer.found["places"] == sorted(wanted)
    assert answer.agrees
    assert answer.quantum.cost_unit == answer.classical[0].cost_unit
    assert answer.classical[0].cost == len(VALUES)
    assert answer.provenance.origin.value == "simulated"


def test_the_same_seed_asks_the_same_questions():
    first, second, third = (search_indicators(VALUES, VALUES[:3], seed=seed).quantum.cost for seed in (1, 1, 2))
    assert first == second
    assert first != third


@pytest.mark.parametrize(("n", "marked"), [(16, [3]), (64, [1, 50]), (256, [0, 1, 2, 3]), (8, list(range(8)))])
def test_amplitudes_follow_the_closed_form(n, marked):
    mask = np.zeros(n, dtype=bool)
    mask[marked] = True
    for iterations in range(12):
        state = amplified(mask, iterations)
        assert float(np.sum(state**2)) == pytest.approx(1)
        assert float(np.sum(state[mask] ** 2)) == pytest.approx(chance_of_marked(n, len(marked), iterations))


@pytest.mark.parametrize(("bits", "marked"), [(1, [1]), (2, [2]), (3, [5]), (4, [0, 9]), (6, [3, 33, 60])])
def test_the_circuit_does_what_the_kernel_does(bits, marked):
    mask = np.zeros(1 << bits, dtype=bool)
    mask[marked] = True
    for iterations in (0, 1, 2):
        weights = simulate.probabilities(parse(search_circuit(marked, bits, iterations)))
        assert weights == pytest.approx(amplified(mask, iterations) ** 2, abs=1e-9)


def test_questions_grow_as_the_square_root():
    sizes, costs = (256, 1_024, 4_096, 16_384), []
    for size in sizes:
        values = [str(j) for j in range(size)]
        costs.append(sum(search_indicators(values, ["9"], seed=seed).quantum.cost for seed in range(12)))
    slope = np.polyfit(np.log(sizes), np.log(costs), 1)[0]
    assert 0.4 < slope < 0.6


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(InvalidInput, match="values"):
        search_indicators([], ["x"], seed=1)
    with pytest.raises(InvalidInput, match="alpha"):
        search_indicators(["x"], ["x"], seed=1, alpha=1.5)
    with pytest.raises(LimitExceeded):
        search_indicators(["x"] * ((1 << 20) + 1), ["x"], seed=1)
    with pytest.raises(LimitExceeded):
        search_circuit([0], 11, 1)
    with pytest.raises(InvalidInput, match="marked"):
        search_circuit([8], 3, 1)
    assert math.isclose(chance_of_marked(4, 1, 1), 1.0)
