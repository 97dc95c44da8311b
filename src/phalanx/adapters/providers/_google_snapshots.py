"""Takes the noise properties of Google's virtual processors out of the SDK, for the file that ``devices`` ships."""

import math
from importlib.metadata import version
from typing import Any

import numpy as np

from phalanx.core import Unavailable
from phalanx.devices import ErrorKind, Numbers, Quality, Snapshot, SnapshotHead, calibration

_NS_PER_MS = 1_000_000
_ONE_QUBIT, _TWO_QUBIT = "PhasedXZGate", ("CZPowGate", "SycamoreGate")
_MAX_SHOTS = 100_000
_KINDS = Quality(readout=ErrorKind.ASSIGNMENT, one_qubit=ErrorKind.PAULI, two_qubit=ErrorKind.PAULI)


def google_snapshots() -> list[Snapshot]:
    """All processors of the installed SDK, by name. Raises ``Unavailable`` without the extra ``google``."""
    try:
        from cirq_google import engine
    except ImportError as error:
        raise Unavailable("the SDK of Google", str(error), hint="pip install 'phalanx[google]'") from error
    source = f"cirq-google {version('cirq-google')}"
    names = sorted(engine.list_virtual_processors())
    found = []
    for name in names:
        dated = engine.load_median_device_calibration(name).timestamp
        found.append(_snapshot(name, engine.load_device_noise_properties(name), int(dated) * _NS_PER_MS, source))
    return found


def _snapshot(name: str, noise: Any, calibrated_at_ns: int, source: str) -> Snapshot:
    qubits = sorted(noise.qubits)
    place = {qubit: at for at, qubit in enumerate(qubits)}
    errors: dict[str, dict[tuple[int, ...], float]] = {}
    for one, error in noise.gate_pauli_errors.items():
        ends = tuple(sorted(place[qubit] for qubit in one.qubits))
        kind = errors.setdefault(one.gate_type.__name__, {})
        kind[ends] = min(kind.get(ends, 1.0), float(error))
    durations = {gate.__name__: float(ns) for gate, ns in noise.gate_times_ns.items()}
    two = next(gate for gate in _TWO_QUBIT if gate in errors)
    pairs = sorted(errors[two])
    t1 = [float(noise.t1_ns.get(qubit, math.nan)) for qubit in qubits]
    tphi = [float((noise.tphi_ns or {}).get(qubit, math.nan)) for qubit in qubits]
    numbers = Numbers(
        t1_ns=t1,
        t2_ns=[1 / (1 / (2 * a) + 1 / b) for a, b in zip(t1, tphi, strict=True)],
        readout_error=[float(np.mean(noise.readout_errors.get(qubit, math.nan))) for qubit in qubits],
        readout_ns=durations.get("MeasurementGate", math.nan),
        one_qubit_error=[errors.get(_ONE_QUBIT, {}).get((at,), math.nan) for at in range(len(qubits))],
        one_qubit_ns=durations.get(_ONE_QUBIT, math.nan),
        two_qubit_error=[errors[two][pair] for pair in pairs],
        two_qubit_ns=durations.get(two, math.nan),
        kinds=_KINDS,
    )
    made = calibration(
        len(qubits), np.array(pairs, np.int32), numbers, calibrated_at_ns=calibrated_at_ns, source=source
    )
    head = SnapshotHead(
        name=name, title=name, n_qubits=len(qubits), n_couplers=len(pairs), calibrated_at_ns=calibrated_at_ns,
        source=source, operations=(("PhasedXZGate", 1), ("ZPowGate", 1), (two, 2), ("MeasurementGate", 0)),
        max_shots=_MAX_SHOTS, readout_kind=_KINDS.readout.value, one_qubit_kind=_KINDS.one_qubit.value,
        two_qubit_kind=_KINDS.two_qubit.value,
    )  # fmt: skip
    return Snapshot(head, made)
