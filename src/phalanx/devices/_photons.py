"""Photonic devices: emulated machines, and an ideal one in this process."""

import msgspec

from phalanx.core import Circuit, Offload, Origin, Rng
from phalanx.devices._calibration import Numbers, calibration
from phalanx.devices._emulated import Emulated, provenance_of
from phalanx.devices._model import DeviceModel, Features, Modality, SessionLimits
from phalanx.devices._photonic import PhotonicLimits
from phalanx.devices._programs import Program, check_takes
from phalanx.quantum import MAX_SHOTS, InvalidCircuit, ShotResult
from phalanx.quantum.photonic import MAX_MODES, MAX_PHOTONS, PhotonicProgram, drawn


class Photons:
    """A ``PhotonicBackend`` whose photons are drawn here: exactly, with what the source does wrong and what is lost.

    Left out: components that are not as they were asked for, counts in the dark, and drift.
    """

    def __init__(self, device: DeviceModel, offload: Offload) -> None:
        assert device.photonic is not None, device.name
        self._device, self._offload = device, offload

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        del circuit, shots, seed
        raise InvalidCircuit(
            f"{self._device.name} runs no gates: it takes photonic programs, which phalanx circuits photons makes of "
            "small circuits"
        )

    async def interfere(self, program: PhotonicProgram, /, *, shots: int, seed: int) -> ShotResult:
        return await interfered(self._device, self._offload, program, shots, seed)


class EmulatedPhotons(Emulated):
    """The same for a machine whose gates are published as well: circuits run by those."""

    async def interfere(self, program: PhotonicProgram, /, *, shots: int, seed: int) -> ShotResult:
        return await interfered(self.device, self._offload, program, shots, seed)


async def interfered(
    device: DeviceModel, offload: Offload, program: PhotonicProgram, shots: int, seed: int
) -> ShotResult:
    """What ``device`` shows of the program, as it is known; drawn off the event loop."""
    limits = device.photonic
    assert limits is not None, device.name
    check_takes(device, Program.of_photonic(program), shots)
    counts = await offload.run(drawn, program, shots, Rng(seed).child("photons"), limits.light)
    made = provenance_of(device, program, shots, seed)
    if device.origin is Origin.EMULATED:
        made = msgspec.structs.replace(made, calibrated_at_ns=limits.as_of_ns)
    return ShotResult(counts, made)


def local_photons() -> DeviceModel:
    """Ideal photons: each arrives, and all are alike."""
    limits = PhotonicLimits(
        modes=MAX_MODES, photons=MAX_PHOTONS, most_in_mode=MAX_PHOTONS, threshold=False, source="ideal"
    )
    nothing = calibration(MAX_PHOTONS, (), Numbers(), calibrated_at_ns=0, source="ideal")
    return DeviceModel(
        name="local.photons", provider="local", kind=Modality.SIMULATOR, origin=Origin.SIMULATED,
        title="photons without losses, all alike", n_qubits=MAX_PHOTONS, limits=SessionLimits(max_shots=MAX_SHOTS),
        calibration=nothing, features=Features(gates=False), photonic=limits,
    )  # fmt: skip
