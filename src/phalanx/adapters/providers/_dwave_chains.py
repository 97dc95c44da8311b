"""Problems on an annealer's own qubits: a spin becomes a chain of qubits that are tied together.

What the majority of a chain says counts. Problems whose couplings are the machine's own take a qubit for each spin.
"""

import numpy as np

from phalanx.core import LimitExceeded, Unavailable
from phalanx.devices import DeviceModel, IsingProblem, Spins

EXTRA = "pip install 'phalanx[annealing]'"
_EMBED_TRIES = 10


def embed(problem: IsingProblem, device: DeviceModel, seed: int) -> list[list[int]]:
    """A chain of qubits for each spin; chains of one qubit where the problem's couplings are the machine's own."""
    own = {tuple(pair) for pair in device.calibration.pair[~device.calibration.faulty_coupler].tolist()}
    if all((min(a, b), max(a, b)) in own for a, b in problem.pairs.tolist()):
        return [[at] for at in range(problem.n_spins)]
    try:
        from minorminer import find_embedding
    except ImportError as error:
        raise Unavailable("embedding", str(error), hint=EXTRA) from error
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
