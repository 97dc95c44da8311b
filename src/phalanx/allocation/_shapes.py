"""What a circuit is like, for who places it without being shown it."""

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.allocation._limits import MAX_SHAPE_QUBITS
from phalanx.core import Circuit, InvalidInput
from phalanx.quantum import Gates, features


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a circuit, as ``quantum.features`` has them; ``n_pairs`` is how many pairs of qubits interact."""

    n_qubits: int
    n_one: int = 0
    n_two: int = 0
    n_measured: int = 0
    depth: int = 0
    two_qubit_depth: int = 0
    n_pairs: int = 0
    is_clifford: bool = False
    has_mid_circuit: bool = False
    has_feed_forward: bool = False

    def __post_init__(self) -> None:
        counts = (self.n_one, self.n_two, self.n_measured, self.depth, self.two_qubit_depth, self.n_pairs)
        if not 1 <= self.n_qubits <= MAX_SHAPE_QUBITS or min(counts) < 0:
            raise InvalidInput("shape", f"1 to {MAX_SHAPE_QUBITS} qubits, and no count below nothing")

    @property
    def pairs(self) -> npt.NDArray[np.int32]:
        """As many as there are; which they are is not known."""
        return np.broadcast_to(np.int32(0), (self.n_pairs, 2))

    def stand_in(self) -> Circuit:
        """A circuit as wide, in which nothing happens: for what asks for a circuit and looks only at its counts."""
        return Gates(self.n_qubits).circuit()


def shape_of(circuit: Circuit) -> Shape:
    """All that placing a circuit by its counts takes."""
    seen = features(circuit)
    return Shape(
        n_qubits=seen.n_qubits, n_one=seen.n_one, n_two=seen.n_two, n_measured=seen.n_measured, depth=seen.depth,
        two_qubit_depth=seen.two_qubit_depth, n_pairs=len(seen.pairs), is_clifford=seen.is_clifford,
        has_mid_circuit=seen.has_mid_circuit, has_feed_forward=seen.has_feed_forward,
    )  # fmt: skip
