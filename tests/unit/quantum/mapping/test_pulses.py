"""Circuits as pulses, turns about axes in the equator, against our simulator, which knows nothing of frames."""

import math

import numpy as np
import pytest

from phalanx.core import Rng
from phalanx.quantum import Gates, InvalidCircuit, Op, simulate
from phalanx.quantum.circuits import read
from phalanx.quantum.mapping import Pulse, map_circuit, to_pulses


def random_gates(seed):
    rng = Rng(seed).child("pulses")
    gates = Gates(4)
    for _ in range(20):
        a, b, c = rng.sample((0, 1, 2, 3), 3)
        gates.rx(rng.uniform(-3, 3), a).p(rng.uniform(-3, 3), b).cz(a, b).h(c).add(Op("sxdg", (b,)))
    return gates


@pytest.mark.parametrize("seed", range(8))
def test_pulses_are_the_circuit(seed):
    """Other gates come before: from a state with phases, a circuit and its mirror image differ."""
    before, gates = random_gates(seed), random_gates(100 + seed)
    pulses, measured = to_pulses(random_gates(100 + seed).measure(3, 0, 2).circuit())
    again = Gates(4).extend(before.ops)
    for pulse in pulses:
        if len(pulse.qubits) == 2:
            again.cz(*pulse.qubits)
        else:
            (qubit,) = pulse.qubits
            again.rz(-pulse.phase, qubit).rx(pulse.angle, qubit).rz(pulse.phase, qubit)
    expected = simulate.probabilities(Gates(4).extend([*before.ops, *gates.ops]).measure(3, 0, 2))
    np.testing.assert_allclose(simulate.probabilities(again.measure(*measured)), expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_routed_circuit_keeps_its_outcomes(seed):
    gates = random_gates(seed).ccx(0, 1, 2).measure(3, 0, 2)
    pulses, measured = to_pulses(map_circuit(gates, [(at, at + 1) for at in range(4)], 5, basis="cz").circuit)
    again = Gates(5)
    for pulse in pulses:
        if len(pulse.qubits) == 2:
            again.cz(*pulse.qubits)
        else:
            again.rz(-pulse.phase, *pulse.qubits).rx(pulse.angle, *pulse.qubits).rz(pulse.phase, *pulse.qubits)
    np.testing.assert_allclose(
        simulate.probabilities(again.measure(*measured)), simulate.probabilities(gates), atol=1e-9
    )


def test_gates_on_one_qubit_are_one_pulse_and_turns_about_z_are_none():
    circuit = Gates(2).h(0).rz(0.3, 0).ry(0.2, 0).rz(1.0, 1).measure(1, 0).circuit()
    pulses, measured = to_pulses(circuit)
    assert [pulse.qubits for pulse in pulses] == [(0,)]
    assert measured == (1, 0)
    assert to_pulses(Gates(1).x(0).measure(0).circuit())[0] == [Pulse((0,), math.pi, 0.0)]


def test_what_is_no_pulse_is_refused():
    with pytest.raises(InvalidCircuit, match="map the circuit"):
        to_pulses(Gates(2).cx(0, 1).measure(0, 1).circuit())
    with pytest.raises(InvalidCircuit, match="in between"):
        to_pulses(read('OPENQASM 3.0; include "stdgates.inc"; qubit[1] q; bit[2] c; c[0] = measure q[0]; x q[0]; '
                      "c[1] = measure q[0];"))  # fmt: skip
