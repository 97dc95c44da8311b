"""Simulators of others, where they are installed: Qiskit Aer, Stim, PennyLane Lightning.

They are there to compare with, and for who knows them; the fleet never chooses them by itself.
"""

from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec

from phalanx.core import Circuit, Offload
from phalanx.devices import (
    DeviceModel,
    Features,
    Provided,
    ProviderContext,
    ShotResult,
    check_fits,
    check_runs,
    ideal_device,
    provenance_of,
)
from phalanx.quantum import MAX_SHOTS
from phalanx.quantum.circuits import convert

SIMULATORS = "simulators"
_Run = Callable[[Circuit, int, int], dict[str, int]]
_SEEDS = 1 << 32


class OthersSimulator:
    """An ideal simulator that an SDK brings."""

    def __init__(self, device: DeviceModel, offload: Offload, counts: _Run) -> None:
        self._device, self._offload, self._counts = device, offload, counts

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        check_fits(self._device, circuit, shots)
        counts = await self._offload.run(self._run, circuit, shots, seed)
        return ShotResult(counts, provenance_of(self._device, circuit, shots, seed))

    def _run(self, circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
        check_runs(self._device, circuit)
        return self._counts(circuit, shots, seed)


def _aer(circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
    from qiskit import transpile
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(max_parallel_threads=1)
    ready = transpile(convert(circuit, "qiskit"), simulator, optimization_level=0)
    found = simulator.run(ready, shots=shots, seed_simulator=seed % _SEEDS).result().get_counts()
    # Qiskit writes the last bit first.
    return {key.replace(" ", "")[::-1]: int(n) for key, n in found.items()}


def _stim(circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
    bits = convert(circuit, "stim").compile_sampler(seed=seed).sample(shots)
    return dict(Counter("".join("01"[int(bit)] for bit in row) for row in bits))


def _lightning(circuit: Circuit, shots: int, seed: int) -> dict[str, int]:
    import pennylane

    script = convert(circuit, "pennylane").copy(shots=shots)
    device = pennylane.device("lightning.qubit", wires=circuit.n_qubits, seed=seed % _SEEDS)
    (found,) = pennylane.execute([script], device)
    return {str(key): int(n) for key, n in found.items() if n}


# Name, the module that must be there, width, what it can do, and how it is run.
_KNOWN: tuple[tuple[str, str, int, Features, str, _Run], ...] = (
    ("aer", "qiskit_aer", 26, Features(mid_circuit=True, feed_forward=True, reset=True), "Qiskit Aer", _aer),
    ("lightning", "pennylane_lightning", 22, Features(), "PennyLane Lightning", _lightning),
    ("stim", "stim", 4_096, Features(clifford_only=True), "Stim", _stim),
)


def simulators_provider(context: ProviderContext) -> Provided:
    """The entry point ``simulators`` of the group ``phalanx.devices``."""
    return Provided(
        SIMULATORS,
        (
            OthersSimulator(
                ideal_device(
                    f"{SIMULATORS}.{name}", width, max_shots=MAX_SHOTS, title=title, features=able, only_by_name=True
                ),
                context.offload,
                counts,
            )
            for name, module, width, able, title, counts in _KNOWN
            if find_spec(module) is not None
        ),
    )
