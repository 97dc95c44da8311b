"""The builder of circuits without feed-forward: gates first, measurements last.

``parse(c).circuit() == c`` for every circuit that ``parse`` reads; what measures in between, resets or decides is
read by ``gate_array``.
"""

from collections.abc import Iterable, Sequence

from phalanx.core import Circuit, LimitExceeded
from phalanx.quantum._canonical import MEASURE, PREAMBLE, Step, check_step, finite, is_static, read
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._gates import DEFINITIONS, SWAP, Op, shape_of
from phalanx.quantum._limits import MAX_CIRCUIT_QUBITS


class Gates:
    """A circuit under construction. Methods return the builder, so that calls chain."""

    __slots__ = ("measured", "n_qubits", "ops")

    def __init__(self, n_qubits: int) -> None:
        if not 1 <= n_qubits <= MAX_CIRCUIT_QUBITS:
            raise LimitExceeded("the width of a circuit (qubits)", maximum=MAX_CIRCUIT_QUBITS, seen=n_qubits)
        self.n_qubits = n_qubits
        self.ops: list[Op] = []
        self.measured: list[int] = []

    def add(self, op: Op) -> "Gates":
        """Append one gate, checked."""
        if self.measured:
            raise InvalidCircuit("a gate follows a measurement; measurements come last")
        check_op(op, self.n_qubits)
        self.ops.append(op)
        return self

    def extend(self, ops: Iterable[Op]) -> "Gates":
        for op in ops:
            self.add(op)
        return self

    def x(self, q: int) -> "Gates":
        return self.add(Op("x", (q,)))

    def y(self, q: int) -> "Gates":
        return self.add(Op("y", (q,)))

    def z(self, q: int) -> "Gates":
        return self.add(Op("z", (q,)))

    def h(self, q: int) -> "Gates":
        return self.add(Op("h", (q,)))

    def rx(self, angle: float, q: int) -> "Gates":
        return self.add(Op("rx", (q,), (finite(angle),)))

    def ry(self, angle: float, q: int) -> "Gates":
        return self.add(Op("ry", (q,), (finite(angle),)))

    def rz(self, angle: float, q: int) -> "Gates":
        return self.add(Op("rz", (q,), (finite(angle),)))

    def p(self, angle: float, q: int) -> "Gates":
        return self.add(Op("p", (q,), (finite(angle),)))

    def cx(self, control: int, target: int) -> "Gates":
        return self.add(Op("cx", (control, target)))

    def cz(self, a: int, b: int) -> "Gates":
        return self.add(Op("cz", (a, b)))

    def cp(self, angle: float, a: int, b: int) -> "Gates":
        return self.add(Op("cp", (a, b), (finite(angle),)))

    def ccx(self, a: int, b: int, target: int) -> "Gates":
        return self.add(Op("ccx", (a, b, target)))

    def swap(self, a: int, b: int) -> "Gates":
        return self.add(Op(SWAP, (a, b)))

    def mcz(self, qubits: Sequence[int], *, ancillas: Sequence[int] = ()) -> "Gates":
        """Flip the sign where all ``qubits`` are 1; ``ancillas`` are clean and stay so."""
        return self.extend(mcz_ops(qubits, ancillas))

    def measure(self, *qubits: int) -> "Gates":
        """Measure into the next classical bits, in the order given."""
        for q in qubits:
            if not 0 <= q < self.n_qubits:
                raise InvalidCircuit(f"qubit {q} is measured, but there are {self.n_qubits}")
            if q in self.measured:
                raise InvalidCircuit(f"qubit {q} is measured twice")
            self.measured.append(q)
        return self

    def circuit(self) -> Circuit:
        """The canonical circuit."""
        return assemble(self.n_qubits, op_lines(self.ops), self.measured, frozenset(op.name for op in self.ops))


def n_ancillas(n_qubits: int) -> int:
    """Clean ancillas that a Z over ``n_qubits`` needs; without them its cost would not be linear."""
    return max(0, n_qubits - 3)


def mcz_ops(qubits: Sequence[int], ancillas: Sequence[int]) -> list[Op]:
    """The gates of ``Gates.mcz``: a ladder of Toffoli gates up and down around one doubly controlled Z."""
    if len(qubits) == 1:
        return [Op("z", (qubits[0],))]
    if len(qubits) == 2:
        return [Op("cz", (qubits[0], qubits[1]))]
    needed = n_ancillas(len(qubits))
    if len(ancillas) < needed:
        raise InvalidCircuit(f"a Z under {len(qubits) - 1} controls needs {needed} ancillas, got {len(ancillas)}")
    ladder: list[Op] = []
    carry = qubits[0]
    for i in range(needed):
        ladder.append(Op("ccx", (carry, qubits[i + 1], ancillas[i])))
        carry = ancillas[i]
    target = qubits[-1]
    top = [Op("h", (target,)), Op("ccx", (carry, qubits[-2], target)), Op("h", (target,))]
    return [*ladder, *top, *reversed(ladder)]


def op_lines(ops: Iterable[Op]) -> str:
    """Canonical text of gates, one a line."""
    return "".join(
        f"{op.name}{f'({_listed(op.params)})' if op.params else ''} {', '.join(f'q[{q}]' for q in op.qubits)};\n"
        for op in ops
    )


def _listed(params: Iterable[float]) -> str:
    return ", ".join(map(repr, params))


def assemble(n_qubits: int, gate_lines: str, measured: Sequence[int], used: frozenset[str] = frozenset()) -> Circuit:
    """The canonical circuit whose gates are already text (repeated text need not be written anew).

    ``used`` are the names among them; only those outside ``stdgates.inc`` matter.
    """
    definitions = "".join(f"{text}\n" for name, text in DEFINITIONS.items() if name in used)
    bits = f"bit[{len(measured)}] c;\n" if measured else ""
    tail = "".join(f"c[{bit}] = measure q[{q}];\n" for bit, q in enumerate(measured))
    return Circuit.from_canonical(f"{PREAMBLE}{definitions}qubit[{n_qubits}] q;\n{bits}{gate_lines}{tail}", n_qubits)


def parse(circuit: Circuit) -> Gates:
    """Read a canonical circuit whose measurements are last and fill every bit. Raises ``InvalidCircuit``."""
    steps = read(circuit)
    if not is_static(steps.steps):
        raise InvalidCircuit("it measures in between, resets or decides; measurements come last here")
    gates = Gates(circuit.n_qubits)
    measured = [step.qubits[0] for step in steps.steps if step.name == MEASURE]
    if len(measured) != steps.n_bits:
        raise InvalidCircuit(f"{steps.n_bits} bits are declared, but not all are measured")
    gates.ops = [Op(step.name, step.qubits, step.params) for step in steps.steps if shape_of(step.name) is not None]
    gates.measured = measured
    return gates


def check_op(op: Op, n_qubits: int) -> None:
    """Raise ``InvalidCircuit`` unless ``op`` is a gate we know on distinct qubits that exist."""
    shape = shape_of(op.name)
    if shape is None:
        raise InvalidCircuit(f"unknown gate {op.name!r}")
    check_step(Step(op.name, op.qubits, op.params), n_qubits, 0)
