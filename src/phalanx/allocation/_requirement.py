"""What a circuit asks of a device, from the circuit itself and from who wants it run."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput
from phalanx.devices import Wish

WIDTH, FIDELITY, COHERENCE_NS, DEGREE, N_ONE, N_TWO, N_MEASURED, DEPTH_ONE, DEPTH_TWO, DEADLINE_S, BUDGET, SHOTS = (
    range(12)
)
FEATURES, REGIONS = 12, 13
WANTED = 14

MID_CIRCUIT, FEED_FORWARD = 1, 2


class Counts(Protocol):
    """What is read of a circuit: the part of ``quantum.CircuitFeatures`` that this room needs."""

    @property
    def n_qubits(self) -> int: ...
    @property
    def n_one(self) -> int: ...
    @property
    def n_two(self) -> int: ...
    @property
    def n_measured(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def two_qubit_depth(self) -> int: ...
    @property
    def pairs(self) -> npt.NDArray[np.int32]: ...
    @property
    def has_mid_circuit(self) -> bool: ...
    @property
    def has_feed_forward(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Gateless:
    """A program has no gates: what it takes of a machine are shots, tasks and seconds."""

    n_qubits: int
    n_one: int = 0
    n_two: int = 0
    n_measured: int = 0
    depth: int = 0
    two_qubit_depth: int = 0
    pairs: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 2), np.int32))
    has_mid_circuit: bool = False
    has_feed_forward: bool = False


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """Counts of the circuit, and floors and ceilings of who asks.

    ``fidelity`` is the F_req of the composite score, ``coherence_ns`` its T_req; ``degree`` how many partners a qubit
    of the circuit has on average. ``deadline_s`` is from now, waiting included; ``budget`` in the board's currency.
    ``regions`` empty: anywhere.
    """

    width: int
    n_one: int = 0
    n_two: int = 0
    n_measured: int = 0
    depth_one: int = 0
    depth_two: int = 0
    degree: float = 0.0
    fidelity: float = 0.0
    coherence_ns: float = 0.0
    deadline_s: float = math.inf
    budget: float = math.inf
    shots: int = 1
    features: int = 0
    regions: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InvalidInput("width", f"{self.width} is less than one qubit")
        if self.shots < 1:
            raise InvalidInput("shots", f"{self.shots} is less than one")
        if not 0.0 <= self.fidelity <= 1.0:
            raise InvalidInput("fidelity", f"{self.fidelity} is not between 0 and 1")
        if not (self.deadline_s > 0.0 and self.budget >= 0.0):
            raise InvalidInput("deadline", "a deadline lies ahead, and a budget is not less than nothing")

    @cached_property
    def row(self) -> npt.NDArray[np.float64]:
        """The numbers in the order that kernels read; the regions are filled in by the board that is asked."""
        return np.array(
            [
                self.width, self.fidelity, self.coherence_ns, self.degree, self.n_one, self.n_two, self.n_measured,
                self.depth_one, self.depth_two, self.deadline_s, self.budget, self.shots, self.features, 0.0,
            ]
        )  # fmt: skip

    def told(self) -> str:
        """In words, for errors."""
        parts = [f"{self.width} qubits", f"{self.n_two} two-qubit gates", f"{self.shots} shots"]
        if self.fidelity:
            parts.append(f"fidelity {self.fidelity:g}")
        if self.deadline_s < math.inf:
            parts.append(f"within {self.deadline_s:g} s")
        if self.budget < math.inf:
            parts.append(f"for at most {self.budget:g}")
        if self.regions:
            parts.append(f"in {', '.join(sorted(self.regions))}")
        return ", ".join(parts)


def requirement_of(counts: Counts, **wishes: Any) -> Requirement:
    """From the features of a circuit; ``wishes`` are the fields that only who asks can know.

    T_req is what the circuit takes at the typical gate times of a superconducting device (50 ns, 400 ns), ten times
    over: at a tenth of its coherence time a qubit has lost a tenth.
    """
    depth_one = max(0, counts.depth - counts.two_qubit_depth)
    took_ns = 50.0 * depth_one + 400.0 * counts.two_qubit_depth
    features = (MID_CIRCUIT if counts.has_mid_circuit else 0) | (FEED_FORWARD if counts.has_feed_forward else 0)
    return Requirement(
        **{
            "width": counts.n_qubits, "n_one": counts.n_one, "n_two": counts.n_two, "n_measured": counts.n_measured,
            "depth_one": depth_one, "depth_two": counts.two_qubit_depth, "features": features,
            "degree": 2.0 * len(counts.pairs) / counts.n_qubits, "coherence_ns": 10.0 * took_ns,
        }
        | wishes
    )  # fmt: skip


def wanted_of(counts: Requirement, wish: Wish) -> Requirement:
    """What a circuit of these counts asks for, wishes included."""
    return replace(
        counts, shots=wish.shots, fidelity=wish.fidelity, deadline_s=wish.deadline_s, budget=wish.budget,
        regions=wish.regions,
    )  # fmt: skip
