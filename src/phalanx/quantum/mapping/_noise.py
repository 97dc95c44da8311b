"""What a device does to a circuit, as plain arrays, and how likely a mapped circuit is to come through it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit
from phalanx.quantum._arrays import OP_CODES, GateArray, gate_array
from phalanx.quantum._circuits import Gates
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._gates import GATE_NAMES, shape_of

Floats = npt.NDArray[np.float64]

# Gates that a machine does by turning its frame: they take no time and add no error.
FRAME_GATES = frozenset({"id", "z", "s", "sdg", "t", "tdg", "rz", "p"})
_KINDS = np.array([*(0 if (shape_of(name) or (0, 0))[0] == 1 else 1 for name in GATE_NAMES), 2, 3, 4], dtype=np.uint8)
_FREE = np.zeros(len(_KINDS), dtype=np.bool_)
_FREE[[OP_CODES[name] for name in FRAME_GATES]] = True
_WIDE = frozenset(OP_CODES[name] for name in GATE_NAMES if (shape_of(name) or (0, 0))[0] > 2)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Noise:
    """A device's noise. Per qubit (n,) float64: ``t1_ns``, ``t2_ns``, ``readout_error``, ``one_qubit_error``,
    ``one_qubit_ns``, ``readout_ns``. Per coupler (m,): ``pairs`` (m, 2) int32, ``two_qubit_error``, ``two_qubit_ns``.

    Where a time is not known it is infinite; ``t2_ns`` is clamped to twice ``t1_ns``. A pair may stand in both
    directions, then the better one counts.
    """

    t1_ns: Floats
    t2_ns: Floats
    readout_error: Floats
    one_qubit_error: Floats
    one_qubit_ns: Floats
    readout_ns: Floats
    pairs: npt.NDArray[np.int32]
    two_qubit_error: Floats
    two_qubit_ns: Floats

    def __post_init__(self) -> None:
        n, m = len(self.t1_ns), len(self.pairs)
        for name in ("t1_ns", "t2_ns", "readout_error", "one_qubit_error", "one_qubit_ns", "readout_ns"):
            assert getattr(self, name).shape == (n,), name
        assert self.two_qubit_error.shape == self.two_qubit_ns.shape == (m,), "couplers"
        t1 = np.where(np.isfinite(self.t1_ns), self.t1_ns, np.inf)
        t2 = np.where(np.isfinite(self.t2_ns), self.t2_ns, np.inf)
        object.__setattr__(self, "t1_ns", t1)
        object.__setattr__(self, "t2_ns", np.minimum(t2, 2 * t1))

    @property
    def n_qubits(self) -> int:
        return len(self.t1_ns)

    def couplers(self) -> npt.NDArray[np.int32]:
        """(n, n): which coupler joins two qubits, -1 for none."""
        found = np.full((self.n_qubits, self.n_qubits), -1, dtype=np.int32)
        # Of assignments to one place the last one counts: the better coupler.
        order = np.argsort(-self.two_qubit_error, kind="stable")
        a, b = self.pairs[order].reshape(-1, 2).T
        found[a, b] = order
        found[b, a] = order
        return found

    def only(self, qubits: npt.NDArray[np.int64]) -> "Noise":
        """The noise of these qubits alone, counted anew in their order."""
        place = np.full(self.n_qubits, -1)
        place[qubits] = np.arange(len(qubits))
        inner = (
            (place[self.pairs[:, 0]] >= 0) & (place[self.pairs[:, 1]] >= 0) if len(self.pairs) else np.zeros(0, bool)
        )
        return Noise(
            t1_ns=self.t1_ns[qubits], t2_ns=self.t2_ns[qubits], readout_error=self.readout_error[qubits],
            one_qubit_error=self.one_qubit_error[qubits], one_qubit_ns=self.one_qubit_ns[qubits],
            readout_ns=self.readout_ns[qubits], pairs=place[self.pairs[inner]].astype(np.int32).reshape(-1, 2),
            two_qubit_error=self.two_qubit_error[inner], two_qubit_ns=self.two_qubit_ns[inner],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Success:
    """``log_probability`` is natural, of the estimated success probability; -inf where a gate is missing."""

    log_probability: float
    duration_ns: float


def timeline(
    gates: GateArray,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Kinds, first and second qubits, and which gates are free: what kernels of time and success go through."""
    ops = gates.rows["op"]
    if len(ops) and np.isin(ops, list(_WIDE)).any():
        raise InvalidCircuit("a mapped circuit has no gates on three qubits")
    first = np.ascontiguousarray(gates.rows["qubits"][:, 0])
    second = np.ascontiguousarray(gates.rows["qubits"][:, 1])
    return _KINDS[ops], first, second, _FREE[ops]


def estimated_success(mapped: "Circuit | Gates | GateArray", noise: Noise) -> Success:
    """How likely a circuit on a device's own qubits comes through: gates, readout, and waiting, as late as possible."""
    from phalanx.quantum.mapping._kernels import log_success

    gates = gate_array(mapped)
    if gates.n_qubits > noise.n_qubits:
        raise InvalidCircuit(f"it has {gates.n_qubits} qubits, the device {noise.n_qubits}")
    kinds, first, second, free = timeline(gates)
    log_probability, duration = log_success(
        kinds, first, second, free, noise.n_qubits, noise.couplers(), noise.t1_ns, noise.t2_ns, noise.readout_error,
        noise.one_qubit_error, noise.one_qubit_ns, noise.readout_ns, noise.two_qubit_error, noise.two_qubit_ns,
    )  # fmt: skip
    return Success(float(log_probability), float(duration))
