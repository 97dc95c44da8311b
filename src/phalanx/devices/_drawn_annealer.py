"""Annealers whose answers are drawn at once, wherever that happens; one of them is in this process.

The one in this process needs nothing installed: every pair of spins may couple, and samples are annealed
classically. It says nothing about how well a machine anneals.
"""

from typing import Protocol

import numpy as np

from phalanx.core import Circuit, LimitExceeded, Offload, Origin, Rng
from phalanx.devices._annealing import IsingProblem, Samples, Spins, samples_of
from phalanx.devices._emulated import provenance_of
from phalanx.devices._limits import MAX_LOCAL_SPINS
from phalanx.devices._model import DeviceModel, Features, Modality, Operation, SessionLimits, ideal_calibration
from phalanx.quantum import MAX_SHOTS, InvalidCircuit, ShotResult


class Draw(Protocol):
    """Draws spins (shots, n) of a problem. It may take seconds, and is called off the event loop.

    Raises ``LimitExceeded`` for couplings that do not fit.
    """

    def __call__(self, problem: IsingProblem, shots: int, seed: int, /) -> Spins: ...


class DrawnAnnealer:
    """An ``Annealer``: a machine, and who draws for it."""

    def __init__(self, device: DeviceModel, offload: Offload, draw: Draw) -> None:
        self._device, self._offload, self._draw = device, offload, draw

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        del circuit, shots, seed
        raise InvalidCircuit(f"{self._device.name} runs no gates: it samples Ising problems")

    async def sample(self, problem: IsingProblem, /, *, shots: int, seed: int) -> Samples:
        device = self._device
        if problem.n_spins > device.usable_qubits:
            raise LimitExceeded(f"spins on {device.name}", maximum=device.usable_qubits, seen=problem.n_spins)
        if not 1 <= shots <= device.max_shots:
            raise LimitExceeded(f"shots of one run on {device.name}", maximum=device.max_shots, seen=shots)
        return await self._offload.run(self._sampled, problem, shots, seed)

    def _sampled(self, problem: IsingProblem, shots: int, seed: int) -> Samples:
        drawn = self._draw(problem, shots, seed)
        return samples_of(problem, drawn, provenance_of(self._device, problem, shots, seed))


def local_annealer(offload: Offload) -> DrawnAnnealer:
    """The one of this process."""
    device = DeviceModel(
        name="local.annealer", provider="local", kind=Modality.ANNEALER, origin=Origin.SIMULATED,
        n_qubits=MAX_LOCAL_SPINS, title="annealed classically, every pair couples",
        limits=SessionLimits(max_shots=MAX_SHOTS), features=Features(gates=False, analog=True),
        calibration=ideal_calibration(MAX_LOCAL_SPINS), operations=(Operation("ising", 0),), all_to_all=True,
    )  # fmt: skip
    return DrawnAnnealer(device, offload, _annealed)


def _annealed(problem: IsingProblem, shots: int, seed: int, /) -> Spins:
    from phalanx.quantum.simulators import annealed

    generator = Rng(seed).child("annealer").numpy()
    return np.asarray(annealed(problem.fields, problem.pairs, problem.couplings, shots=shots, generator=generator))
