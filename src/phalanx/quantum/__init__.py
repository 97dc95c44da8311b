"""Circuits as canonical OpenQASM 3, an ideal simulator, and the quantum routines that answer security questions.

The room knows no device: a routine is given a ``ShotRunner`` and says what it ran in its ``Provenance``.

Errors::

    PhalanxError (core)
    ├── QuantumError
    │   └── InvalidCircuit      not a circuit, or not in canonical form
    │       └── UnreadableCircuit   a program from outside, with line and column
    ├── LimitExceeded (core)
    │   └── TooWide             more qubits than a statevector can hold here
    └── Unavailable (core)
        └── Contradictory       a device is too noisy for the method
"""

from phalanx.quantum import circuits, simulate
from phalanx.quantum._amplify import Amplifier
from phalanx.quantum._arrays import OP_CODES, OP_NAMES, ROW, GateArray, gate_array
from phalanx.quantum._attack import AttackModel, Stage
from phalanx.quantum._circuits import Gates, parse
from phalanx.quantum._errors import Contradictory, InvalidCircuit, QuantumError, TooWide, UnreadableCircuit
from phalanx.quantum._estimate import AmplitudeEstimate, estimate_probability
from phalanx.quantum._features import CircuitFeatures, features
from phalanx.quantum._gates import GATE_NAMES, Op
from phalanx.quantum._limits import MAX_SHOTS, MAX_SIMULATED_QUBITS, MAX_STAGES
from phalanx.quantum._observables import Observable
from phalanx.quantum._search import AmplitudeSearch, Look, samples_for
from phalanx.quantum._shots import ShotResult, ShotRunner

__all__ = [
    "GATE_NAMES",
    "MAX_SHOTS",
    "MAX_SIMULATED_QUBITS",
    "MAX_STAGES",
    "OP_CODES",
    "OP_NAMES",
    "ROW",
    "Amplifier",
    "AmplitudeEstimate",
    "AmplitudeSearch",
    "AttackModel",
    "CircuitFeatures",
    "Contradictory",
    "GateArray",
    "Gates",
    "InvalidCircuit",
    "Look",
    "Observable",
    "Op",
    "QuantumError",
    "ShotResult",
    "ShotRunner",
    "Stage",
    "TooWide",
    "UnreadableCircuit",
    "circuits",
    "estimate_probability",
    "features",
    "gate_array",
    "parse",
    "samples_for",
    "simulate",
]
