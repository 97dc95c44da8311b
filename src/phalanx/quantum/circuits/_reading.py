"""Any circuit in: text by its language, objects by the SDK that they come from."""

from collections.abc import Callable, Mapping
from typing import Any

from phalanx.core import Circuit, InvalidInput
from phalanx.quantum._arrays import GateArray, steps_of
from phalanx.quantum._canonical import Steps, write
from phalanx.quantum._circuits import Gates
from phalanx.quantum.circuits._objects import from_braket, from_cirq, from_pennylane, from_qiskit
from phalanx.quantum.circuits._openqasm import read_openqasm
from phalanx.quantum.circuits._qir import bitcode_text, is_bitcode, read_qir

# The language of an object, by the package that its class is in.
_OBJECTS = {"qiskit": "qiskit", "cirq": "cirq", "cirq_google": "cirq", "braket": "braket", "pennylane": "pennylane"}
LANGUAGES: dict[str, Callable[..., Steps]] = {
    "openqasm2": read_openqasm,
    "openqasm3": read_openqasm,
    "qir": read_qir,
    "qiskit": from_qiskit,
    "cirq": from_cirq,
    "braket": from_braket,
    "pennylane": from_pennylane,
}


def read(
    source: "str | bytes | Circuit | Gates | GateArray | Any", *, language: str | None = None,
    parameters: Mapping[str, float] | None = None,
) -> Circuit:  # fmt: skip
    """The canonical circuit of a text or an SDK's object. ``language`` is told from the text where none is named.

    ``parameters`` gives values to the inputs of a program. Raises ``UnreadableCircuit`` with line and column,
    ``LimitExceeded`` for what is too large, ``Unavailable`` where an extra is missing.
    """
    return write(read_steps(source, language=language, parameters=parameters))


def read_steps(source: Any, *, language: str | None = None, parameters: Mapping[str, float] | None = None) -> Steps:
    """The same as steps."""
    if isinstance(source, Circuit | Gates | GateArray | Steps):
        return steps_of(source)
    if isinstance(source, bytes) and is_bitcode(source):
        source = bitcode_text(source)
    if isinstance(source, bytes):
        source = source.decode("utf-8", errors="replace")
    if language is None and isinstance(source, str) and source.lstrip().startswith("{"):
        raise InvalidInput(
            "circuit", "is JSON: a program of a machine without gates, as it seems, and no circuit",
            hint="phalanx devices run takes programs, and devices submit does",
        )  # fmt: skip
    name = language or language_of(source)
    reader = LANGUAGES.get(name)
    if reader is None:
        raise InvalidInput("language", f"{name!r} is not read; these are: {', '.join(LANGUAGES)}")
    if isinstance(source, str) != (name in ("openqasm2", "openqasm3", "qir")):
        raise InvalidInput("language", f"{name} is not what was given")
    return reader(source, parameters)


def language_of(source: Any) -> str:
    """What language a text or object is in."""
    if isinstance(source, str):
        if "@__quantum__qis__" in source[:1_000_000]:
            return "qir"
        return "openqasm3" if "OPENQASM 3" in source[:4096] else "openqasm2"
    package = type(source).__module__.partition(".")[0]
    found = _OBJECTS.get(package)
    if found is None:
        raise InvalidInput("circuit", f"objects of {package} are not read")
    return found
