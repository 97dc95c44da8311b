"""The canonical text of any circuit, written and read.

The text is OpenQASM 3, one statement a line, and in this order: the version, ``stdgates.inc``, the
definition of each gate used that is not in it (in the order of ``DEFINITIONS``), ``qubit[n] q;``,
``bit[m] c;`` when there are bits, then steps::

    cp(0.5) q[0], q[1];
    c[0] = measure q[1];
    reset q[0];
    barrier q[0], q[1];
    if (c[0] && !c[1]) { x q[0]; }

Invariants: numbers are ``repr(float)``; the qubits of a barrier and the bits of a condition rise; where every
measured qubit is measured once, as its last step, into a bit of its own that no condition reads, the measurements
stand at the end in order of their bits (``ordered``). So equal steps have equal digests, however they were spelled.
Text that means the same in another spelling is refused: reading it is a conversion (``circuits.read``).
"""

import hashlib
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from phalanx.core import Circuit, LimitExceeded
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._gates import DEFINITIONS, shape_of
from phalanx.quantum._limits import (
    MAX_CIRCUIT_BITS,
    MAX_CIRCUIT_BYTES,
    MAX_CIRCUIT_GATES,
    MAX_CIRCUIT_QUBITS,
)

PREAMBLE = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
MEASURE, RESET, BARRIER = "measure", "reset", "barrier"

_QUBITS = re.compile(r"qubit\[([1-9][0-9]{0,4})\] q;")
_BITS = re.compile(r"bit\[([1-9][0-9]{0,4})\] c;")
_MEASURE = re.compile(r"c\[([0-9]{1,5})\] = measure q\[([0-9]{1,5})\];")
_GATE = re.compile(r"([a-z][a-z0-9]*)(?:\(([-+.e0-9, ]+)\))? (q\[[0-9]{1,5}\](?:, q\[[0-9]{1,5}\])*);")
_QUBIT = re.compile(r"q\[([0-9]+)\]")
_IF = re.compile(r"if \((!?c\[[0-9]{1,5}\](?: && !?c\[[0-9]{1,5}\])*)\) \{ (.*;) \}")
_BIT = re.compile(r"(!?)c\[([0-9]+)\]")

Condition = tuple[tuple[int, bool], ...]


class Step(NamedTuple):
    """One statement: a gate, ``measure`` (into ``bit``), ``reset`` or ``barrier``; done where ``condition`` holds."""

    name: str
    qubits: tuple[int, ...]
    params: tuple[float, ...] = ()
    bit: int = -1
    condition: Condition = ()


class Steps(NamedTuple):
    """A circuit as steps."""

    n_qubits: int
    n_bits: int
    steps: list[Step]


def write(circuit: Steps) -> Circuit:
    """The canonical circuit of these steps, checked and put in order."""
    n_qubits, n_bits, steps = circuit
    if not 1 <= n_qubits <= MAX_CIRCUIT_QUBITS:
        raise LimitExceeded("the width of a circuit (qubits)", maximum=MAX_CIRCUIT_QUBITS, seen=n_qubits)
    if not 0 <= n_bits <= MAX_CIRCUIT_BITS:
        raise LimitExceeded("the bits of a circuit", maximum=MAX_CIRCUIT_BITS, seen=n_bits)
    if len(steps) > MAX_CIRCUIT_GATES:
        raise LimitExceeded("the gates of a circuit", maximum=MAX_CIRCUIT_GATES, seen=len(steps))
    lines: dict[Step, str] = {}
    body: list[str] = []
    for step in ordered(steps):
        line = lines.get(step)
        if line is None:
            check_step(step, n_qubits, n_bits)
            line = lines[step] = step_line(step)
        body.append(line)
    used = {step.name for step in lines}
    definitions = "".join(f"{text}\n" for name, text in DEFINITIONS.items() if name in used)
    bits = f"bit[{n_bits}] c;\n" if n_bits else ""
    text = f"{PREAMBLE}{definitions}qubit[{n_qubits}] q;\n{bits}{''.join(body)}"
    if len(text) > MAX_CIRCUIT_BYTES:
        raise LimitExceeded("a circuit's text (bytes)", maximum=MAX_CIRCUIT_BYTES, seen=len(text))
    return Circuit.from_canonical(text, n_qubits)


def ordered(steps: list[Step]) -> list[Step]:
    """Final measurements at the end in order of their bits, where all are final; else the steps as they are."""
    if not is_static(steps):
        return steps
    measured = sorted((step for step in steps if step.name == MEASURE), key=lambda step: step.bit)
    return [step for step in steps if step.name != MEASURE] + measured


def is_static(steps: Iterable[Step]) -> bool:
    """No reset, no condition, and nothing but barriers after a qubit's measurement into a bit of its own."""
    done: set[int] = set()
    bits: set[int] = set()
    for step in steps:
        if step.condition or step.name == RESET:
            return False
        if step.name == BARRIER:
            continue
        if not done.isdisjoint(step.qubits):
            return False
        if step.name == MEASURE:
            if step.bit in bits:
                return False
            done.add(step.qubits[0])
            bits.add(step.bit)
    return True


def step_line(step: Step) -> str:
    """One canonical line, with its line break."""
    qubits = ", ".join(f"q[{q}]" for q in step.qubits)
    if step.name == MEASURE:
        line = f"c[{step.bit}] = measure {qubits};"
    else:
        params = f"({', '.join(map(repr, step.params))})" if step.params else ""
        line = f"{step.name}{params} {qubits};"
    if step.condition:
        terms = " && ".join(f"{'' if value else '!'}c[{bit}]" for bit, value in step.condition)
        line = f"if ({terms}) {{ {line} }}"
    return line + "\n"


