"""What a device is: one model for superconducting, trapped-ion, neutral-atom and photonic machines, annealers and
simulators. ``docs/reference/devices.md`` says where each field comes from in QDMI, QRMI, Qiskit, Braket and Cirq.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum

import numpy as np

from phalanx.core import Origin
from phalanx.devices._analog import AnalogLimits
from phalanx.devices._calibration import Calibration, Numbers, calibration
from phalanx.devices._limits import MAX_LISTED_COUPLINGS
from phalanx.devices._photonic import PhotonicLimits
from phalanx.devices._prices import FREE, PriceModel


class Modality(StrEnum):
    """What carries the qubits."""

    SUPERCONDUCTING = "superconducting"
    TRAPPED_ION = "trapped-ion"
    NEUTRAL_ATOM = "neutral-atom"
    PHOTONIC = "photonic"
    ANNEALER = "annealer"
    SIMULATOR = "simulator"


class Status(Enum):
    """Whether work can be sent there."""

    ONLINE = "online"
    DEGRADED = "degraded"
    MAINTENANCE = "maintenance"
    OFFLINE = "offline"
    RETIRED = "retired"

    @property
    def takes_work(self) -> bool:
        return self in {Status.ONLINE, Status.DEGRADED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a device can do beyond gates and a final measurement.

    ``gates``: runs circuits. ``analog``: runs Hamiltonians or anneals. ``fractional``: rotations by any angle are
    native two-qubit gates. ``clifford_only``: runs only gates that a stabiliser simulator knows.
    """

    gates: bool = True
    mid_circuit: bool = False
    feed_forward: bool = False
    reset: bool = False
    analog: bool = False
    fractional: bool = False
    clifford_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """What one submission, and one session, may hold; ``None`` where the provider names no bound."""

    max_shots: int
    min_shots: int = 1
    max_circuits: int | None = None
    max_gates: int | None = None
    max_session_s: float | None = None
    idle_timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the week (UTC) in which the device executes. ``weekday`` 0 is Monday."""

    weekday: int
    start_s: int
    end_s: int

    def __post_init__(self) -> None:
        assert 0 <= self.weekday < 7, self.weekday
        assert 0 <= self.start_s < self.end_s <= 86_400, (self.start_s, self.end_s)

    def holds(self, weekday: int, second: int) -> bool:
        return weekday == self.weekday and self.start_s <= second < self.end_s


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What waits in front of a device. ``None`` where nobody says; ``as_of_ns`` is when it was so."""

    depth: int | None = None
    wait_ns_p50: int | None = None
    wait_ns_p90: int | None = None
    wait_ns_p99: int | None = None
    as_of_ns: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """A native operation. ``n_qubits`` 0 means any number."""

    name: str
    n_qubits: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceModel:
    """A thing that runs circuits. ``name`` is unique and begins with the provider's: ``local.statevector``.

    ``kind`` is what carries the qubits and ``origin`` what its answers are worth. ``all_to_all`` says that every
    pair couples; otherwise the couplers of ``calibration`` are the topology. ``windows`` empty: always. ``region``
    is where circuits and results go, for data residency; "local" is this machine. ``only_by_name``: work goes there
    when somebody names it, and the fleet never chooses it. ``analog`` is what it allows of analog programs, where it
    takes any, and ``photonic`` of photonic ones.
    """

    name: str
    provider: str
    kind: Modality
    origin: Origin
    n_qubits: int
    limits: SessionLimits
    calibration: Calibration
    title: str = ""
    all_to_all: bool = False
    operations: tuple[Operation, ...] = ()
    features: Features = Features()
    queue: QueueState = QueueState()
    windows: tuple[Window, ...] = ()
    price: PriceModel = FREE
    status: Status = Status.ONLINE
    region: str = "local"
    only_by_name: bool = False
    analog: AnalogLimits | None = None
    photonic: PhotonicLimits | None = None

    def __post_init__(self) -> None:
        assert self.name.startswith(f"{self.provider}."), self.name
        assert self.n_qubits > 0, self.n_qubits
        assert self.limits.max_shots > 0, self.limits
        assert self.calibration.n_qubits == self.n_qubits, (self.name, self.calibration.n_qubits)

    @property
    def max_shots(self) -> int:
        return self.limits.max_shots

    @property
    def samples_ising(self) -> bool:
        """Whether it is an annealer."""
        return self.kind is Modality.ANNEALER

    @property
    def is_unlisted(self) -> bool:
        """A real machine of which nobody says what it costs: that is not nothing."""
        nothing = self.price.as_of_ns == 0 and not any((*self.price.coefficients, self.price.per_month))
        return self.origin is Origin.HARDWARE and nothing

    @property
    def is_free(self) -> bool:
        """Whether one more run there costs nothing."""
        return not self.is_unlisted and not any(self.price.coefficients)

    @property
    def charge(self) -> str:
        """How it is charged for, in a word."""
        if self.is_unlisted:
            return "unlisted"
        return self.price.shape.value if any((*self.price.coefficients, self.price.per_month)) else "free"

    @property
    def reach(self) -> int:
        """The widest circuit that finds working qubits that are connected."""
        return self.usable_qubits if self.all_to_all else len(self.calibration.component)

    @property
    def two_qubit_basis(self) -> str:
        """The gate that its two-qubit gates are made of, of those that mapping knows."""
        names = {operation.name for operation in self.operations}
        return next((name for name in ("cz", "ecr") if name in names), "cx")

    @property
    def usable_qubits(self) -> int:
        """Those that no mask rules out."""
        return int((~self.calibration.faulty_qubit).sum())


def ideal_calibration(n_qubits: int) -> Calibration:
    """Of a simulator without noise: no error, no duration, no decay."""
    numbers = Numbers(readout_error=0.0, one_qubit_error=0.0, two_qubit_error=0.0, one_qubit_ns=0.0, two_qubit_ns=0.0)
    return calibration(n_qubits, all_pairs(n_qubits), numbers, calibrated_at_ns=0, source="ideal")


def all_pairs(n_qubits: int) -> np.ndarray:
    """Every coupler of a device in which all qubits couple; none where listing them would not be bounded."""
    if n_qubits * (n_qubits - 1) // 2 > MAX_LISTED_COUPLINGS:
        return np.empty((0, 2), np.int32)
    return np.stack(np.triu_indices(n_qubits, 1), axis=1).astype(np.int32)


def ideal_device(
    name: str, n_qubits: int, *, max_shots: int, title: str = "", features: Features | None = None,
    only_by_name: bool = False,
) -> DeviceModel:  # fmt: skip
    """A simulator without noise, on this machine, in which every pair couples."""
    return DeviceModel(
        name=name,
        provider=name.partition(".")[0],
        kind=Modality.SIMULATOR,
        origin=Origin.SIMULATED,
        n_qubits=n_qubits,
        limits=SessionLimits(max_shots=max_shots),
        calibration=ideal_calibration(n_qubits),
        all_to_all=True,
        title=title,
        features=features or Features(),
        only_by_name=only_by_name,
    )
