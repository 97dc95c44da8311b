"""What a routine gives: its answer, what it cost, and what the best classical method gives on the same input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phalanx.core import Baseline, Origin, Provenance

# Amplitudes are computed exactly, by kernels of this package: no noise, and no device.
KERNELS = "phalanx.kernels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question answered by quantum means, simulated, and by classical ones.

    ``quantum`` and ``classical`` have the same unit of cost where the claim is about it. ``claim`` says in a sentence
    what quantum means give here and what they do not; ``agrees`` whether both found the same, or as good.
    """

    routine: str
    found: Mapping[str, Any]
    quantum: Baseline
    classical: tuple[Baseline, ...]
    agrees: bool
    claim: str
    provenance: Provenance


def simulated(
    seed: int, classical: tuple[Baseline, ...], *, shots: int = 1, circuits: tuple[str, ...] = ()
) -> Provenance:
    """Where an answer of these kernels comes from."""
    return Provenance(
        origin=Origin.SIMULATED, device=KERNELS, circuits=circuits, shots=shots, seed=seed, baselines=classical
    )
