"""The gate-array form: one row a step, for kernels and for whoever looks at many circuits."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Condition, Step, Steps, read, write
from phalanx.quantum._circuits import Gates
from phalanx.quantum._gates import GATE_NAMES, Op, shape_of

# ``op`` is a code; ``qubits`` and ``params`` are padded with -1 and 0; ``bit`` is what a measurement writes, or which
# of ``groups`` a barrier holds; ``condition`` is a place in ``conditions``. Both are -1 where there is none.
ROW = np.dtype(
    [("op", "u1"), ("qubits", "<i4", (3,)), ("params", "<f8", (4,)), ("bit", "<i4"), ("condition", "<i4")], align=True
)
OP_NAMES: tuple[str, ...] = (*GATE_NAMES, MEASURE, RESET, BARRIER)
OP_CODES: dict[str, int] = {name: code for code, name in enumerate(OP_NAMES)}

Rows = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class GateArray:
    """A circuit as ``rows`` of ``ROW``. ``conditions`` are conjunctions of (bit, value); ``groups`` are barriers."""

    n_qubits: int
    n_bits: int
    rows: Rows
    conditions: tuple[Condition, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def steps(self) -> Steps:
        """The same as steps."""
        steps: list[Step] = []
        columns = (self.rows[name].tolist() for name in ("op", "qubits", "params", "bit", "condition"))
        for op, qubits, params, bit, condition in zip(*columns, strict=True):
            name = OP_NAMES[op]
            when = self.conditions[condition] if condition >= 0 else ()
            if name == BARRIER:
                steps.append(Step(BARRIER, self.groups[bit], condition=when))
                continue
            n_qubits, n_params = _SHAPES[op]
            steps.append(Step(name, tuple(qubits[:n_qubits]), tuple(params[:n_params]), bit, when))
        return Steps(self.n_qubits, self.n_bits, steps)

    def circuit(self) -> Circuit:
        """The canonical circuit."""
        return write(self.steps())


def gate_array(circuit: "Circuit | Gates | Steps | GateArray") -> GateArray:
    """The gate-array form of a circuit in any of its forms."""
    if isinstance(circuit, GateArray):
        return circuit
    steps = steps_of(circuit)
    n = len(steps.steps)
    rows = np.zeros(n, dtype=ROW)
    rows["qubits"] = rows["bit"] = rows["condition"] = -1
    conditions: dict[Condition, int] = {}
    groups: dict[tuple[int, ...], int] = {}
    ops, bits, whens = [0] * n, [-1] * n, [-1] * n
    qubits: tuple[list[int], list[int], list[int]] = ([-1] * n, [-1] * n, [-1] * n)
    for at, (name, on, params, bit, condition) in enumerate(steps.steps):
        ops[at] = OP_CODES[name]
        if condition:
            whens[at] = conditions.setdefault(condition, len(conditions))
        if name == BARRIER:
            bits[at] = groups.setdefault(on, len(groups))
            continue
        bits[at] = bit
        for place, qubit in enumerate(on):
            qubits[place][at] = qubit
        if params:
            rows["params"][at, : len(params)] = params
    rows["op"], rows["bit"], rows["condition"] = ops, bits, whens
    for place in range(3):
        rows["qubits"][:, place] = qubits[place]
    return GateArray(steps.n_qubits, steps.n_bits, rows, tuple(conditions), tuple(groups))


def steps_of(circuit: "Circuit | Gates | Steps | GateArray") -> Steps:
    """The steps of a circuit in any of its forms."""
    if isinstance(circuit, Steps):
        return circuit
    if isinstance(circuit, Circuit):
        return read(circuit)
    if isinstance(circuit, GateArray):
        return circuit.steps()
    steps = [_step(op) for op in circuit.ops]
    steps += [Step(MEASURE, (qubit,), bit=bit) for bit, qubit in enumerate(circuit.measured)]
    return Steps(circuit.n_qubits, len(circuit.measured), steps)


def _step(op: Op) -> Step:
    return Step(op.name, op.qubits, op.params)


_SHAPES = tuple(shape_of(name) or ((1, 0) if name != BARRIER else (0, 0)) for name in OP_NAMES)
