"""D-Wave: the topology of an Advantage machine with classical annealing behind it, or the real machines.

Without the vendor's machine the sampler is classical: its answers are ``simulated``, and say nothing of how well the
machine anneals.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from phalanx.adapters.providers._dwave_chains import EXTRA, embed, embedded, unembedded
from phalanx.adapters.providers._dwave_documents import topology
from phalanx.adapters.providers._dwave_machine import DWAVE, DWaveMachine, DWaveServer
from phalanx.adapters.providers._http import VendorHttp, said_plainly
from phalanx.adapters.providers._machines import account_machines
from phalanx.adapters.providers._secrets import AskedAs
from phalanx.core import Origin, Unavailable
from phalanx.devices import (
    FREE,
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
    shipped_snapshots,
)

_URL = "https://na-west-1.cloud.dwavesys.com/sapi/v2"
_P, _MAX_SHOTS = 16, 10_000
_SWEEPS = 1_000
# Where the segments of qubits begin, by track within a row or column: Pegasus as the vendor defines it.
_VERTICAL = (2, 2, 2, 2, 10, 10, 10, 10, 6, 6, 6, 6)
_HORIZONTAL = (6, 6, 6, 6, 2, 2, 2, 2, 10, 10, 10, 10)


def dwave_provider(context: ProviderContext) -> Provided:
    """The entry point ``dwave``. Options ``dwave.url`` (of a region) and ``dwave.solvers`` (names, between commas; else
    every annealer of the account); secret ``dwave.token``, else the variable ``DWAVE_API_TOKEN``."""
    if DWAVE in context.hardware:
        http = VendorHttp(
            "D-Wave", context.options.get("dwave.url", _URL), context.clock, context.io, explain=_explained
        )
        token = AskedAs(
            http, lambda: context.secret("dwave.token", "DWAVE_API_TOKEN"), header="X-Auth-Token", scheme=""
        )
        server = DWaveServer(token)
        made = account_machines(
            context.options, "dwave.solvers", server.machines,
            lambda name, title: DWaveMachine(name, title, server, context),
        )  # fmt: skip
        return Provided(DWAVE, made)
    device = pegasus_device()
    if find_spec("dwave") is None:
        device = replace(device, status=Status.OFFLINE, title=f"{device.title}: {EXTRA}")
    return Provided(DWAVE, [DrawnAnnealer(device, context.offload, _on_topology(device, _local))])


def _on_topology(device: DeviceModel, draw: Draw) -> Draw:
    """Any problem that can be embedded; ``draw`` takes those on the machine's own qubits."""

    def drawn(problem: IsingProblem, shots: int, seed: int, /) -> Spins:
        chains = embed(problem, device, seed)
        return unembedded(draw(embedded(problem, device, chains), shots, seed), chains)

    return drawn


def pegasus_device() -> DeviceModel:
    """Pegasus P16, the 5,640 qubits that are joined; shipped as arrays, which ``pegasus_snapshot`` makes."""
    (shipped,) = shipped_snapshots(DWAVE)
    known = shipped.calibration
    return DeviceModel(
        name=f"{DWAVE}.{shipped.head.name}", provider=DWAVE, kind=Modality.ANNEALER, origin=Origin.SIMULATED,
        n_qubits=known.n_qubits, region="local", title="Pegasus, annealed classically",
        limits=SessionLimits(max_shots=_MAX_SHOTS), features=Features(gates=False, analog=True), calibration=known,
        operations=(Operation("ising", 0),), price=FREE,
    )  # fmt: skip


def pegasus_snapshot() -> Snapshot:
    """The topology as a file of arrays holds it."""
    nodes, edges = pegasus(_P)
    place = {label: at for at, label in enumerate(nodes)}
    known = topology(len(nodes), np.array([(place[a], place[b]) for a, b in edges if a in place and b in place]))
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


def _local(problem: IsingProblem, shots: int, seed: int, /) -> Spins:
    """Classical annealing of the qubits that anything happens to; the others are up."""
    try:
        from dwave.samplers import SimulatedAnnealingSampler
    except ImportError as error:
        raise Unavailable("annealing", str(error), hint=EXTRA) from error
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


def _explained(body: bytes) -> str:
    """Why it refuses, in one sentence; a body of another form as it is."""
    try:
        return str(json.loads(body)["error_msg"])
    except (ValueError, KeyError, TypeError):
        return said_plainly(body)


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
