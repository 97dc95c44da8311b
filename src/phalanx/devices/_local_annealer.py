"""The annealer of this process: every pair of spins may couple, and what is drawn is annealed classically."""

import numpy as np

from phalanx.core import Circuit, LimitExceeded, Offload, Origin, Rng
from phalanx.devices._annealing import IsingProblem, Samples, Spins, samples_of
from phalanx.devices._emulated import provenance_of
from phalanx.devices._limits import MAX_LOCAL_SPINS
from phalanx.devices._model import DeviceModel, Features, Modality, Operation, SessionLimits, ideal_calibration
from phalanx.quantum import MAX_SHOTS, InvalidCircuit, ShotResult


class LocalAnnealer:
    """An ``Annealer`` that needs nothing installed. It says nothing of how well a machine anneals."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self._device = DeviceModel(
            name="local.annealer", provider="local", kind=Modality.ANNEALER, origin=Origin.SIMULATED,
            n_qubits=MAX_LOCAL_SPINS, title="annealed classically, every pair couples",
            limits=SessionLimits(max_shots=MAX_SHOTS), features=Features(gates=False, analog=True),
            calibration=ideal_calibration(MAX_LOCAL_SPINS), operations=(Operation("ising", 0),), all_to_all=True,
        )  # fmt: skip

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        del circuit, shots, seed
        raise InvalidCircuit(f"{self._device.name} runs no gates: it samples Ising problems")

    async def sample(self, problem: IsingProblem, /, *, shots: int, seed: int) -> Samples:
        device = self._device
        if problem.n_spins > device.n_qubits:
            raise LimitExceeded(f"spins on {device.name}", maximum=device.n_qubits, seen=problem.n_spins)
        if not 1 <= shots <= device.max_shots:
            raise LimitExceeded(f"shots of one run on {device.name}", maximum=device.max_shots, seen=shots)
        drawn = await self._offload.run(self._drawn, problem, shots, seed)
        return samples_of(problem, drawn, provenance_of(device, problem, shots, seed))

    @staticmethod
    def _drawn(problem: IsingProblem, shots: int, seed: int) -> Spins:
        from phalanx.quantum.simulators import annealed

        generator = Rng(seed).child("annealer").numpy()
        return np.asarray(annealed(problem.fields, problem.pairs, problem.couplings, shots=shots, generator=generator))
