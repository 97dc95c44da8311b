"""Layout and routing onto a coupling graph: SABRE's two-way passes from several beginnings, the fewest swaps kept."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit, InvalidInput, Rng
from phalanx.quantum._arrays import GateArray, steps_of
from phalanx.quantum._canonical import BARRIER, Step, Steps, write
from phalanx.quantum._circuits import Gates
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._limits import MAX_DEVICE_QUBITS, MAX_LAYOUT_TRIALS, MAX_REPLACED_ROUTES
from phalanx.quantum.mapping._native import TWO_QUBIT_BASES, split_steps, to_native
from phalanx.quantum.mapping._noise import Noise
from phalanx.quantum.mapping._replacing import Terrain, replaced

_PASSES = 3
_FAR = np.float32(1e6)


@dataclass(frozen=True, slots=True)
class Mapped:
    """A circuit on a device's qubits. ``layout`` says where each of its qubits begins, ``final`` where it ends."""

    circuit: Circuit
    layout: tuple[int, ...]
    final: tuple[int, ...]
    n_swaps: int
    n_two: int


def map_circuit(
    circuit: "Circuit | Gates | GateArray", pairs: npt.ArrayLike, n_qubits: int, *, basis: str = "cx",
    noise: Noise | None = None, trials: int = 8, rng: Rng | None = None,
) -> Mapped:  # fmt: skip
    """Lay a circuit on ``n_qubits`` qubits joined by ``pairs`` (m, 2), in rz, sx, x and ``basis``.

    With ``noise``, trials begin on good qubits, the best few are moved to the best qubits that carry them, and the one
    likeliest to succeed wins; else the one with fewest swaps.
    Raises ``InvalidCircuit`` where the circuit has more qubits than are joined.
    """
    if basis not in TWO_QUBIT_BASES:
        raise InvalidInput("basis", f"{basis!r} is none of {', '.join(TWO_QUBIT_BASES)}")
    if not 1 <= trials <= MAX_LAYOUT_TRIALS or not 1 <= n_qubits <= MAX_DEVICE_QUBITS:
        raise InvalidInput("trials", f"1 to {MAX_LAYOUT_TRIALS} trials on at most {MAX_DEVICE_QUBITS} qubits")
    steps = steps_of(circuit)
    split = split_steps(steps.steps)
    graph = _Graph.of(np.asarray(pairs, dtype=np.int32).reshape(-1, 2), n_qubits, noise)
    active = sorted({qubit for step in split if step.name != BARRIER for qubit in step.qubits})
    if len(active) > len(graph.usable):
        raise InvalidCircuit(f"it needs {len(active)} qubits, {len(graph.usable)} of the device are joined")
    line = _Line.of(split, active)
    numbers = (rng or Rng(0)).child("mapping").numpy()
    routes: list[_Route] = []
    for trial in range(trials):
        begin = graph.beginning(len(active), numbers, tried=trial)
        tie = numbers.random(4096)
        for passes in range(_PASSES - 1):
            graph.run(line.backwards if passes % 2 else line, begin, tie)
        layout = begin.copy()
        order = graph.run(line, begin, tie)
        placed, n_swaps = _placed(split, line, order, layout, n_qubits)
        routes.append(_Route(graph.cost(placed, noise, n_swaps), placed, layout, begin.copy(), n_swaps))
    native, layout, final, n_swaps = _best(routes, basis, steps, graph, noise)
    where = dict(zip(active, range(len(active)), strict=True))
    spare = iter(sorted(set(range(n_qubits)) - {int(layout[where[q]]) for q in active}))
    begins = tuple(int(layout[where[q]]) if q in where else next(spare, -1) for q in range(steps.n_qubits))
    ends = tuple(int(final[where[q]]) if q in where else begins[q] for q in range(steps.n_qubits))
    n_two = sum(len(step.qubits) == 2 and step.name == basis for step in native)
    return Mapped(write(Steps(n_qubits, steps.n_bits, native)), begins, ends, n_swaps, n_two)


@dataclass(frozen=True, slots=True)
class _Route:
    """One way: its steps on physical qubits, where each qubit begins and ends, and what it costs."""

    cost: float
    placed: list[Step]
    layout: npt.NDArray[np.int32]
    final: npt.NDArray[np.int32]
    n_swaps: int


