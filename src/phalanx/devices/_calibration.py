"""What is known about the quality of a device at one moment, as plain arrays with masks.

Invariants established on construction: T2 ≤ 2·T1 (fits report more, physics does not allow it); a coupler or qubit
whose error is unknown or ≥ ``DEAD_ERROR`` is masked as faulty, and no summary counts it; couplers are undirected,
``i < j``, each listed once. Unknown numbers are NaN, never a guess.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput
from phalanx.devices._limits import DEAD_ERROR, MAX_COUPLERS, MAX_QUBITS

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Pairs = npt.NDArray[np.int32]


class ErrorKind(Enum):
    """What an error rate measures; the same gate has different numbers under each."""

    UNKNOWN = "unknown"
    AVERAGE = "average-infidelity"
    PROCESS = "process-infidelity"
    PAULI = "pauli"
    RB = "randomised-benchmarking"
    XEB = "cross-entropy-benchmarking"
    ASSIGNMENT = "assignment"


_PER_QUBIT = (
    "t1_ns", "t2_ns", "readout_error", "one_qubit_error", "one_qubit_ns", "readout_ns",
    "readout_error_se", "one_qubit_error_se",
)  # fmt: skip
_PER_COUPLER = ("two_qubit_error", "two_qubit_ns", "two_qubit_error_se")
_ERRORS = ("readout_error", "one_qubit_error", "two_qubit_error")


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Per qubit (n,), per coupler (m,), with ``pair`` (m, 2). Build one with ``calibration()``.

    ``source`` says whose numbers these are. Two are the same when their ``id`` is.
    """

    calibrated_at_ns: int
    source: str
    t1_ns: Floats
    t2_ns: Floats
    readout_error: Floats
    one_qubit_error: Floats
    one_qubit_ns: Floats
    readout_ns: Floats
    faulty_qubit: Flags
    pair: Pairs
    two_qubit_error: Floats
    two_qubit_ns: Floats
    faulty_coupler: Flags
    readout_error_se: Floats
    one_qubit_error_se: Floats
    two_qubit_error_se: Floats
    readout_kind: ErrorKind = ErrorKind.UNKNOWN
    one_qubit_kind: ErrorKind = ErrorKind.UNKNOWN
    two_qubit_kind: ErrorKind = ErrorKind.UNKNOWN

    @property
    def n_qubits(self) -> int:
        return self.t1_ns.size

    @cached_property
    def id(self) -> str:
        """A digest of the numbers and their date: what caches are keyed by."""
        digest = hashlib.sha256(f"{self.calibrated_at_ns}/{self.source}".encode())
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                digest.update(one.name.encode() + value.tobytes())
        return digest.hexdigest()[:32]

    @cached_property
    def component(self) -> list[int]:
        """The largest set of working qubits that working couplers connect, in order."""
        parent = list(range(self.n_qubits))

        def root(qubit: int) -> int:
            while parent[qubit] != qubit:
                parent[qubit] = parent[parent[qubit]]
                qubit = parent[qubit]
            return qubit

        for a, b in self.pair[~self.faulty_coupler].tolist():
            parent[root(a)] = root(b)
        sets: dict[int, list[int]] = {}
        for qubit in np.flatnonzero(~self.faulty_qubit).tolist():
            sets.setdefault(root(qubit), []).append(qubit)
        return max(sets.values(), key=len, default=[])

    def age_ns(self, now_ns: int) -> int:
        return max(0, now_ns - self.calibrated_at_ns)

    def median(self, name: str) -> float:
        """The median of one field over what is not masked; NaN where nothing is known."""
        return median_of(getattr(self, name), self.faulty_coupler if name in _PER_COUPLER else self.faulty_qubit)

    def part(self, qubits: Iterable[int]) -> "Calibration":
        """Only ``qubits``, renumbered in the order given, with the couplers among them."""
        chosen = np.fromiter(qubits, np.int64)
        place = np.full(self.n_qubits, -1, np.int32)
        place[chosen] = np.arange(chosen.size, dtype=np.int32)
        kept = (place[self.pair] >= 0).all(axis=1)
        arrays = {name: getattr(self, name)[chosen] for name in (*_PER_QUBIT, "faulty_qubit")}
        arrays |= {name: getattr(self, name)[kept] for name in (*_PER_COUPLER, "faulty_coupler")}
        pair = np.sort(place[self.pair[kept]], axis=1)
        return Calibration(
            calibrated_at_ns=self.calibrated_at_ns, source=self.source, pair=pair, readout_kind=self.readout_kind,
            one_qubit_kind=self.one_qubit_kind, two_qubit_kind=self.two_qubit_kind, **arrays,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The kinds of a calibration's error rates, for ``calibration()``."""

    readout: ErrorKind = ErrorKind.UNKNOWN
    one_qubit: ErrorKind = ErrorKind.UNKNOWN
    two_qubit: ErrorKind = ErrorKind.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Raw numbers as a vendor gives them, for ``calibration()``. A field is one number for all, or an array."""

    t1_ns: object = np.nan
    t2_ns: object = np.nan
    readout_error: object = np.nan
    one_qubit_error: object = np.nan
    one_qubit_ns: object = np.nan
    readout_ns: object = np.nan
    two_qubit_error: object = np.nan
    two_qubit_ns: object = np.nan
    readout_error_se: object = np.nan
    one_qubit_error_se: object = np.nan
    two_qubit_error_se: object = np.nan
    faulty_qubit: object = False
    faulty_coupler: object = False
    kinds: Quality = field(default_factory=Quality)


def calibration(n_qubits: int, pairs: object, numbers: Numbers, *, calibrated_at_ns: int, source: str) -> Calibration:
    """Check and clean what a vendor says; raises ``InvalidInput`` when it is not a calibration of ``n_qubits``."""
    pair = _checked_pairs(pairs, n_qubits)
    arrays = {name: _array(numbers, name, n_qubits) for name in _PER_QUBIT}
    arrays |= {name: _array(numbers, name, len(pair)) for name in _PER_COUPLER}
    with np.errstate(invalid="ignore"):
        arrays["t2_ns"] = np.where(arrays["t2_ns"] > 2 * arrays["t1_ns"], 2 * arrays["t1_ns"], arrays["t2_ns"])
        faulty_qubit = np.broadcast_to(np.asarray(numbers.faulty_qubit, bool), n_qubits) | (
            arrays["one_qubit_error"] >= DEAD_ERROR
        )
        faulty_coupler = np.broadcast_to(np.asarray(numbers.faulty_coupler, bool), len(pair)) | ~(
            arrays["two_qubit_error"] < DEAD_ERROR
        )
    faulty_coupler = faulty_coupler | faulty_qubit[pair].any(axis=1)
    every: list[npt.NDArray[Any]] = [*arrays.values(), pair, faulty_qubit, faulty_coupler]
    for array in every:
        array.setflags(write=False)
    return Calibration(
        calibrated_at_ns=calibrated_at_ns, source=source, pair=pair, faulty_qubit=faulty_qubit,
        faulty_coupler=faulty_coupler, readout_kind=numbers.kinds.readout, one_qubit_kind=numbers.kinds.one_qubit,
        two_qubit_kind=numbers.kinds.two_qubit, **arrays,
    )  # fmt: skip


def median_of(values: Floats, faulty: Flags) -> float:
    """Means are ruined by one dead coupler; medians over what works are not."""
    good = values[~faulty & ~np.isnan(values)]
    return float(np.median(good)) if good.size else float("nan")


def _array(numbers: Numbers, name: str, size: int) -> Floats:
    try:
        array = np.array(np.broadcast_to(np.asarray(getattr(numbers, name), np.float64), size))
    except ValueError as error:
        raise InvalidInput(f"calibration.{name}", f"is not one number, nor {size}") from error
    with np.errstate(invalid="ignore"):
        if (array < 0).any() or np.isinf(array).any():
            raise InvalidInput(f"calibration.{name}", "has a number that is negative or infinite")
        if name in _ERRORS and (array > 1).any():
            raise InvalidInput(f"calibration.{name}", "has an error rate above 1")
    return array


def _checked_pairs(pairs: object, n_qubits: int) -> Pairs:
    if not 0 < n_qubits <= MAX_QUBITS:
        raise InvalidInput("calibration", f"{n_qubits} qubits are not between 1 and {MAX_QUBITS}")
    pair = np.asarray(pairs, np.int32).reshape(-1, 2)
    if len(pair) > MAX_COUPLERS:
        raise InvalidInput("calibration.pair", f"{len(pair)} couplers are more than {MAX_COUPLERS}")
    if pair.size and (pair.min() < 0 or pair.max() >= n_qubits):
        raise InvalidInput("calibration.pair", f"names a qubit that is not among {n_qubits}")
    if (pair[:, 0] >= pair[:, 1]).any():
        raise InvalidInput("calibration.pair", "couplers are undirected: the smaller qubit comes first")
    # As numbers, because NumPy's ``unique`` of rows loads its masked arrays first.
    numbers = np.sort(pair[:, 0].astype(np.int64) * n_qubits + pair[:, 1])
    if (numbers[1:] == numbers[:-1]).any():
        raise InvalidInput("calibration.pair", "lists a coupler twice")
    return pair
