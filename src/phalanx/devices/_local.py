"""The built-in device: an ideal statevector simulator in this process. No noise, and no server to install."""

from collections import OrderedDict
from collections.abc import Sequence

from phalanx.core import Circuit, LimitExceeded, Offload, Provenance, Rng
from phalanx.devices._backend import Backend, ProviderContext
from phalanx.devices._limits import MAX_REMEMBERED_CIRCUITS, MAX_REMEMBERED_OUTCOMES
from phalanx.devices._model import DeviceModel, ideal_device
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


class LocalProvider:
    """What this process can run by itself."""

    name = "local"

    def __init__(self, context: ProviderContext) -> None:
        self._backends = (LocalStatevector(context.offload),)

    def backends(self) -> Sequence[Backend]:
        return self._backends


def local_provider(context: ProviderContext) -> LocalProvider:
    """The entry point ``local`` of the group ``phalanx.devices``."""
    return LocalProvider(context)
