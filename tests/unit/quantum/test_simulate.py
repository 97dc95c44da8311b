import math

import numpy as np
import pytest

from phalanx.core import LimitExceeded, Rng
from phalanx.quantum import MAX_SIMULATED_QUBITS, Gates, InvalidCircuit, TooWide, simulate


def test_qubit_zero_is_the_leftmost():
    state = simulate.statevector(Gates(3).x(0))
    assert state[0b100] == 1.0
    assert np.count_nonzero(state) == 1


def test_a_ghz_state():
    state = simulate.statevector(Gates(4).h(0).cx(0, 1).cx(1, 2).cx(2, 3))
    assert np.allclose(state[[0, 15]], math.sqrt(0.5))
    assert np.allclose(np.delete(state, [0, 15]), 0)


def test_counts_spell_the_bits_in_the_order_they_were_measured():
    gates = Gates(3).x(2).measure(2, 0)
    assert simulate.counts(gates, 10, Rng(0)) == {"10": 10}


def test_unmeasured_qubits_are_summed_over():
    gates = Gates(3).h(0).cx(0, 2).ry(2 * math.asin(math.sqrt(0.2)), 1).measure(1)
    assert simulate.probabilities(gates) == pytest.approx([0.8, 0.2])


def test_counts_repeat_with_the_seed_and_move_with_it():
    gates = Gates(2).h(0).h(1).measure(0, 1)
    first = simulate.counts(gates, 500, Rng(1))
    assert first == simulate.counts(gates, 500, Rng(1))
    assert first != simulate.counts(gates, 500, Rng(2))
    assert sum(first.values()) == 500
    assert list(first) == sorted(first)


def test_width_is_refused_before_memory_is_taken():
    with pytest.raises(TooWide) as caught:
        simulate.statevector(Gates(64).h(0))
    assert (caught.value.maximum, caught.value.seen) == (MAX_SIMULATED_QUBITS, 64)


def test_work_is_bounded():
    gates = Gates(MAX_SIMULATED_QUBITS)
    gates.ops = Gates(1).h(0).ops * (1 << 13)
    with pytest.raises(LimitExceeded, match="gates × amplitudes"):
        simulate.statevector(gates)


def test_something_must_be_measured_and_shots_are_bounded():
    with pytest.raises(InvalidCircuit, match="nothing is measured"):
        simulate.counts(Gates(1).h(0), 10, Rng(0))
    for shots in (0, 1_000_001):
        with pytest.raises(LimitExceeded):
            simulate.counts(Gates(1).measure(0), shots, Rng(0))


@pytest.mark.parametrize("target", [0, 7, 13])
def test_the_long_and_the_short_row_kernel_agree(target):
    # Wide enough that a qubit on the left takes one kernel and one on the right the other.
    gates = Gates(14)
    for q in range(14):
        gates.ry(0.1 * (q + 1), q)
    expected = np.ones(1)
    for q in range(14):
        angle = 0.05 * (q + 1) + (0.35 if q == target else 0.0)
        expected = np.multiply.outer(expected, [math.cos(angle), math.sin(angle)]).reshape(-1)
    assert np.allclose(simulate.statevector(gates.ry(0.7, target)), expected)
