"""The kernel against gates one by one, and the machine against what it is told."""

import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum import Gates, simulate
from phalanx.quantum.routines import PhaseKernel, RidgeMachine, gaussian_kernel


def by_gates(row, repeats):
    """The map as gates: Hadamards, a phase of 2x on each qubit, a phase of 2(π−x)(π−y) between two CNOTs."""
    n = len(row)
    gates = Gates(n)
    for _ in range(repeats):
        for q in range(n):
            gates.h(q)
        for q in range(n):
            gates.p(2 * row[q], q)
        for j in range(n):
            for k in range(j + 1, n):
                gates.cx(j, k)
                gates.p(2 * (np.pi - row[j]) * (np.pi - row[k]), k)
                gates.cx(j, k)
    return simulate.statevector(gates)


@pytest.mark.requirement("QML-1")
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_states_are_those_of_the_gates(n):
    rows = np.random.default_rng(1).uniform(0, np.pi, (5, n))
    made = PhaseKernel(n).states(rows)
    for row, state in zip(rows, made, strict=True):
        assert abs(np.vdot(by_gates(row, 2), state)) == pytest.approx(1)


def test_a_kernel_is_symmetric_positive_and_one_on_the_diagonal():
    rows = np.random.default_rng(2).uniform(0, 1, (40, 5))
    for pairs in ("full", "chain", "none"):
        matrix = PhaseKernel(5, pairs=pairs, bandwidth=0.7).matrix(rows)
        assert matrix == pytest.approx(matrix.T)
        assert np.diag(matrix) == pytest.approx(np.ones(40))
        assert np.linalg.eigvalsh(matrix).min() > -1e-9
        assert PhaseKernel(5, pairs=pairs, bandwidth=0.7).matrix(rows[:3], rows) == pytest.approx(matrix[:3])


def test_a_machine_tells_circles_apart_that_no_line_does():
    rng = np.random.default_rng(3)
    rows = rng.uniform(-1, 1, (300, 2))
    labels = (rows**2).sum(axis=1) < 0.5
    for kernel in (lambda a, b: gaussian_kernel(a, b, width=0.5), PhaseKernel(2, bandwidth=0.9).matrix):
        machine = RidgeMachine(kernel(rows[:200], rows[:200]), labels[:200], ridge=1e-3)
        right = (machine.scores(kernel(rows[200:], rows[:200])) > 0) == labels[200:]
        assert right.mean() > 0.9
    line = RidgeMachine(rows[:200] @ rows[:200].T, labels[:200], ridge=1e-3)
    assert ((line.scores(rows[200:] @ rows[:200].T) > 0) == labels[200:]).mean() < 0.8


def test_bad_input_is_refused():
    with pytest.raises(LimitExceeded):
        PhaseKernel(15)
    with pytest.raises(InvalidInput, match="pairs"):
        PhaseKernel(2, pairs="some")
    with pytest.raises(InvalidInput, match="rows"):
        PhaseKernel(2).matrix(np.zeros((3, 3)))
    with pytest.raises(InvalidInput, match="kernel"):
        RidgeMachine(np.eye(3), [True, False], ridge=1)
    with pytest.raises(InvalidInput, match="ridge"):
        RidgeMachine(np.eye(2), [True, False], ridge=0)
