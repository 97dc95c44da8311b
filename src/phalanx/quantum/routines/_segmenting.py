"""Two segments for hosts, so that little traffic crosses and the risk is spread: a variational eigensolver on spins.

The cost of a segmentation is the traffic that crosses, and ``balance`` times the square of how far the risks of the two
sides are apart. As an energy of spins it is diagonal; its lowest state is the best segmentation. The eigensolver
(Peruzzo et al. 2014) turns the angles of a circuit until the mean energy is least, by gradients from parameter shifts,
plain (Adam) or natural. On a device every energy is a mean over shots. Exact diagonalisation stands beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phalanx.core import Baseline, InvalidInput, LimitExceeded, Provenance, Rng
from phalanx.quantum._observables import Observable, into_z
from phalanx.quantum._shots import ShotRunner
from phalanx.quantum.routines._annealing import annealed
from phalanx.quantum.routines._ansatz import Adam, Floats, Layers, natural_step, shifted
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._limits import MAX_ENERGIES, MAX_SEGMENTED, MAX_STEPS

_UNIT = "energies"
_BITS = 63
_CLAIM = (
    "a heuristic: the lowest energy is found more often than not at these sizes, no faster than by classical search; "
    "natural gradients need fewer steps and more measurements for each"
)
Link = tuple[str, str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowest:
    """The lowest mean energy that was found. ``history`` is the energy at each step, ``energies`` how many were asked.

    ``provenance`` is that of the device's answers; empty where states were computed.
    """

    energy: float
    angles: Floats
    history: tuple[float, ...]
    energies: int
    provenance: tuple[Provenance, ...]


async def lowest_energy(
    energy: Observable, n_qubits: int, *, seed: int, layers: int = 2, steps: int = 80, natural: bool = False,
    run: ShotRunner | None = None, shots: int = 1_000,
) -> Lowest:  # fmt: skip
    """The variational eigensolver on any observable. With ``run`` energies are means over ``shots`` on a device.

    The metric of a natural gradient is that of the ideal circuit, also on a device.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise InvalidInput("steps", f"lie in [1, {MAX_STEPS}], got {steps}")
    circuit = Layers(n_qubits, layers)
    wanted = steps * (2 * circuit.n_angles + 1)
    if wanted > MAX_ENERGIES:
        raise LimitExceeded("energies of an eigensolver", maximum=MAX_ENERGIES, seen=wanted)
    rng = Rng(seed).child("vqe")
    angles = rng.child("angles").numpy().normal(scale=0.3, size=circuit.n_angles) + math.pi / 2 * (
        np.arange(circuit.n_angles) >= circuit.n_angles - n_qubits
    )
    meter = _Meter(energy, circuit, run, shots, rng)
    adam = Adam(angles.size)
    best, least, history = angles, math.inf, []
    for _ in range(steps):
        values = await meter.means(np.concatenate([angles[None], *shifted(angles)]))
        history.append(float(values[0]))
        if values[0] < least:
            best, least = angles, float(values[0])
        gradient = (values[1 : 1 + angles.size] - values[1 + angles.size :]) / 2
        angles = angles - (
            natural_step(circuit, angles, gradient, rate=0.5 / energy.norm) if natural else adam.step(gradient)
        )
    return Lowest(energy=least, angles=best, history=tuple(history), energies=meter.asked, provenance=meter.told(seed))


