"""Emulates a machine from its calibration: the circuit is fitted to the topology and run under the machine's noise.

Only the qubits that the fitted circuit touches are simulated. Noise per gate is thermal relaxation over the gate's
duration, and depolarisation for what remains of its error rate; qubits relax while they wait; each measured bit flips
with the readout error. There is no crosstalk and no drift: a real machine is worse than its emulation.
"""

from collections.abc import Iterable
from typing import Protocol

from phalanx.core import Circuit, LimitExceeded, Offload, Origin, Provenance, Rng
from phalanx.devices._limits import FIT_TRIALS, MAX_EMULATED_QUBITS
from phalanx.devices._model import DeviceModel
from phalanx.devices._noise import working_noise
from phalanx.devices._treating import TreatedResult, treated, treated_mean
from phalanx.quantum import InvalidCircuit, ShotResult, features
from phalanx.quantum.mapping import Mapped, Noise, map_circuit

# One seed for fitting: the same circuit and calibration give the same fitted circuit in every run.
_FIT_SEED = 20_240_229


class Emulated:
    """A backend that stands in for the machine of ``device``. Needs no vendor's SDK."""

    def __init__(self, device: DeviceModel, offload: Offload) -> None:
        assert device.origin is Origin.EMULATED, device.name
        self._device = device
        self._offload = offload

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        device = self._device
        check_fits(device, circuit, shots)
        counts = await self._offload.run(emulate, device, circuit, shots, seed)
        return ShotResult(counts, provenance_of(device, circuit, shots, seed))

    async def run_treated(
        self, circuit: Circuit, /, *, shots: int, seed: int, mitigate: str, coherence: str, observable: str = ""
    ) -> TreatedResult:
        """With a strategy of coherence, and outcomes mitigated, or the mean of ``observable``."""
        check_fits(self._device, circuit, shots)
        check_runs(self._device, circuit)
        if observable:
            return await self._offload.run(
                treated_mean, self._device, circuit, shots=shots, seed=seed, mitigate=mitigate, coherence=coherence,
                observable=observable,
            )  # fmt: skip
        return await self._offload.run(
            treated, self._device, circuit, shots=shots, seed=seed, mitigate=mitigate, coherence=coherence
        )


def emulate(device: DeviceModel, circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
    """Counts of ``circuit`` under the noise of ``device``. Seconds of work at most: not for the event loop."""
    from phalanx.quantum import simulators

    check_runs(device, circuit)
    fitted, noise = fit(device, circuit)
    return simulators.run(fitted.circuit, shots=shots, rng=Rng(seed).child("emulation"), noise=noise).counts


def fit(device: DeviceModel, circuit: Circuit) -> tuple[Mapped, Noise]:
    """Choose among the qubits that work and are connected, and route over the couplers that work."""
    noise = working_noise(device)
    mapped = map_circuit(
        circuit, noise.pairs, noise.n_qubits, basis=device.two_qubit_basis, noise=noise, trials=FIT_TRIALS,
        rng=Rng(_FIT_SEED),
    )  # fmt: skip
    return mapped, noise


def check_fits(device: DeviceModel, circuit: Circuit, shots: int) -> None:
    """Raises ``LimitExceeded`` for what the device does not take, before anything is spent."""
    if circuit.n_qubits > device.reach:
        what = f"connected qubits of {device.name} that work"
        raise LimitExceeded(what, maximum=device.reach, seen=circuit.n_qubits)
    if not 1 <= shots <= device.max_shots:
        raise LimitExceeded(f"shots of one run on {device.name}", maximum=device.max_shots, seen=shots)


def check_runs(device: DeviceModel, circuit: Circuit) -> None:
    """Raises ``InvalidCircuit`` for what is malformed, measures nothing, or does what the device cannot."""
    seen = features(circuit)
    able = device.features
    if not able.gates:
        raise InvalidCircuit(f"{device.name} runs no gates")
    if not seen.n_measured:
        raise InvalidCircuit("measures nothing: there is no outcome to count")
    if seen.has_feed_forward and not able.feed_forward:
        raise InvalidCircuit(f"{device.name} decides nothing while a circuit runs")
    if seen.has_mid_circuit and not (able.mid_circuit or seen.has_feed_forward):
        raise InvalidCircuit(f"{device.name} measures and resets at the end only")
    if able.clifford_only and not seen.is_clifford:
        raise InvalidCircuit(f"{device.name} knows Clifford gates only")


def beyond_emulation(devices: Iterable[DeviceModel], circuit: Circuit) -> dict[str, str]:
    """Machines that are emulated here, where a circuit is too wide for that, and why: they would take it and fail."""
    if circuit.n_qubits <= MAX_EMULATED_QUBITS or (touched := features(circuit).n_active) <= MAX_EMULATED_QUBITS:
        return {}
    why = f"is emulated here, up to {MAX_EMULATED_QUBITS} qubits that gates touch, and these are {touched}"
    return {one.name: why for one in devices if one.origin is Origin.EMULATED}


class Named(Protocol):
    """What is run: a circuit, or a problem."""

    @property
    def digest(self) -> str: ...


def provenance_of(device: DeviceModel, circuit: Named, shots: int, seed: int) -> Provenance:
    """An emulated result says which calibration it stands for."""
    dated = device.calibration.calibrated_at_ns if device.origin is Origin.EMULATED else None
    return Provenance(
        origin=device.origin, device=device.name, circuits=(circuit.digest,), shots=shots, seed=seed,
        calibrated_at_ns=dated,
    )  # fmt: skip
