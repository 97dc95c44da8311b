"""How much of what a device could keep of a circuit is kept where the circuit is laid.

Survival is the estimated success of the circuit on its qubits: gates, readout, and waiting against T1 and T2, begun as
late as possible. It is told as a share of the best that a much wider search finds on the same device.
"""

import math
from typing import Any

from phalanx.allocation import Layouts
from phalanx.core import Circuit
from phalanx.devices import Backend, DeviceModel
from phalanx.quantum import ShotResult

Seen = dict[tuple[str, str], tuple[Circuit, DeviceModel]]
_TRIALS, _WIDE_TRIALS = 16, 64
_MOST = 40


class Noting:
    """A device that remembers which circuits it was given."""

    def __init__(self, backend: Backend, seen: Seen) -> None:
        self._backend, self._seen = backend, seen

    @property
    def device(self) -> DeviceModel:
        return self._backend.device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        self._seen[circuit.digest, self.device.name] = circuit, self.device
        return await self._backend.run(circuit, shots=shots, seed=seed)


def preserved(seen: Seen) -> dict[str, Any]:
    """The mean share over what was run, and the least."""
    laid, wide = Layouts(trials=_TRIALS), Layouts(trials=_WIDE_TRIALS)
    shares, survivals = [], []
    for circuit, device in list(seen.values())[:_MOST]:
        ours = laid.layout(circuit, device).log_success
        best = max(ours, wide.layout(circuit, device).log_success)
        shares.append(math.exp(ours - best))
        survivals.append(math.exp(ours))
    if not shares:
        return {"circuits": 0}
    return {
        "mean": sum(shares) / len(shares), "least": min(shares), "circuits": len(shares),
        "survival_mean": sum(survivals) / len(survivals),
    }  # fmt: skip
