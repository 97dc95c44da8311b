"""Where a quantum result came from. No quantum result exists without one of these."""

from enum import Enum

import msgspec


class Origin(Enum):
    """What really ran."""

    HARDWARE = "hardware"
    EMULATED = "emulated"
    SIMULATED = "simulated"


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """The classical method a quantum result is compared with, run on the same input.

    ``cost`` counts what ``cost_unit`` names (samples, queries, …) for both sides alike.
    """

    method: str
    value: float
    error: float
    cost: int
    cost_unit: str


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """How a quantum result was obtained, completely enough to obtain it again.

    ``device`` is the device or simulator; ``calibrated_at_ns`` is set when ``origin`` is
    ``emulated``: the date of the calibration that was emulated. ``circuits`` are content
    hashes. ``mitigation`` is empty when none was applied.
    """

    origin: Origin
    device: str
    circuits: tuple[str, ...]
    shots: int
    seed: int
    mitigation: str = ""
    calibrated_at_ns: int | None = None
    baselines: tuple[Baseline, ...] = ()

    def __post_init__(self) -> None:
        if (self.origin is Origin.EMULATED) != (self.calibrated_at_ns is not None):
            raise ValueError("calibrated_at_ns belongs to emulated results, and to them alone")
