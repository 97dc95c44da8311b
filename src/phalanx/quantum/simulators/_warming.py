"""Runs a small circuit through every kernel of mapping and simulation, so that compiled code is kept for later."""

import numpy as np

from phalanx.core import Circuit, Rng
from phalanx.quantum._canonical import PREAMBLE
from phalanx.quantum._circuits import Gates
from phalanx.quantum.mapping import Noise, estimated_success, map_circuit
from phalanx.quantum.simulators._annealing import annealed
from phalanx.quantum.simulators._running import probabilities, run

# Decides, resets and measures in between: with a gate beyond Clifford shot by shot, without one by tableaux.
_DECIDES = """\
qubit[2] q;
bit[2] c;
h q[0];
c[0] = measure q[0];
if (c[0]) { %s q[1]; }
reset q[0];
c[1] = measure q[1];
"""


def warm_mapping() -> None:
    """Layout, routing, and how likely a mapped circuit comes through."""
    line = [(0, 1), (1, 2)]
    mapped = map_circuit(_circuit(), line, 3, noise=_noise(), trials=2)
    estimated_success(mapped.circuit, _noise())


def warm_simulators() -> None:
    """Every method, with noise and without."""
    rng, circuit = Rng(1).child("warming"), _circuit()
    run(circuit, shots=2, rng=rng)
    run(Gates(2).h(0).cx(0, 1).measure(0, 1).circuit(), shots=2, rng=rng)
    for gate in ("x", "h", "t"):
        run(Circuit.from_canonical(PREAMBLE + _DECIDES % gate, 2), shots=2, rng=rng)
    mapped = map_circuit(circuit, [(0, 1), (1, 2)], 3, trials=1).circuit
    for method in ("density", "trajectories"):
        run(mapped, shots=2, rng=rng, noise=_noise(), method=method)
    probabilities(mapped, _noise())
    pairs, ones = np.array([[0, 1]], np.int32), np.ones(2)
    annealed(ones, pairs, ones[:1], shots=1, generator=rng.numpy(), sweeps=2)


def _circuit() -> Gates:
    return Gates(3).h(0).rx(0.3, 1).cx(0, 1).cx(1, 2).cx(0, 2).measure(0, 1, 2)


def _noise() -> Noise:
    qubits, couplers = np.ones(3), np.ones(2)
    return Noise(
        t1_ns=1e5 * qubits, t2_ns=1e5 * qubits, readout_error=0.01 * qubits, one_qubit_error=1e-3 * qubits,
        one_qubit_ns=20.0 * qubits, readout_ns=1e3 * qubits, pairs=np.array([[0, 1], [1, 2]], np.int32),
        two_qubit_error=0.01 * couplers, two_qubit_ns=60.0 * couplers,
    )  # fmt: skip
