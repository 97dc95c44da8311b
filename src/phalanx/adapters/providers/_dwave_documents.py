"""What D-Wave's solver API says and is sent: solvers, problems and answers in the format ``qp``.

Numbers of a problem travel as little-endian doubles in base64, in the order in which the solver lists its qubits and
couplers: a field for every qubit, NaN where it takes no part, and a coupling for every coupler whose ends both do.
An answer has one row of bits for each different outcome, filled up to whole bytes, over the qubits that took part.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import Unavailable
from phalanx.devices import Calibration, IsingProblem, Spins, Status, uniform_calibration

_STATES = {"ONLINE": Status.ONLINE, "OFFLINE": Status.OFFLINE, "NON-WORKING": Status.OFFLINE}
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Solver:
    """One machine as it is wired now. ``labels`` are the vendor's numbers of its qubits, ascending; a qubit's place
    among them is ours. ``qubits`` and ``couplers`` are places in the order in which the vendor lists them."""

    identity: Mapping[str, Any]
    labels: tuple[int, ...]
    qubits: Places
    couplers: Places
    most_reads: int
    status: Status

    @property
    def graph(self) -> str:
        """Names the wiring: a machine that was wired anew has another."""
        return graph_of(self.identity)


@dataclass(frozen=True, slots=True)
class Answer:
    """Different outcomes ``spins`` (k, qubits that took part), how often each, and for how long the machine worked."""

    taking_part: tuple[int, ...]
    spins: Spins
    counts: npt.NDArray[np.int64]
    used_s: float | None


def graph_of(identity: Mapping[str, Any]) -> str:
    return str((identity.get("version") or {}).get("graph_id") or "")


def is_annealer(told: Mapping[str, Any]) -> bool:
    """Whether a solver is a machine that takes Ising problems, and not a hybrid or a program."""
    properties = told.get("properties") or {}
    category = str(properties.get("category", "")).lower()
    return category in {"", "qpu"} and "ising" in (properties.get("supported_problem_types") or ())


def solver_of(told: Mapping[str, Any], what: str) -> Solver:
    """Raises ``Unavailable`` for a description that cannot be read."""
    try:
        properties = told["properties"]
        listed = [int(one) for one in properties["qubits"]]
        labels = tuple(sorted(listed))
        place = {label: at for at, label in enumerate(labels)}
        joined = [(place[int(a)], place[int(b)]) for a, b in properties["couplers"]]
        return Solver(
            identity=told["identity"], labels=labels, qubits=np.array([place[one] for one in listed], np.int64),
            couplers=np.array(joined, np.int64).reshape(-1, 2),
            most_reads=int(properties.get("num_reads_range", [1, 10_000])[1]),
            status=_STATES.get(str(told.get("status")).upper(), Status.OFFLINE),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise Unavailable(what, f"its description cannot be read: {type(error).__name__}: {error}") from error


def problem_data(problem: IsingProblem, taking_part: Sequence[int], solver: Solver) -> dict[str, Any]:
    """A problem on the machine's own qubits, of which those that take part are named by their places."""
    takes = np.zeros(len(solver.labels), np.bool_)
    takes[list(taking_part)] = True
    fields = np.where(takes, problem.fields, np.nan)[solver.qubits]
    given = {
        (int(a), int(b)): float(value) for (a, b), value in zip(problem.pairs, problem.couplings, strict=True)
    }  # fmt: skip
    couplings = [
        given.get((min(a, b), max(a, b)), 0.0) for a, b in solver.couplers.tolist() if takes[a] and takes[b]
    ]  # fmt: skip
    return {"format": "qp", "lin": _written(fields), "quad": _written(np.array(couplings)), "offset": 0.0}


def answer_of(told: Mapping[str, Any], solver: Solver, shots: int, what: str) -> Answer:
    """Raises ``Unavailable`` for what is no answer to so many shots."""
    try:
        place = {label: at for at, label in enumerate(solver.labels)}
        taking_part = tuple(place[int(one)] for one in _read(told["active_variables"], "<i4"))
        rows = len(_read(told["energies"], "<f8"))
        packed = np.frombuffer(base64.b64decode(told["solutions"]), np.uint8).reshape(rows, -1)
        bits = np.unpackbits(packed, axis=1)[:, : len(taking_part)]
        counts = (
            _read(told["num_occurrences"], "<i4") if told.get("num_occurrences") is not None else np.ones(rows)
        ).astype(np.int64)  # fmt: skip
        if bits.shape != (counts.size, len(taking_part)) or counts.sum() != shots or (counts < 1).any():
            raise ValueError(f"{counts.sum()} outcomes of {bits.shape[1]} qubits")
        used_us = (told.get("timing") or {}).get("qpu_access_time")
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(what, f"its answer is not that of {shots} shots: {type(error).__name__}: {error}") from error
    return Answer(
        taking_part, (2 * bits.astype(np.int8) - 1).astype(np.int8), counts,
        None if used_us is None else float(used_us) / 1e6,
    )  # fmt: skip


def topology(n_qubits: int, pairs: Places) -> Calibration:
    """Nothing is published of errors: the wiring alone."""
    numbers = {"two_qubit_error": 0.0}
    return uniform_calibration(
        n_qubits, pairs.astype(np.int32), numbers, calibrated_at_ns=0, source="topology alone"
    )  # fmt: skip


def _written(numbers: npt.NDArray[np.float64]) -> str:
    return base64.b64encode(numbers.astype("<f8").tobytes()).decode()


def _read(text: str, kind: str) -> npt.NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), kind)
