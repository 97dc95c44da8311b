"""Takes the calibrations of IBM's machines out of the SDK's snapshots, for the file that ``devices`` ships.

The SDK needs ten seconds to load what the file gives in a hundredth. Numbers are the vendor's; nothing is filled in.
"""

import math
import warnings
from datetime import datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from phalanx.core import NS_PER_S, Unavailable
from phalanx.devices import ErrorKind, Numbers, Quality, Snapshot, SnapshotHead, calibration

# The gate whose error stands for all one-qubit gates: the only physical pulse of each generation.
_ONE_QUBIT = ("sx", "u2", "x")
_TWO_QUBIT = ("cz", "ecr", "cx")
_MAX_SHOTS = 100_000
_KINDS = Quality(readout=ErrorKind.ASSIGNMENT, one_qubit=ErrorKind.RB, two_qubit=ErrorKind.RB)


def ibm_snapshots() -> list[Snapshot]:
    """All of the installed SDK, by name. Raises ``Unavailable`` without the extra ``ibm``. Takes ten seconds."""
    try:
        from qiskit_ibm_runtime.fake_provider import FakeProviderForBackendV2
    except ImportError as error:
        raise Unavailable("the SDK of IBM Quantum", str(error), hint="pip install 'phalanx[ibm]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        backends = FakeProviderForBackendV2().backends()
        source = f"qiskit-ibm-runtime {version('qiskit-ibm-runtime')}"
        return [_snapshot(backend, source) for backend in sorted(backends, key=lambda backend: str(backend.name))]


def snapshot_of_target(
    name: str, title: str, target: Any, calibrated_at: datetime, *, source: str, faulty: frozenset[int] = frozenset()
) -> Snapshot:
    """The arrays of a Qiskit ``Target``, whichever machine it is of."""
    n_qubits = int(target.num_qubits)
    couplers: dict[tuple[int, int], tuple[float, float]] = {}
    for gate in _TWO_QUBIT:
        for pair, found in (target[gate] if gate in target.operation_names else {}).items():
            ends = (min(pair), max(pair))
            couplers[ends] = min(couplers.get(ends, (math.inf, math.nan)), _error_and_ns(found), key=_by_error)
    pairs = sorted(couplers)
    one = [_first(target, _ONE_QUBIT, qubit) for qubit in range(n_qubits)]
    readout = [_first(target, ("measure",), qubit) for qubit in range(n_qubits)]
    qubits = target.qubit_properties or [None] * n_qubits
    numbers = Numbers(
        t1_ns=[_ns(getattr(qubit, "t1", None)) for qubit in qubits],
        t2_ns=[_ns(getattr(qubit, "t2", None)) for qubit in qubits],
        readout_error=[error for error, _ in readout],
        readout_ns=[duration for _, duration in readout],
        one_qubit_error=[error for error, _ in one],
        one_qubit_ns=[duration for _, duration in one],
        two_qubit_error=[couplers[pair][0] for pair in pairs],
        two_qubit_ns=[couplers[pair][1] for pair in pairs],
        faulty_qubit=[qubit in faulty for qubit in range(n_qubits)],
        kinds=_KINDS,
    )
    calibrated_at_ns = int(calibrated_at.timestamp()) * NS_PER_S
    made = calibration(n_qubits, np.array(pairs, np.int32), numbers, calibrated_at_ns=calibrated_at_ns, source=source)
    head = SnapshotHead(
        name=name, title=title, n_qubits=n_qubits, n_couplers=len(pairs), calibrated_at_ns=calibrated_at_ns,
        source=source, operations=_operations(target), max_shots=_MAX_SHOTS, readout_kind=_KINDS.readout.value,
        one_qubit_kind=_KINDS.one_qubit.value, two_qubit_kind=_KINDS.two_qubit.value,
    )  # fmt: skip
    return Snapshot(head, made)


def _snapshot(backend: Any, source: str) -> Snapshot:
    properties = backend.properties()
    name = str(backend.name)
    return snapshot_of_target(
        name, f"ibm_{name.removeprefix('fake_')}", backend.target, properties.last_update_date,
        source=source, faulty=frozenset(properties.faulty_qubits()),
    )  # fmt: skip


def _operations(target: Any) -> tuple[tuple[str, int], ...]:
    found = []
    for name in sorted(target.operation_names):
        n_qubits = getattr(target.operation_from_name(name), "num_qubits", 0)
        found.append((str(name), n_qubits if isinstance(n_qubits, int) else 0))
    return tuple(found)


def _first(target: Any, gates: tuple[str, ...], qubit: int) -> tuple[float, float]:
    """Error and duration of the first of ``gates`` that the qubit has a number for."""
    for gate in gates:
        found = (target[gate] if gate in target.operation_names else {}).get((qubit,))
        if found is not None and found.error is not None:
            return _error_and_ns(found)
    return math.nan, math.nan


def _error_and_ns(found: Any) -> tuple[float, float]:
    error = getattr(found, "error", None)
    return (math.nan if error is None else min(float(error), 1.0)), _ns(getattr(found, "duration", None))


def _by_error(one: tuple[float, float]) -> float:
    return math.inf if math.isnan(one[0]) else one[0]


def _ns(seconds: float | None) -> float:
    return math.nan if seconds is None or math.isinf(seconds) else float(seconds) * NS_PER_S