def check_step(step: Step, n_qubits: int, n_bits: int) -> None:
    """Raise ``InvalidCircuit`` unless the step is one we know, on distinct qubits and bits that exist."""
    name, qubits = step.name, step.qubits
    if name in (MEASURE, RESET):
        if len(qubits) != 1 or step.params:
            raise InvalidCircuit(f"{name} takes 1 qubits and 0 parameters")
    elif name == BARRIER:
        if not qubits or step.params or step.condition or any(a >= b for a, b in itertools.pairwise(qubits)):
            raise InvalidCircuit("the qubits of a barrier rise, and it has no condition")
    else:
        shape = shape_of(name)
        if shape is None:
            raise InvalidCircuit(f"unknown gate {name!r}")
        if (len(qubits), len(step.params)) != shape:
            raise InvalidCircuit(f"{name} takes {shape[0]} qubits and {shape[1]} parameters")
        if len(set(qubits)) != len(qubits):
            raise InvalidCircuit(f"{name} names a qubit twice")
    if min(qubits) < 0 or max(qubits) >= n_qubits:
        raise InvalidCircuit(f"{name} names a qubit outside 0…{n_qubits - 1}")
    if (name == MEASURE) != (step.bit >= 0) or step.bit >= n_bits:
        raise InvalidCircuit(f"{name} names a bit outside 0…{n_bits - 1}")
    bits = [bit for bit, _ in step.condition]
    if bits and (bits[0] < 0 or bits[-1] >= n_bits or any(a >= b for a, b in itertools.pairwise(bits))):
        raise InvalidCircuit(f"the bits of a condition rise within 0…{n_bits - 1}")


def read(circuit: Circuit) -> Steps:
    """Read a canonical circuit. Raises ``InvalidCircuit`` naming the line.

    The digest and width that the circuit claims are checked, because results are filed under them.
    """
    text = circuit.qasm3
    if len(text) > MAX_CIRCUIT_BYTES:
        raise LimitExceeded("a circuit's text (bytes)", maximum=MAX_CIRCUIT_BYTES, seen=len(text))
    if hashlib.sha256(text.encode()).hexdigest() != circuit.digest:
        raise InvalidCircuit("its digest is not that of its text")
    if not text.startswith(PREAMBLE) or not text.endswith("\n"):
        raise InvalidCircuit(f"it must begin with {PREAMBLE!r} and end with a line break")
    lines = text[:-1].split("\n")
    at = 2
    while at < len(lines) and lines[at].startswith("gate "):
        at += 1
    defined = lines[2:at]
    qubits = _QUBITS.fullmatch(lines[at]) if at < len(lines) else None
    if qubits is None or int(qubits[1]) != circuit.n_qubits or circuit.n_qubits > MAX_CIRCUIT_QUBITS:
        raise InvalidCircuit(f"expected qubit[{circuit.n_qubits}] q;", line=at + 1)
    bits = _BITS.fullmatch(lines[at + 1]) if at + 1 < len(lines) else None
    n_bits = int(bits[1]) if bits else 0
    if n_bits > MAX_CIRCUIT_BITS:
        raise LimitExceeded("the bits of a circuit", maximum=MAX_CIRCUIT_BITS, seen=n_bits)
    first = at + (2 if bits else 1)
    steps = _read_steps(lines, first, circuit.n_qubits, n_bits)
    used = {step.name for step in steps}
    if defined != [line for name, line in DEFINITIONS.items() if name in used]:
        raise InvalidCircuit("the gates defined are not those used, in canonical form", line=3)
    if ordered(steps) != steps:
        raise InvalidCircuit("final measurements come last, in order of their bits")
    return Steps(circuit.n_qubits, n_bits, steps)


def _read_steps(lines: Sequence[str], first: int, n_qubits: int, n_bits: int) -> list[Step]:
    if len(lines) - first > MAX_CIRCUIT_GATES:
        raise LimitExceeded("the gates of a circuit", maximum=MAX_CIRCUIT_GATES, seen=len(lines) - first)
    known: dict[str, Step] = {}  # Circuits repeat the same few dozen lines hundreds of times.
    steps: list[Step] = []
    for number in range(first, len(lines)):
        line = lines[number]
        step = known.get(line)
        if step is None:
            try:
                step = _read_step(line)
                check_step(step, n_qubits, n_bits)
                if step_line(step) != line + "\n":
                    raise InvalidCircuit(f"not in canonical form: {line[:80]!r}")
            except InvalidCircuit as error:
                raise InvalidCircuit(str(error.context["reason"]), line=number + 1) from None
            known[line] = step
        steps.append(step)
    return steps


def _read_step(line: str, condition: Condition = ()) -> Step:
    found = _GATE.fullmatch(line)
    if found is not None:
        params = tuple(number_of(text) for text in found[2].split(", ")) if found[2] is not None else ()
        qubits = tuple(int(q) for q in _QUBIT.findall(found[3]))
        return Step(found[1], qubits, params, condition=condition)
    found = _MEASURE.fullmatch(line)
    if found is not None:
        return Step(MEASURE, (int(found[2]),), bit=int(found[1]), condition=condition)
    found = _IF.fullmatch(line)
    if found is not None and not condition:
        return _read_step(found[2], tuple((int(bit), not no) for no, bit in _BIT.findall(found[1])))
    raise InvalidCircuit(f"not a gate in canonical form: {line[:80]!r}")


def number_of(text: str) -> float:
    """A number of a canonical text."""
    try:
        return finite(float(text))
    except ValueError:
        raise InvalidCircuit(f"not a number: {text[:40]!r}") from None


def finite(angle: float) -> float:
    """A finite float; minus zero becomes zero, so that one angle has one spelling."""
    value = float(angle) + 0.0
    if not math.isfinite(value):
        raise InvalidCircuit(f"an angle must be finite, got {angle}")
    return value
