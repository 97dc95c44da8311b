"""Circuits of qubits on photons against their statevector, and the published odds of the gates."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import LimitExceeded, Rng
from phalanx.quantum import Gates, InvalidCircuit, simulate
from phalanx.quantum.circuits import read
from phalanx.quantum.photonic import Source, _encoding, drawn, expected, on_photons


def spelt(made):
    """Bits and how probable they are among what is kept, and how much is kept."""
    found = expected(made.program)
    bits = Counter()
    for outcome, weight in found.weights.items():
        bits[made.program.bits(outcome)] += weight / found.kept
    return bits, found.kept


def ideal(gates):
    weights = simulate.probabilities(gates)
    return {f"{at:0{len(gates.measured)}b}": weight for at, weight in enumerate(weights) if weight > 1e-9}


def test_a_bell_pair_is_post_selected_in_one_run_of_nine():
    made = on_photons(Gates(2).h(0).cx(0, 1).measure(0, 1).circuit())
    assert (made.program.modes, made.program.n_photons) == (6, 2)
    assert (made.postselected, made.heralded, made.success) == (1, 0, Fraction(1, 9))
    bits, kept = spelt(made)
    assert bits == pytest.approx({"00": 0.5, "11": 0.5})
    assert kept == pytest.approx(1 / 9)


@pytest.mark.parametrize("start", range(4))
def test_a_gate_that_comes_twice_is_heralded_in_two_runs_of_27(start):
    gates = Gates(2)
    for qubit in range(2):
        if start >> (1 - qubit) & 1:
            gates.x(qubit)
    gates.h(0).cx(0, 1).h(1).cx(0, 1).h(0).measure(0, 1)
    made = on_photons(gates.circuit())
    assert (made.postselected, made.heralded, made.success) == (0, 2, Fraction(2, 27) ** 2)
    assert made.program.photons == (1, 0, 1, 0, 1, 1, 1, 1)
    bits, kept = spelt(made)
    assert bits == pytest.approx(ideal(gates), abs=1e-9)
    assert kept == pytest.approx(float(made.success))


def test_gates_without_rings_are_post_selected_and_those_in_rings_heralded():
    line = Gates(4).h(0).cx(0, 1).cx(1, 2).cx(1, 3).measure(0, 1, 2, 3)
    made = on_photons(line.circuit())
    assert (made.postselected, made.heralded) == (3, 0)
    bits, kept = spelt(made)
    assert bits == pytest.approx({"0000": 0.5, "1111": 0.5})
    assert kept == pytest.approx(9**-3)
    ring = Gates(4).h(0).cz(0, 1).cz(1, 2).cz(2, 0).cz(2, 3).measure(0, 1, 2, 3)
    made = on_photons(ring.circuit())
    assert (made.postselected, made.heralded) == (1, 3)


def test_a_gate_that_came_twice_and_was_post_selected_would_come_out_wrong(monkeypatch):
    """That is what heralds are for: what went wrong in one post-selected gate is put right by another."""
    gates = Gates(2).h(0).h(1).cz(0, 1).h(0).h(1).cz(0, 1).h(0).measure(0, 1)
    bits, _ = spelt(on_photons(gates.circuit()))
    assert bits == pytest.approx(ideal(gates), abs=1e-9)
    monkeypatch.setattr(_encoding, "_alone", lambda n, gates: [True] * len(gates))
    bits, _ = spelt(on_photons(gates.circuit()))
    exact = ideal(gates)
    assert sum(abs(bits[key] - exact.get(key, 0.0)) for key in {*bits, *exact}) > 0.1


ANGLES = st.floats(-3, 3, allow_nan=False)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(ANGLES, ANGLES, ANGLES), min_size=6, max_size=6), st.booleans())
def test_circuits_come_out_as_their_statevector_says(angles, joined):
    gates, at = Gates(3), iter(angles)

    def turn():
        for qubit in range(3):
            a, b, _ = next(at)
            gates.ry(a, qubit).rz(b, qubit)

    turn()
    gates.cx(0, 1)
    gates.cz(1, 2) if joined else gates.cx(2, 1)
    turn()
    made = on_photons(gates.measure(2, 0, 1).circuit())
    assert (made.postselected, made.heralded) == (2, 0)
    bits, kept = spelt(made)
    exact = ideal(gates)
    assert max(abs(bits[key] - exact.get(key, 0.0)) for key in {*bits, *exact}) < 1e-7
    assert kept == pytest.approx(1 / 81)


def test_the_heralded_gate_is_unitary_and_as_published():
    matrix = _encoding.knill()
    np.testing.assert_allclose(matrix.conj().T @ matrix, np.eye(4), atol=1e-12)
    assert matrix[0, 3].real == pytest.approx(2 / 3)
    assert matrix[2, 0].real == pytest.approx(-math.sqrt(3 + math.sqrt(6)) / 3)


def test_draws_with_losses_are_kept_as_expected_and_photons_that_differ_spoil_the_pair():
    made = on_photons(Gates(2).h(0).cx(0, 1).measure(0, 1).circuit())
    source = Source(transmittance=0.3, indistinguishability=0.9, g2=0.02)
    exact = expected(made.program, source)
    counts = drawn(made.program, 200_000, Rng(1), source)
    assert sum(counts.values()) / 200_000 == pytest.approx(exact.kept, rel=0.05)
    bits = Counter()
    for outcome, weight in exact.weights.items():
        bits[made.program.bits(outcome)] += weight / exact.kept
    assert 0.02 < bits["01"] + bits["10"] < 0.2


def test_what_photons_cannot_do_is_refused_with_the_reason():
    with pytest.raises(InvalidCircuit, match="measurements come last"):
        on_photons(read('OPENQASM 3.0; include "stdgates.inc"; qubit[1] q; bit[1] c; c[0] = measure q[0]; reset q[0];'))
    with pytest.raises(InvalidCircuit, match="measures nothing"):
        on_photons(Gates(1).h(0).circuit())
    with pytest.raises(LimitExceeded, match="photons of one circuit is limited to 16, got 17"):
        on_photons(Gates(17).h(0).measure(0).circuit())
    many = Gates(3)
    for _ in range(7):
        many.cx(0, 1).ry(0.3, 1)
    with pytest.raises(LimitExceeded, match="photons of one circuit"):
        on_photons(many.measure(0, 1).circuit())
