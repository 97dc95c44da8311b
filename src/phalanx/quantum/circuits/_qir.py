"""QIR in: LLVM text or bitcode of the base profile, where qubits and results are constants and nothing is decided."""

import re

from phalanx.quantum._canonical import MEASURE, RESET, Step, Steps
from phalanx.quantum._errors import UnreadableCircuit
from phalanx.quantum._limits import MAX_CIRCUIT_BITS, MAX_CIRCUIT_GATES, MAX_CIRCUIT_QUBITS, MAX_SOURCE_BYTES
from phalanx.quantum.circuits._aliases import ALIASES
from phalanx.quantum.circuits._objects import known_gate, placed_steps
from phalanx.quantum.circuits._sdks import sdk

_CALL = re.compile(r"\s*(?:tail\s+)?call\s+\S+\s+@__quantum__qis__(\w+?)__(body|adj|ctl)\((.*)\)")
_ARGUMENT = re.compile(
    r"(?:double\s+(?P<angle>[-+.\w]+)|(?:%(?P<kind>Qubit|Result)\*|ptr)\s*(?:writeonly\s+)?"
    r"(?:inttoptr\s*\(i64\s+(?P<at>\d{1,6})\s+to\s+[^)]*\)|(?P<null>null)))\s*(?:,|$)"
)
_BITCODE = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")
_NAMES = {"cnot": "cx", "ccnot": "ccx", "mz": MEASURE, "m": MEASURE, "toffoli": "ccx"}
_ADJOINT = {"s": "sdg", "t": "tdg"}
_BRANCH = re.compile(r"\s*(br i1|switch|%\S+\s*=\s*(phi|load)|invoke)\b")


def read_qir(source: str, _: object = None) -> Steps:
    """Steps of a base-profile module. Raises ``UnreadableCircuit`` with the line."""
    if len(source) > MAX_SOURCE_BYTES:
        raise UnreadableCircuit(f"a module is limited to {MAX_SOURCE_BYTES} bytes")
    steps: list[Step] = []
    n_qubits = n_bits = 0
    for line, text in enumerate(source.splitlines(), 1):
        if _BRANCH.match(text):
            raise UnreadableCircuit("only modules without branches are read (the base profile)", line=line, column=1)
        found = _CALL.match(text)
        if found is None:
            continue
        angles, places = _arguments(found[3], line)
        name = _NAMES.get(found[1], found[1])
        if found[2] == "adj":
            name = _ADJOINT.get(name, "")
        if name == MEASURE:
            steps.append(Step(MEASURE, (places[0],), bit=places[1]))
            n_bits = max(n_bits, places[1] + 1)
            places = places[:1]
        elif name == RESET:
            steps.append(Step(RESET, tuple(places)))
        else:
            parts = known_gate(name, angles) if found[2] != "ctl" else None
            if parts is None or len(places) != _width(name):
                raise UnreadableCircuit(f"the call of {found[1]!r} is not read", line=line, column=1)
            steps += placed_steps(parts, tuple(places), ())
        n_qubits = max([n_qubits, *(place + 1 for place in places)])
        if n_qubits > MAX_CIRCUIT_QUBITS or n_bits > MAX_CIRCUIT_BITS or len(steps) > MAX_CIRCUIT_GATES:
            raise UnreadableCircuit("the circuit is too large", line=line, column=1)
    if not n_qubits:
        raise UnreadableCircuit("there are no calls of quantum instructions")
    return Steps(n_qubits, n_bits, steps)


def is_bitcode(source: bytes) -> bool:
    """Whether it begins as LLVM's bitcode does, wrapped or not."""
    return source[:4] in _BITCODE


def bitcode_text(source: bytes) -> str:
    """Bitcode as text, by the library of the language's makers. It is LLVM's reader, which is not made for bytes that
    an enemy wrote: nothing gets here over the network.
    """
    pyqir = sdk("pyqir")
    if len(source) > MAX_SOURCE_BYTES:
        raise UnreadableCircuit(f"a module is limited to {MAX_SOURCE_BYTES} bytes")
    try:
        return str(pyqir.Module.from_bitcode(pyqir.Context(), source))
    except ValueError as error:
        raise UnreadableCircuit(f"it is no bitcode: {error}") from error


def _width(name: str) -> int:
    from phalanx.quantum._gates import shape_of

    alias = ALIASES.get(name)
    return alias[0] if alias else (shape_of(name) or (0, 0))[0]


def _arguments(text: str, line: int) -> tuple[tuple[float, ...], list[int]]:
    angles: list[float] = []
    places: list[int] = []
    rest = text.strip()
    while rest:
        found = _ARGUMENT.match(rest)
        if found is None:
            raise UnreadableCircuit(f"the argument {rest[:40]!r} is no constant", line=line, column=1)
        if found["angle"] is not None:
            angles.append(_angle(found["angle"], line))
        else:
            places.append(0 if found["null"] else int(found["at"]))
        rest = rest[found.end() :].strip()
    return tuple(angles), places


def _angle(text: str, line: int) -> float:
    import struct

    try:
        if text.startswith("0x"):
            return float(struct.unpack(">d", int(text, 16).to_bytes(8))[0])
        return float(text)
    except (ValueError, OverflowError):
        raise UnreadableCircuit(f"{text[:30]!r} is no angle", line=line, column=1) from None
