"""D-Wave: the topology of an Advantage machine with classical annealing behind it, or the real machine.

A problem whose couplings are not the machine's own is embedded: a spin becomes a chain of qubits that are tied
together, and what the chain's majority says counts. Without the vendor's machine the sampler is classical: its answers
are ``simulated``, and say nothing of how well the machine anneals.
"""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from phalanx.core import LimitExceeded, Origin, Unavailable
from phalanx.devices import (
    FREE,
    Calibration,
    DeviceModel,
    Draw,
    DrawnAnnealer,
    Features,
    IsingProblem,
    Modality,
    Operation,
    Provided,
    ProviderContext,
    SessionLimits,
    Snapshot,
    SnapshotHead,
    Spins,
    Status,
    listed_price,
    shipped_snapshots,
    uniform_calibration,
)

DWAVE = "dwave"
_P, _MAX_SHOTS = 16, 10_000
_SWEEPS = 1_000
_EMBED_TRIES = 10
_EXTRA = "pip install 'phalanx[annealing]'"
# Where the segments of qubits begin, by track within a row or column: Pegasus as the vendor defines it.
_VERTICAL = (2, 2, 2, 2, 10, 10, 10, 10, 6, 6, 6, 6)
_HORIZONTAL = (6, 6, 6, 6, 2, 2, 2, 2, 10, 10, 10, 10)


def dwave_provider(context: ProviderContext, *, machine: "Callable[[], Any] | None" = None) -> Provided:
    """The entry point ``dwave``. ``machine`` opens the real one; the default is the SDK's, by its own settings."""
    if DWAVE not in context.hardware:
        device = pegasus_device()
        if find_spec("dwave") is None:
            device = replace(device, status=Status.OFFLINE, title=f"{device.title}: {_EXTRA}")
        return Provided(DWAVE, [DrawnAnnealer(device, context.offload, _on_topology(device, _local))])
    opened = (machine or _real)()
    edges = sorted((min(a, b), max(a, b)) for a, b in opened.edgelist)
    labels = sorted(opened.nodelist)
    name = str((getattr(opened, "solver", None) and opened.solver.name) or "advantage").lower().replace("_", "-")
    device = _device(name, _topology(labels, edges), origin=Origin.HARDWARE, region=DWAVE)

    def drawn(problem: IsingProblem, shots: int, _: int, /) -> Spins:
        fields = {labels[at]: float(value) for at, value in enumerate(problem.fields)}
        pairs = {(labels[a], labels[b]): float(j) for (a, b), j in zip(problem.pairs, problem.couplings, strict=True)}
        answer = opened.sample_ising(fields, pairs, num_reads=shots, answer_mode="raw")
        order = [list(answer.variables).index(label) for label in labels]
        return np.asarray(answer.record.sample, np.int8)[:, order]

    return Provided(DWAVE, [DrawnAnnealer(device, context.offload, _on_topology(device, drawn))])


def _on_topology(device: DeviceModel, draw: Draw) -> Draw:
    """Any problem that can be embedded; ``draw`` takes those on the machine's own qubits."""

    def drawn(problem: IsingProblem, shots: int, seed: int, /) -> Spins:
        chains = embed(problem, device, seed)
        return unembedded(draw(embedded(problem, device, chains), shots, seed), chains)

    return drawn


def pegasus_device() -> DeviceModel:
    """Pegasus P16, the 5,640 qubits that are joined; shipped as arrays, which ``pegasus_snapshot`` makes."""
    (shipped,) = shipped_snapshots(DWAVE)
    return _device(shipped.head.name, shipped.calibration, origin=Origin.SIMULATED, region="local")


def pegasus_snapshot() -> Snapshot:
    """The topology as a file of arrays holds it."""
    nodes, edges = pegasus(_P)
    known = _topology(nodes, edges)
    head = SnapshotHead(
        name=f"pegasus-{_P}", title="Pegasus", n_qubits=known.n_qubits, n_couplers=len(known.pair),
        calibrated_at_ns=0, source=known.source, operations=(("ising", 0),), max_shots=_MAX_SHOTS,
    )  # fmt: skip
    return Snapshot(head, known)


