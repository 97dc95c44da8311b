"""How urgent a circuit is, and who goes next on a machine that only one step can use at a time. Pure but for waits.

Priority is out of 300. How critical a step is decides first (0, 100 or 200); within that up to 50 are for the
circuit's need of coherence (how much of T2 it lasts: it suffers most from an ageing calibration), and up to 50 for
how complex it is (the fewest machines can do it). Whoever waits gains a point a second, so nobody waits for ever.
"""

import asyncio
import heapq
import math
from dataclasses import dataclass, field
from itertools import count

from phalanx.devices import DeviceModel
from phalanx.quantum import CircuitFeatures
from phalanx.workflows._placing import Criticality

_TIERS = {Criticality.ROUTINE: 0, Criticality.NORMAL: 100, Criticality.CRITICAL: 200}
_PART = 50
# A circuit of so many two-qubit gates is as complex as it counts.
_COMPLEX = 1_024
_POINTS_PER_S = 1.0


def priority_of(seen: CircuitFeatures, model: DeviceModel, criticality: Criticality) -> int:
    """Higher goes first."""
    known = model.calibration
    took_ns = seen.two_qubit_depth * _number(known.median("two_qubit_ns"))
    took_ns += max(0, seen.depth - seen.two_qubit_depth) * _number(known.median("one_qubit_ns"))
    t2_ns = known.median("t2_ns")
    need = min(1.0, took_ns / t2_ns) if t2_ns > 0 and math.isfinite(t2_ns) else 0.0
    complexity = min(1.0, math.log1p(seen.n_two) / math.log1p(_COMPLEX))
    return _TIERS[criticality] + round(_PART * need) + round(_PART * complexity)


def _number(value: float) -> float:
    return 0.0 if math.isnan(value) else value


@dataclass(slots=True)
class _Line:
    busy: bool = False
    waiting: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)


class Lines:
    """One line before each machine: the most urgent goes first, the others in the order in which they came."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._numbers = count()

    def waiting(self, device: str) -> int:
        """How many have the machine or wait for it."""
        line = self._lines.get(device)
        return 0 if line is None else len(line.waiting) + line.busy

    async def enter(self, device: str, priority: int, now_s: float) -> None:
        """Wait until the machine is this one's."""
        line = self._lines.setdefault(device, _Line())
        if not line.busy:
            line.busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # All gain alike by waiting: who came when settles the order once and for all.
        heapq.heappush(line.waiting, (now_s * _POINTS_PER_S - priority, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(device)
            raise

    def leave(self, device: str) -> None:
        """Hand it to the next."""
        line = self._lines[device]
        while line.waiting:
            _, _, turn = heapq.heappop(line.waiting)
            if not turn.done():
                turn.set_result(None)
                return
        del self._lines[device]