class _Meter:
    """Mean energies: of computed states, or measured on a device."""

    def __init__(self, energy: Observable, circuit: Layers, run: ShotRunner | None, shots: int, rng: Rng) -> None:
        self._energy, self._circuit, self._run, self._shots = energy, circuit, run, shots
        self._rng, self.asked = rng.child("shots"), 0
        self._provenance: list[Provenance] = []
        self._diagonal: Floats | None = None
        if all(letter == "Z" for _, pauli in energy.terms for _, letter in pauli):
            self._diagonal = diagonal(energy, circuit.n_qubits)

    async def means(self, angles: Floats) -> Floats:
        self.asked += len(angles)
        if self._run is not None:
            return np.array([await self._measured(one, self._run) for one in angles])
        states = self._circuit.states(angles)
        if self._diagonal is not None:
            return np.asarray(states**2 @ self._diagonal)
        return np.array([self._energy.exact(state.astype(np.complex128)) for state in states])

    async def _measured(self, angles: Floats, run: ShotRunner) -> float:
        total = self._energy.constant
        for places in self._energy.groups():
            letters = self._energy.letters(places)
            qubits = list(letters)
            gates = self._circuit.gates(angles).extend(into_z(letters)).measure(*qubits)
            answer = await run(gates.circuit(), shots=self._shots, seed=self._rng.bits(_BITS))
            self._provenance.append(answer.provenance)
            shots = sum(answer.counts.values())
            for place in places:
                weight, pauli = self._energy.terms[place]
                bits = [qubits.index(qubit) for qubit, _ in pauli]
                signed = sum((-1) ** sum(int(key[bit]) for bit in bits) * n for key, n in answer.counts.items())
                total += weight * signed / shots
        return total

    def told(self, seed: int) -> tuple[Provenance, ...]:
        """One for each device, without the thousands of circuits."""
        groups: dict[tuple[object, ...], list[Provenance]] = {}
        for one in self._provenance:
            groups.setdefault((one.origin, one.device, one.mitigation, one.calibrated_at_ns), []).append(one)
        return tuple(
            Provenance(
                origin=group[0].origin, device=group[0].device, circuits=(), shots=sum(one.shots for one in group),
                seed=seed, mitigation=group[0].mitigation, calibrated_at_ns=group[0].calibrated_at_ns,
            )
            for group in groups.values()
        )  # fmt: skip


async def segment_hosts(
    links: Sequence[Link], *, seed: int, risks: Mapping[str, float] | None = None, balance: float = 1.0,
    layers: int = 2, steps: int = 80, natural: bool = False, run: ShotRunner | None = None, shots: int = 1_000,
) -> Answer:  # fmt: skip
    """Hosts in two segments. ``links`` are (host, host, traffic); a host without a risk has one of 1.

    With ``run`` the circuits go to a device, and the answer says which. Raises ``InvalidInput``.
    """
    hosts, energy = segment_energy(links, risks or {}, balance)
    n = len(hosts)
    found = await lowest_energy(energy, n, seed=seed, layers=layers, steps=steps, natural=natural, run=run, shots=shots)
    costs = diagonal(energy, n)
    rng = Rng(seed).child("segments")
    state = Layers(n, layers).states(found.angles[None])[0]
    weights = state**2 / (state**2).sum()
    seen, measured = [], found.provenance
    if run is None:
        seen = rng.numpy().choice(weights.size, size=shots, p=weights).tolist()
    else:
        answer = await run(
            Layers(n, layers).gates(found.angles).measure(*range(n)).circuit(), shots=shots, seed=rng.bits(_BITS)
        )
        seen = [int(key, 2) for key in answer.counts]
    best = min(seen, key=lambda at: (costs[at], at))
    exact = int(np.argmin(costs))
    tried, weighed = annealed(-costs, n, found.energies, rng)
    classical = (
        Baseline(
            method="exact diagonalisation", value=float(costs[exact]), error=0.0, cost=costs.size, cost_unit=_UNIT
        ),
        Baseline(method="annealing", value=float(costs[tried]), error=0.0, cost=weighed, cost_unit=_UNIT),
    )
    return Answer(
        routine="segmentation",
        found={
            "segments": _sides(hosts, best),
            "cost": float(costs[best]), "lowest_possible": float(costs[exact]), "mean_energy": found.energy,
            "chance_of_lowest": float(weights[costs <= costs[exact] + 1e-9].sum()), "history": list(found.history),
        },
        quantum=Baseline(
            method=f"eigensolver, {layers} layers, {'natural gradient' if natural else 'Adam'}",
            value=float(costs[best]), error=0.0, cost=found.energies, cost_unit=_UNIT,
        ),
        classical=classical, agrees=bool(costs[best] <= costs[exact] + 1e-9), claim=_CLAIM,
        provenance=_with(measured[0], classical) if measured else simulated(seed, classical, shots=shots),
    )  # fmt: skip


