"""The built-in devices: ideal simulators in this process. No noise, and no server to install."""

from collections import OrderedDict

from phalanx.core import Circuit, LimitExceeded, Offload, Provenance, Rng
from phalanx.devices._backend import Provided, ProviderContext
from phalanx.devices._drawn_annealer import local_annealer
from phalanx.devices._emulated import check_fits, check_runs, fit, provenance_of
from phalanx.devices._limits import (
    MAX_DENSITY_QUBITS,
    MAX_REMEMBERED_CIRCUITS,
    MAX_REMEMBERED_OUTCOMES,
    MAX_STABILISER_QUBITS,
    MAX_TENSOR_QUBITS,
)
from phalanx.devices._model import DeviceModel, Features, ideal_device
from phalanx.devices._photons import Photons, local_photons
from phalanx.quantum import MAX_SHOTS, MAX_SIMULATED_QUBITS, ShotResult, TooWide, parse, simulate

LOCAL_STATEVECTOR = ideal_device("local.statevector", MAX_SIMULATED_QUBITS, max_shots=MAX_SHOTS)


class LocalStatevector:
    """Computes a circuit's outcome probabilities off the event loop, then draws from them."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        # By text, not by digest: a digest is checked against its text only when the text is parsed.
        self._recent: OrderedDict[str, simulate.Probabilities] = OrderedDict()

    @property
    def device(self) -> DeviceModel:
        return LOCAL_STATEVECTOR

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        if circuit.n_qubits > MAX_SIMULATED_QUBITS:
            raise TooWide(circuit.n_qubits)
        if not 1 <= shots <= MAX_SHOTS:
            raise LimitExceeded("shots of one run", maximum=MAX_SHOTS, seen=shots)
        weights = await self._probabilities(circuit)
        rng = Rng(seed).child("shots")
        if weights.size <= MAX_REMEMBERED_OUTCOMES:
            counts = simulate.sample(weights, shots, rng)
        else:
            counts = await self._offload.run(simulate.sample, weights, shots, rng)
        return ShotResult(
            counts,
            Provenance(
                origin=LOCAL_STATEVECTOR.origin,
                device=LOCAL_STATEVECTOR.name,
                circuits=(circuit.digest,),
                shots=shots,
                seed=seed,
            ),
        )

    async def _probabilities(self, circuit: Circuit) -> simulate.Probabilities:
        weights = self._recent.get(circuit.qasm3)
        if weights is not None:
            self._recent.move_to_end(circuit.qasm3)
            return weights
        weights = await self._offload.run(_probabilities, circuit)
        if weights.size <= MAX_REMEMBERED_OUTCOMES:
            self._recent[circuit.qasm3] = weights
            if len(self._recent) > MAX_REMEMBERED_CIRCUITS:
                self._recent.popitem(last=False)
        return weights


def _probabilities(circuit: Circuit) -> simulate.Probabilities:
    return simulate.probabilities(parse(circuit))


class LocalSimulator:
    """One of the simulators of ``quantum.simulators``, named; without a ``method`` it is chosen by the circuit."""

    def __init__(self, device: DeviceModel, offload: Offload, method: str | None) -> None:
        self._device, self._offload, self._method = device, offload, method

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        check_fits(self._device, circuit, shots)
        counts = await self._offload.run(self._counts, circuit, shots, seed)
        return ShotResult(counts, provenance_of(self._device, circuit, shots, seed))

    def _counts(self, circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
        from phalanx.quantum import simulators

        check_runs(self._device, circuit)
        rng = Rng(seed).child("simulator")
        if self._method != _DENSITY:
            return simulators.run(circuit, shots=shots, rng=rng, method=self._method).counts
        fitted, noise = fit(self._device, circuit)
        return simulators.run(fitted.circuit, shots=shots, rng=rng, noise=noise, method=_DENSITY).counts


_DENSITY = "density"
_ANYTHING = Features(mid_circuit=True, feed_forward=True, reset=True)
# What each is called, its method, its width, and what it can do.
_SIMULATORS: tuple[tuple[str, str | None, int, str, Features], ...] = (
    ("simulator", None, MAX_STABILISER_QUBITS, "chosen by the circuit", _ANYTHING),
    ("stabiliser", "stabiliser", MAX_STABILISER_QUBITS, "Clifford gates on many qubits",
     Features(mid_circuit=True, feed_forward=True, reset=True, clifford_only=True)),
    ("tensor-network", "mps", MAX_TENSOR_QUBITS, "little entanglement on many qubits", Features()),
    ("density-matrix", _DENSITY, MAX_DENSITY_QUBITS, "every outcome with its weight", Features()),
)  # fmt: skip


def local_provider(context: ProviderContext) -> Provided:
    """The entry point ``local`` of the group ``phalanx.devices``: what this process can run by itself.

    The statevector that circuits go to, ideal photons, an annealer, and others by name.
    """
    others = [
        LocalSimulator(
            ideal_device(f"local.{name}", width, max_shots=MAX_SHOTS, title=title, features=able, only_by_name=True),
            context.offload,
            method,
        )
        for name, method, width, title, able in _SIMULATORS
    ]
    photons, annealer = Photons(local_photons(), context.offload), local_annealer(context.offload)
    return Provided("local", (LocalStatevector(context.offload), *others, photons, annealer))