def _best(
    routes: list[_Route], basis: str, steps: Steps, graph: "_Graph", noise: Noise | None
) -> tuple[list[Step], npt.NDArray[np.int32], npt.NDArray[np.int32], int]:
    """In the machine's own gates: the cheapest; by ``noise`` the likeliest to succeed, each on its best qubits."""
    routes = sorted(routes, key=lambda route: route.cost)
    if noise is None or not len(noise.pairs):
        first = routes[0]
        return to_native(first.placed, basis, len(graph.quality)), first.layout, first.final, first.n_swaps
    terrain = Terrain.of(noise, graph.neighbours)
    found: list[tuple[float, list[Step], dict[int, int], _Route]] = []
    # Ways with fewer swaps may be dear only where they are: they are tried as well as the cheapest.
    few = dict.fromkeys([*range(len(routes))][: MAX_REPLACED_ROUTES // 2])
    few |= dict.fromkeys(sorted(range(len(routes)), key=lambda at: (routes[at].n_swaps, at))[:MAX_REPLACED_ROUTES])
    for at in list(few)[:MAX_REPLACED_ROUTES]:
        native = to_native(routes[at].placed, basis, len(graph.quality))
        moved, places, success = replaced(native, steps.n_bits, terrain)
        found.append((success, moved, places, routes[at]))
    _, native, places, route = max(found, key=lambda one: one[0])
    whole = _permutation(places, len(graph.quality))
    return native, whole[route.layout], whole[route.final], route.n_swaps


def _permutation(places: dict[int, int], n: int) -> npt.NDArray[np.int32]:
    """Where every qubit of the device goes when ``places`` say it of some: the others keep theirs or fill the gaps."""
    made = np.arange(n, dtype=np.int32)
    for q, p in places.items():
        made[q] = p
    free = sorted(set(range(n)) - set(places.values()))
    moved = [q for q in range(n) if q not in places]
    stay = set(moved) & set(free)
    gaps = iter(q for q in free if q not in stay)
    for q in moved:
        made[q] = q if q in stay else next(gaps)
    return made


@dataclass(frozen=True, slots=True)
class _Part:
    """Two-qubit gates that only their qubits put in order, by places among the active qubits; ``begin`` counts those
    of the parts before."""

    gates: npt.NDArray[np.int32]
    follows: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    waiting: npt.NDArray[np.int32]
    begin: int


@dataclass(frozen=True, slots=True)
class _Line:
    """The two-qubit gates in order. Barriers and decisions put gates of other qubits in order: parts lie between."""

    parts: tuple[_Part, ...]
    at: list[int]
    place: dict[int, int]

    @classmethod
    def of(cls, steps: list[Step], active: list[int]) -> "_Line":
        place = {qubit: at for at, qubit in enumerate(active)}
        pieces: list[list[int]] = [[]]
        for n, step in enumerate(steps):
            if step.condition or (step.name == BARRIER and len(step.qubits) > 1):
                pieces.append([])
            if len(step.qubits) == 2 and step.name != BARRIER:
                pieces[-1].append(n)
        pairs = [[[place[q] for q in steps[n].qubits] for n in piece] for piece in pieces if piece]
        return cls._made(pairs, [n for piece in pieces for n in piece], place)

    @property
    def backwards(self) -> "_Line":
        pairs = [part.gates[::-1].tolist() for part in reversed(self.parts)]
        return self._made(pairs, self.at[::-1], self.place)

    @classmethod
    def _made(cls, pairs: list[list[list[int]]], at: list[int], place: dict[int, int]) -> "_Line":
        parts, begin = [], 0
        for each in pairs:
            gates = np.array(each, dtype=np.int32).reshape(-1, 2)
            parts.append(_Part(gates, *_followers(gates, len(place)), begin))
            begin += len(each)
        return cls(tuple(parts), at, place)


def _followers(
    gates: npt.NDArray[np.int32], n: int
) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.int32]]:
    follows = (np.full(len(gates), -1, dtype=np.int64), np.full(len(gates), -1, dtype=np.int64))
    waiting = np.zeros(len(gates), dtype=np.int32)
    last: list[tuple[int, int] | None] = [None] * n
    for g, pair in enumerate(gates.tolist()):
        for side, q in enumerate(pair):
            before = last[q]
            if before is not None:
                follows[before[1]][before[0]] = g
                waiting[g] += 1
            last[q] = (g, side)
    return follows, waiting