def best_segments(links: Sequence[Link], risks: Mapping[str, float], balance: float) -> tuple[list[list[str]], float]:
    """The segmentation of least cost, by looking at all of them, and its cost. Raises ``InvalidInput``."""
    hosts, energy = segment_energy(links, risks, balance)
    costs = diagonal(energy, len(hosts))
    best = int(np.argmin(costs))
    return _sides(hosts, best), float(costs[best])


def _sides(hosts: Sequence[str], choice: int) -> list[list[str]]:
    n = len(hosts)
    return [[host for at, host in enumerate(hosts) if choice >> (n - 1 - at) & 1 == side] for side in (0, 1)]


def segment_energy(links: Sequence[Link], risks: Mapping[str, float], balance: float) -> tuple[list[str], Observable]:
    """Hosts in order, and the energy of a segmentation. Raises ``InvalidInput``."""
    hosts = sorted({host for one, other, _ in links for host in (one, other)})
    if not 2 <= len(hosts) <= MAX_SEGMENTED:
        raise LimitExceeded("hosts to put into segments", maximum=MAX_SEGMENTED, seen=len(hosts),
                            hint="two at least; put hosts that must stay together under one name")  # fmt: skip
    for one, other, traffic in links:
        if one == other or not 0 <= traffic < math.inf:
            raise InvalidInput("links", f"{one} – {other} with a traffic of {traffic}")
    if unknown := sorted(set(risks) - set(hosts)):
        raise InvalidInput("risks", f"{unknown[0]!r} is in no link")
    if not 0 <= balance < math.inf or any(not 0 <= risk < math.inf for risk in risks.values()):
        raise InvalidInput("balance", "balance and risks are not below zero")
    place = {host: at for at, host in enumerate(hosts)}
    pairs: dict[tuple[int, int], float] = {}
    constant = 0.0
    for one, other, traffic in links:
        pair = (min(place[one], place[other]), max(place[one], place[other]))
        pairs[pair] = pairs.get(pair, 0.0) - traffic / 2
        constant += traffic / 2
    worth = [risks.get(host, 1.0) for host in hosts]
    total = sum(worth) or 1.0
    share = [value / total for value in worth]
    scale = balance * sum(traffic for _, _, traffic in links)
    constant += scale * sum(value**2 for value in share)
    for a in range(len(hosts)):
        for b in range(a + 1, len(hosts)):
            pairs[a, b] = pairs.get((a, b), 0.0) + 2 * scale * share[a] * share[b]
    terms = [(weight, ((a, "Z"), (b, "Z"))) for (a, b), weight in sorted(pairs.items()) if weight]
    return hosts, Observable((*terms, (constant, ())))


def diagonal(energy: Observable, n_qubits: int) -> Floats:
    """The energies of all settings of spins, qubit 0 leftmost."""
    index = np.arange(1 << n_qubits)
    values = np.full(index.size, energy.constant)
    for weight, pauli in energy.terms:
        if pauli:
            parity = np.zeros(index.size, dtype=np.int64)
            for qubit, _ in pauli:
                parity ^= index >> (n_qubits - 1 - qubit) & 1
            values += weight * (1 - 2 * parity)
    return values


def _with(made: Provenance, classical: tuple[Baseline, ...]) -> Provenance:
    return Provenance(
        origin=made.origin, device=made.device, circuits=made.circuits, shots=made.shots, seed=made.seed,
        mitigation=made.mitigation, calibrated_at_ns=made.calibrated_at_ns, baselines=classical,
    )  # fmt: skip
