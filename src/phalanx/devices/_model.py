"""What a device is, and what it takes to be one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from phalanx.core import Circuit, Origin
from phalanx.quantum import ShotResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A thing that runs circuits. ``name`` is unique and begins with the provider's: ``local.statevector``.

    ``kind`` is what carries the qubits (``simulator``, ``superconducting``, ``trapped-ion``, …) and
    ``origin`` what its answers are worth. ``max_shots`` is for one run.
    """

    name: str
    provider: str
    kind: str
    origin: Origin
    n_qubits: int
    max_shots: int

    def __post_init__(self) -> None:
        assert self.name.startswith(f"{self.provider}."), self.name
        assert self.n_qubits > 0, self.n_qubits
        assert self.max_shots > 0, self.max_shots


class Backend(Protocol):
    """One device, ready to run. ``run`` is a ``quantum.ShotRunner``.

    Contract (``phalanx.testing.contracts``): counts add up to ``shots``; keys spell the classical bits
    ``c0 c1 …``; the provenance is complete; what does not fit raises ``LimitExceeded`` before anything is
    spent, a malformed circuit ``InvalidCircuit``, a device that is not there ``Unavailable``. A simulator
    answers one seed with one result.
    """

    @property
    def device(self) -> Device: ...

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult: ...


class Provider(Protocol):
    """Where backends come from; the entry points ``phalanx.devices`` make these."""

    @property
    def name(self) -> str: ...

    def backends(self) -> Sequence[Backend]: ...