def pegasus(size: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Qubits of the joined part, and all couplers. Qubit ((u·m + w)·12 + k)·(m − 1) + z is in column or row w."""
    at = _place(size)
    edges: set[tuple[int, int]] = set()
    for u in range(2):
        for w in range(size):
            for k in range(12):
                edges |= {(at(u, w, k, z), at(u, w, k, z + 1)) for z in range(size - 2)}
                if k % 2 == 0:
                    edges |= {(at(u, w, k, z), at(u, w, k + 1, z)) for z in range(size - 1)}
    for w in range(size):
        for k in range(12):
            for z in range(size - 1):
                begin = 12 * z + _VERTICAL[k]
                for row, track in (divmod(y, 12) for y in range(begin, begin + 12)):
                    other = (12 * w + k - _HORIZONTAL[track]) // 12
                    if row < size and 0 <= other < size - 1:
                        edges.add((at(0, w, k, z), at(1, row, track, other)))
    return _joined(edges), sorted(edges)


def embed(problem: IsingProblem, device: DeviceModel, seed: int) -> list[list[int]]:
    """A chain of qubits for each spin; chains of one qubit where the problem's couplings are the machine's own."""
    own = {tuple(pair) for pair in device.calibration.pair[~device.calibration.faulty_coupler].tolist()}
    if all((min(a, b), max(a, b)) in own for a, b in problem.pairs.tolist()):
        return [[at] for at in range(problem.n_spins)]
    try:
        from minorminer import find_embedding
    except ImportError as error:
        raise Unavailable("embedding", str(error), hint=_EXTRA) from error
    wanted = problem.pairs.tolist()
    found = find_embedding(wanted, sorted(own), random_seed=seed % (1 << 31), tries=_EMBED_TRIES)
    if wanted and not found:
        raise LimitExceeded(
            f"couplings that fit {device.name}", maximum=len(own), seen=len(wanted),
            hint="no embedding was found: take fewer spins or couplings",
        )  # fmt: skip
    taken = {qubit for chain in found.values() for qubit in chain}
    spare = (q for q in np.flatnonzero(~device.calibration.faulty_qubit).tolist() if q not in taken)
    return [sorted(found[at]) if at in found else [next(spare)] for at in range(problem.n_spins)]


def embedded(problem: IsingProblem, device: DeviceModel, chains: list[list[int]]) -> IsingProblem:
    """The problem on the machine's qubits; chains are tied more strongly than anything pulls at them."""
    own = {tuple(pair) for pair in device.calibration.pair[~device.calibration.faulty_coupler].tolist()}
    pull = np.abs(problem.fields).copy()
    np.add.at(pull, problem.pairs.reshape(-1), np.repeat(np.abs(problem.couplings), 2))
    tie = -float(1.0 + pull.max(initial=0.0))
    fields = np.zeros(device.n_qubits)
    terms: dict[tuple[int, int], float] = {}
    for spin, chain in enumerate(chains):
        fields[chain] += problem.fields[spin] / len(chain)
        for at, a in enumerate(chain):
            terms |= {(a, b): tie for b in chain[at + 1 :] if (a, b) in own}
    for (a, b), value in zip(problem.pairs.tolist(), problem.couplings.tolist(), strict=True):
        joints = [(min(p, q), max(p, q)) for p in chains[a] for q in chains[b] if (min(p, q), max(p, q)) in own]
        for joint in joints:
            terms[joint] = terms.get(joint, 0.0) + value / len(joints)
    pairs = sorted(terms)
    return IsingProblem(
        fields, np.array(pairs, np.int32).reshape(-1, 2), np.array([terms[pair] for pair in pairs], np.float64)
    )


def unembedded(drawn: Spins, chains: list[list[int]]) -> Spins:
    """What the majority of each chain says; a tie goes to its first qubit."""
    columns = [np.sign(2 * drawn[:, chain].sum(axis=1, dtype=np.int32) + drawn[:, chain[0]]) for chain in chains]
    return np.asarray(np.stack(columns, axis=1), np.int8)


def _local(problem: IsingProblem, shots: int, seed: int, /) -> Spins:
    """Classical annealing of the qubits that anything happens to; the others are up."""
    try:
        from dwave.samplers import SimulatedAnnealingSampler
    except ImportError as error:
        raise Unavailable("annealing", str(error), hint=_EXTRA) from error
    used = np.union1d(np.flatnonzero(problem.fields), problem.pairs.reshape(-1))
    spins = np.ones((shots, problem.n_spins), np.int8)
    if not (problem.fields.any() or problem.couplings.any()):
        return spins
    answer = SimulatedAnnealingSampler().sample_ising(
        {int(at): float(problem.fields[at]) for at in used},
        {(int(a), int(b)): float(j) for (a, b), j in zip(problem.pairs, problem.couplings, strict=True)},
        num_reads=shots, num_sweeps=_SWEEPS, seed=seed % (1 << 31),
    )  # fmt: skip
    spins[:, np.asarray(list(answer.variables), np.int64)] = answer.record.sample
    return spins


def _real() -> Any:
    try:
        from dwave.system import DWaveSampler
    except ImportError as error:
        raise Unavailable("D-Wave", str(error), hint="pip install dwave-system") from error
    try:
        return DWaveSampler()
    except Exception as error:
        raise Unavailable("the account at D-Wave", f"{type(error).__name__}: {error}") from error


def _topology(labels: list[int], edges: list[tuple[int, int]]) -> Calibration:
    place = {label: at for at, label in enumerate(labels)}
    pairs = np.array([(place[a], place[b]) for a, b in edges if a in place and b in place], np.int32)
    numbers = {"two_qubit_error": 0.0}
    return uniform_calibration(len(labels), pairs, numbers, calibrated_at_ns=0, source="topology alone")


def _device(name: str, known: Calibration, *, origin: Origin, region: str) -> DeviceModel:
    full = f"{DWAVE}.{name}"
    return DeviceModel(
        name=full, provider=DWAVE, kind=Modality.ANNEALER, origin=origin, n_qubits=known.n_qubits, region=region,
        title="Pegasus, annealed classically" if origin is Origin.SIMULATED else "D-Wave",
        limits=SessionLimits(max_shots=_MAX_SHOTS), features=Features(gates=False, analog=True), calibration=known,
        operations=(Operation("ising", 0),), price=FREE if origin is Origin.SIMULATED else listed_price(full),
    )  # fmt: skip


def _place(size: int) -> Callable[[int, int, int, int], int]:
    return lambda u, w, k, z: ((u * size + w) * 12 + k) * (size - 1) + z


def _joined(edges: set[tuple[int, int]]) -> list[int]:
    """The largest set of qubits that couplers join, in order."""
    near: dict[int, list[int]] = {}
    for a, b in edges:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    left, best = set(near), list[int]()
    while left:
        reached, edge = set[int](), [left.pop()]
        while edge:
            qubit = edge.pop()
            if qubit not in reached:
                reached.add(qubit)
                edge += near[qubit]
        left -= reached
        best = max(best, sorted(reached), key=len)
    return best
