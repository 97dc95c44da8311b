"""Errors of the room; the tree is drawn in the package's docstring."""

from phalanx.core import LimitExceeded, PhalanxError, Unavailable
from phalanx.quantum._limits import MAX_SIMULATED_QUBITS


class QuantumError(PhalanxError):
    """Root of this room's own errors."""

    code = "quantum"


class InvalidCircuit(QuantumError):
    """A circuit is not one, or not in canonical form. Attributes: ``line`` (0: the whole), ``reason``."""

    code = "invalid-circuit"

    def __init__(self, reason: str, *, line: int = 0) -> None:
        where = f"line {line} of the circuit" if line else "the circuit"
        super().__init__(f"{where}: {reason}", line=line, reason=reason)


class UnreadableCircuit(InvalidCircuit):
    """A program that is not valid in its language, or uses something that is not supported. Adds ``column``."""

    code = "unreadable-circuit"

    def __init__(self, reason: str, *, line: int = 0, column: int = 0) -> None:
        QuantumError.__init__(
            self, f"line {line}, column {column}: {reason}" if line else reason,
            line=line, column=column, reason=reason,
        )  # fmt: skip


class TooWide(LimitExceeded):
    """More qubits than a statevector can hold here. Attributes as of ``LimitExceeded``."""

    code = "too-wide"

    def __init__(self, n_qubits: int, *, maximum: int = MAX_SIMULATED_QUBITS, hint: str = "") -> None:
        super().__init__(
            "the width of a simulated circuit (qubits)",
            maximum=maximum,
            seen=n_qubits,
            hint=hint or "place the circuit on a quantum device, or cut it",
        )


class Contradictory(Unavailable):
    """A device's answers contradict each other, so no estimate can be drawn from them."""

    code = "contradictory"

    def __init__(self, device: str) -> None:
        super().__init__(
            f"an estimate on {device}",
            "its answers contradict each other",
            hint="the device is too noisy for circuits this deep: use another one, or a larger epsilon",
        )
