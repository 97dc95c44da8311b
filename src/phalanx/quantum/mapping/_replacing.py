"""A routed circuit on the best qubits that carry it: same gates, other places.

Routing finds a way, not the best couplers: of all subgraphs of the device that are like the one in use, the one with
the least errors is taken. Errors of gates and readout are exact, waiting is estimated from the times of the present
place and checked exactly afterwards. Bounded by steps of the search.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.quantum._arrays import gate_array
from phalanx.quantum._canonical import BARRIER, Step, Steps
from phalanx.quantum._limits import MAX_REPLACING_STEPS
from phalanx.quantum.mapping._noise import Noise, estimated_success, timeline

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Terrain:
    """A device as the search reads it; made once for each."""

    noise: Noise
    coupler: npt.NDArray[np.int32]
    coupler_cost: npt.NDArray[np.float64]
    neighbours: npt.NDArray[np.int32]

    @classmethod
    def of(cls, noise: Noise, neighbours: npt.NDArray[np.int32]) -> "Terrain":
        return cls(noise, noise.couplers(), _cost(noise.two_qubit_error), neighbours)


def replaced(native: list[Step], n_bits: int, terrain: Terrain) -> tuple[list[Step], dict[int, int], float]:
    """``native`` on other qubits, where each of its qubits went, and the log success there."""
    noise = terrain.noise
    steps = Steps(noise.n_qubits, n_bits, native)
    before = estimated_success(gate_array(steps), noise).log_probability
    pattern = _Pattern.of(steps, noise)
    if pattern is None:
        return native, {}, before
    found = pattern.search(terrain)
    if found is None:
        return native, {}, before
    moved = [step._replace(qubits=_put(step, found)) for step in native]
    after = estimated_success(gate_array(Steps(noise.n_qubits, n_bits, moved)), noise).log_probability
    return (moved, found, after) if after > before else (native, {}, before)


def _put(step: Step, places: dict[int, int]) -> tuple[int, ...]:
    qubits = tuple(places.get(q, q) for q in step.qubits)
    return tuple(sorted(qubits)) if step.name == BARRIER else qubits


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What each qubit in use does (counts of gates and readouts, ns of waiting), and how many gates join each two."""

    qubits: list[int]
    n_one: npt.NDArray[np.float64]
    n_read: npt.NDArray[np.float64]
    waits_ns: npt.NDArray[np.float64]
    joined: dict[tuple[int, int], int]

    @classmethod
    def of(cls, steps: Steps, noise: Noise) -> "_Pattern | None":
        from phalanx.quantum.mapping._kernels import idle_times

        gates = gate_array(steps)
        kinds, first, second, free = timeline(gates)
        couplers, n = noise.couplers(), noise.n_qubits
        pair = kinds == 1
        durations = np.where(kinds == 0, np.where(free, 0.0, noise.one_qubit_ns[first]), noise.readout_ns[first])
        durations[kinds == 4] = 0.0
        durations[pair] = noise.two_qubit_ns[couplers[first[pair], second[pair]]]
        idle = np.zeros((len(kinds), 2))
        idle_times(kinds, first, second, durations, n, idle)
        waits = np.zeros(n)
        real = kinds != 4
        np.add.at(waits, first[real], idle[real, 0])
        np.add.at(waits, second[pair], idle[pair, 1])
        one = np.bincount(first[(kinds == 0) & ~free], minlength=n).astype(float)
        read = np.bincount(first[kinds == 2], minlength=n).astype(float)
        joined: dict[tuple[int, int], int] = {}
        for a, b in zip(first[pair].tolist(), second[pair].tolist(), strict=True):
            key = (min(a, b), max(a, b))
            joined[key] = joined.get(key, 0) + 1
        qubits = sorted({q for step in steps.steps if step.name != BARRIER for q in step.qubits})
        return cls(qubits, one, read, waits, joined) if qubits else None

    def search(self, terrain: Terrain) -> dict[int, int] | None:
        from phalanx.quantum.mapping._kernels_replacing import replace

        order, anchor = self._order()
        where = {q: at for at, q in enumerate(order)}
        node = self._node_costs(order, terrain.noise)
        begin, to, count = [0], list[int](), list[int]()
        for at, qubit in enumerate(order):
            for (a, b), n_gates in self.joined.items():
                other = b if a == qubit else a if b == qubit else -1
                if other >= 0 and where[other] < at:
                    to.append(where[other])
                    count.append(n_gates)
            begin.append(len(to))
        cheapest = float(terrain.coupler_cost.min()) if terrain.coupler_cost.size else 0.0
        least = node.min(axis=1) + np.diff([sum(count[:end]) for end in begin]) * cheapest
        rest = np.concatenate([np.cumsum(least[::-1])[::-1], [0.0]])
        place = np.array(order, np.int32)
        now = float(sum(node[at, qubit] for at, qubit in enumerate(order)))
        for (a, b), n_gates in self.joined.items():
            now += n_gates * float(terrain.coupler_cost[terrain.coupler[a, b]])
        everywhere = np.argsort(node[0], kind="stable").astype(np.int32)
        cost = replace(
            node, np.array(anchor, np.int64), np.array(begin, np.int64), np.array(to, np.int64),
            np.array(count, np.float64), terrain.coupler, terrain.coupler_cost, terrain.neighbours, everywhere, rest,
            place, now, MAX_REPLACING_STEPS,
        )  # fmt: skip
        return dict(zip(order, place.tolist(), strict=True)) if cost < now else None

    def _node_costs(self, order: list[int], noise: Noise) -> npt.NDArray[np.float64]:
        """(v, n): what each qubit's own gates, readouts and waiting cost anywhere."""
        with np.errstate(divide="ignore"):
            decay = (1.0 / noise.t1_ns + 2.0 / noise.t2_ns) / 6.0
        one, read = _cost(noise.one_qubit_error), _cost(noise.readout_error)
        made: npt.NDArray[np.float64] = (
            np.outer(self.n_one[order], one)
            + np.outer(self.n_read[order], read)
            + np.outer(self.waits_ns[order], decay)
        )
        return made

    def _order(self) -> tuple[list[int], list[int]]:
        """Qubits so that each touches an earlier one where it can, the busiest first; and which one it touches."""
        near: dict[int, dict[int, int]] = {q: {} for q in self.qubits}
        for (a, b), n_gates in self.joined.items():
            near[a][b] = near[b][a] = n_gates
        weight = {q: sum(near[q].values()) for q in self.qubits}
        order: list[int] = []
        anchor: list[int] = []
        left = set(self.qubits)
        while left:
            touching = [q for q in left if any(other in near[q] for other in order)]
            chosen = max(touching or left, key=lambda q: (sum(near[q].get(o, 0) for o in order), weight[q], -q))
            ties = [at for at, other in enumerate(order) if other in near[chosen]]
            anchor.append(max(ties, key=lambda at: near[chosen][order[at]]) if ties else -1)
            order.append(chosen)
            left.discard(chosen)
        return order, anchor


def _cost(error: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    made: npt.NDArray[np.float64] = -np.log1p(-np.minimum(error, 1.0 - _TINY))
    return made