@dataclass(frozen=True, slots=True)
class _Graph:
    distance: npt.NDArray[np.float32]
    neighbours: npt.NDArray[np.int32]
    usable: npt.NDArray[np.int64]
    quality: npt.NDArray[np.float64]

    @classmethod
    def of(cls, pairs: npt.NDArray[np.int32], n: int, noise: Noise | None) -> "_Graph":
        from phalanx.quantum.mapping._kernels import hops

        joined = np.zeros((n, n), dtype=bool)
        quality = np.ones(n)
        joined[pairs[:, 0], pairs[:, 1]] = joined[pairs[:, 1], pairs[:, 0]] = True
        np.fill_diagonal(joined, val=False)
        if noise is not None:
            quality = quality - noise.readout_error
            for (a, b), error in zip(noise.pairs, noise.two_qubit_error, strict=True):
                quality[a] -= min(error, 0.5)
                quality[b] -= min(error, 0.5)
        degree = int(joined.sum(axis=1).max()) if n > 1 else 1
        neighbours = np.full((n, max(degree, 1)), -1, dtype=np.int32)
        for q in range(n):
            near = np.flatnonzero(joined[q])
            neighbours[q, : len(near)] = near
        distance = np.full((n, n), _FAR, dtype=np.float32)
        hops(neighbours, distance)
        component = np.argmax((distance < _FAR).sum(axis=1))
        usable = np.flatnonzero(distance[component] < _FAR)
        return cls(distance, neighbours, usable, quality)

    def beginning(self, n: int, numbers: np.random.Generator, *, tried: int) -> npt.NDArray[np.int32]:
        """Where each qubit begins: a dense patch, around the best qubit first and around others in later trials."""
        seed = self.usable[np.argmax(self.quality[self.usable])] if tried == 0 else numbers.choice(self.usable)
        order = np.lexsort((-self.quality[self.usable], self.distance[seed][self.usable]))
        patch = self.usable[order][:n]
        if tried:
            patch = numbers.permutation(patch)
        rest = np.setdiff1d(np.arange(len(self.quality)), patch)
        return np.concatenate([patch, rest]).astype(np.int32)

    def run(self, line: _Line, place: npt.NDArray[np.int32], tie: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        from phalanx.quantum.mapping._kernels import route

        found = [np.empty(0, dtype=np.int64)]
        for part in line.parts:
            most = len(part.gates) * (len(place) + 8) + 64
            out = np.empty(most, dtype=np.int64)
            written = route(
                part.gates, *part.follows, part.waiting.copy(), self.distance, self.neighbours, place, tie, out, most
            )
            assert written >= 0, "routing ends"
            found.append(np.where(out[:written] >= 0, out[:written] + part.begin, out[:written]))
        return np.concatenate(found)

    @staticmethod
    def cost(placed: list[Step], noise: Noise | None, n_swaps: int) -> float:
        if noise is None:
            return float(n_swaps)
        couplers = noise.couplers()
        total = 0.0
        for step in placed:
            if len(step.qubits) == 2 and step.name != BARRIER:
                coupler = couplers[step.qubits]
                total -= np.log1p(-min(float(noise.two_qubit_error[coupler]), 1 - 1e-12)) if coupler >= 0 else np.inf
            elif step.name == "measure":
                total -= np.log1p(-min(float(noise.readout_error[step.qubits[0]]), 1 - 1e-12))
        return float(total)


def _placed(
    split: list[Step], line: _Line, order: npt.NDArray[np.int64], layout: npt.NDArray[np.int32], n: int
) -> tuple[list[Step], int]:
    """Every step on physical qubits, in the order of routing; swaps as three cx."""
    where = layout.copy()
    who = np.empty(n, dtype=np.int64)
    who[where] = np.arange(n)
    streams = _Streams(split)
    found: list[Step] = []

    def put(step: Step) -> None:
        qubits = tuple(int(where[line.place[q]]) for q in step.qubits if q in line.place)
        if step.name == BARRIER:
            qubits = tuple(sorted(qubits))
        if qubits:
            found.append(step._replace(qubits=qubits))

    n_swaps = 0
    for entry in order.tolist():
        if entry >= 0:
            for step in streams.before(line.at[entry]):
                put(step)
            continue
        a, b = divmod(-entry - 1, n)
        n_swaps += 1
        found += [Step("cx", (a, b)), Step("cx", (b, a)), Step("cx", (a, b))]
        q, r = who[a], who[b]
        who[a], who[b] = r, q
        where[q], where[r] = b, a
    for step in streams.rest():
        put(step)
    return found, n_swaps


class _Streams:
    """Gives out steps, each after all that it depends on."""

    def __init__(self, split: list[Step]) -> None:
        self._split = split
        self._done = [False] * len(split)
        self._needs: list[tuple[int, ...]] = []
        last: dict[object, int] = {}
        for at, step in enumerate(split):
            keys: list[object] = [*step.qubits, *(("bit", bit) for bit, _ in step.condition)]
            if step.bit >= 0:
                keys.append(("bit", step.bit))
            self._needs.append(tuple({last[key] for key in keys if key in last}))
            last.update(dict.fromkeys(keys, at))

    def before(self, at: int) -> list[Step]:
        """The step at ``at`` with everything before it that has not been given out."""
        found: list[int] = []
        stack = [at]
        while stack:
            top = stack[-1]
            if self._done[top]:
                stack.pop()
                continue
            missing = [need for need in self._needs[top] if not self._done[need]]
            if missing:
                stack += missing
                continue
            stack.pop()
            self._done[top] = True
            found.append(top)
        return [self._split[one] for one in found]

    def rest(self) -> list[Step]:
        return [step for at in range(len(self._split)) if not self._done[at] for step in self.before(at)]
