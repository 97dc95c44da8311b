"""What a device answers, and what may be asked to give such an answer."""

from dataclasses import dataclass
from typing import Protocol

from phalanx.core import Circuit, Provenance


@dataclass(frozen=True, slots=True)
class ShotResult:
    """Outcomes of one circuit. A key spells the classical bits ``c0 c1 …`` from left to right.

    ``used_s`` is the time on the machine that is charged for, where a vendor says it.
    """

    counts: dict[str, int]
    provenance: Provenance
    used_s: float | None = None


class ShotRunner(Protocol):
    """Runs a circuit: a backend's ``run``, or anything that stands before one."""

    async def __call__(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult: ...
