"""Takes the error profiles of IQM's machines out of the maker's SDK, for the file that ``devices`` ships."""

import math
from datetime import datetime
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from phalanx.core import NS_PER_S, Unavailable
from phalanx.devices import ErrorKind, Numbers, Quality, Snapshot, SnapshotHead, calibration

_MACHINES = ("adonis", "aphrodite", "apollo", "garnet")
_KINDS = Quality(readout=ErrorKind.ASSIGNMENT, one_qubit=ErrorKind.AVERAGE, two_qubit=ErrorKind.AVERAGE)
_MAX_SHOTS = 20_000


def iqm_snapshots(dated: datetime) -> list[Snapshot]:
    """Machines without a central resonator, by name. Raises ``Unavailable`` without ``iqm-client[qiskit]``.

    The profiles name no date: ``dated`` is when the installed SDK was released, and the source says so.
    """
    try:
        modules = {name: import_module(f"iqm.qiskit_iqm.fake_backends.fake_{name}") for name in _MACHINES}
    except ImportError as error:
        raise Unavailable("the SDK of IQM", str(error), hint="pip install 'iqm-client[qiskit]'") from error
    source = f"iqm-client {version('iqm-client')}, error profile without a date: that of the release"
    dated_ns = int(dated.timestamp()) * NS_PER_S
    return [
        _snapshot(name, getattr(module, f"IQMFake{name.title()}")(), dated_ns, source)
        for name, module in modules.items()
    ]


def _snapshot(name: str, backend: Any, dated_ns: int, source: str) -> Snapshot:
    profile = backend.error_profile
    qubits = sorted(profile.t1s, key=lambda label: int(label.removeprefix("QB")))
    place = {label: at for at, label in enumerate(qubits)}
    one = profile.single_qubit_gate_depolarizing_error_parameters["prx"]
    two = {
        tuple(sorted(place[label] for label in pair)): error
        for pair, error in profile.two_qubit_gate_depolarizing_error_parameters["cz"].items()
    }
    pairs = sorted(two)
    numbers = Numbers(
        t1_ns=[profile.t1s[label] for label in qubits],
        t2_ns=[profile.t2s[label] for label in qubits],
        readout_error=[_mean(profile.readout_errors.get(label)) for label in qubits],
        # A depolarising parameter p is an average infidelity of p·(1 − 1/d).
        one_qubit_error=[one[label] / 2 for label in qubits],
        one_qubit_ns=float(profile.single_qubit_gate_durations["prx"]),
        two_qubit_error=[0.75 * two[pair] for pair in pairs],
        two_qubit_ns=float(profile.two_qubit_gate_durations["cz"]),
        kinds=_KINDS,
    )
    made = calibration(len(qubits), np.array(pairs, np.int32), numbers, calibrated_at_ns=dated_ns, source=source)
    head = SnapshotHead(
        name=name, title=f"IQM {name.title()}", n_qubits=len(qubits), n_couplers=len(pairs),
        calibrated_at_ns=dated_ns, source=source, operations=(("prx", 1), ("cz", 2), ("measure", 0)),
        max_shots=_MAX_SHOTS, readout_kind=_KINDS.readout.value, one_qubit_kind=_KINDS.one_qubit.value,
        two_qubit_kind=_KINDS.two_qubit.value,
    )  # fmt: skip
    return Snapshot(head, made)


def _mean(flips: dict[str, float] | None) -> float:
    return math.nan if not flips else float(np.mean(list(flips.values())))
