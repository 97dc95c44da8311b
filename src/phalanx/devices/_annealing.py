"""Ising problems, and the devices that sample low energies of them: annealers.

E(s) = Σ hᵢ·sᵢ + Σ Jᵢⱼ·sᵢ·sⱼ with spins −1 and +1. A QUBO is an Ising problem too, by x = (1 + s) / 2.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded, Provenance
from phalanx.devices._backend import Backend
from phalanx.devices._limits import MAX_ISING_COUPLINGS, MAX_ISING_SPINS, MAX_TRIED_SPINS

Spins = npt.NDArray[np.int8]
_BOTH = np.array([-1.0, 1.0])


@dataclass(frozen=True, eq=False, slots=True)
class IsingProblem:
    """``fields`` (n,) float64; ``pairs`` (m, 2) int32, ``couplings`` (m,) float64. ``offset`` is added to energies."""

    fields: npt.NDArray[np.float64]
    pairs: npt.NDArray[np.int32]
    couplings: npt.NDArray[np.float64]
    offset: float = 0.0

    def __post_init__(self) -> None:
        n, m = self.fields.size, len(self.pairs)
        if not 1 <= n <= MAX_ISING_SPINS:
            raise LimitExceeded("spins of one problem", maximum=MAX_ISING_SPINS, seen=n)
        if m > MAX_ISING_COUPLINGS:
            raise LimitExceeded("couplings of one problem", maximum=MAX_ISING_COUPLINGS, seen=m)
        if self.pairs.shape != (m, 2) or self.couplings.shape != (m,):
            raise InvalidInput("problem.couplings", "there is one for each pair of spins")
        if m and (self.pairs.min() < 0 or self.pairs.max() >= n or (self.pairs[:, 0] == self.pairs[:, 1]).any()):
            raise InvalidInput("problem.couplings", f"a pair is not of two among {n} spins")
        if not (np.isfinite(self.fields).all() and np.isfinite(self.couplings).all()):
            raise InvalidInput("problem", "has a number that is not finite")

    @property
    def n_spins(self) -> int:
        return int(self.fields.size)

    @property
    def digest(self) -> str:
        """Of the numbers: equal problems have one."""
        parts = (self.fields, self.pairs, self.couplings, np.float64(self.offset))
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def lowest(self) -> float:
        """The lowest energy, by trying every state. Raises ``LimitExceeded`` where there are too many."""
        n = self.n_spins
        if n > MAX_TRIED_SPINS:
            raise LimitExceeded("spins whose states are all tried", maximum=MAX_TRIED_SPINS, seen=n)
        between = np.zeros((n, n))
        np.add.at(between, (self.pairs.max(axis=1), self.pairs.min(axis=1)), self.couplings)
        cost = np.full(1, self.offset)
        for spin in range(n):
            # What the new spin costs beside each state of those before it.
            pull = np.zeros(1)
            for other in range(spin):
                pull = np.add.outer(pull, between[spin, other] * _BOTH).reshape(-1)
            pull = pull + self.fields[spin]
            cost = np.stack([cost - pull, cost + pull], axis=1).reshape(-1)
        return float(cost.min())

    def energies(self, spins: Spins) -> npt.NDArray[np.float64]:
        """Of each row of ``spins`` (k, n)."""
        rows = spins.astype(np.float64)
        pairs = (rows[:, self.pairs[:, 0]] * rows[:, self.pairs[:, 1]]) @ self.couplings
        return np.asarray(rows @ self.fields + pairs + self.offset)


class _Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    fields: list[float] | None = None
    couplings: list[tuple[int, int, float]] = []
    qubo: list[tuple[int, int, float]] | None = None
    offset: float = 0.0


def ising(fields: Mapping[int, float], couplings: Mapping[tuple[int, int], float], n_spins: int) -> IsingProblem:
    """A problem from its terms; what is not named is 0."""
    h = np.zeros(n_spins)
    for at, value in fields.items():
        if not 0 <= at < n_spins:
            raise InvalidInput("problem.fields", f"{at} is not among {n_spins} spins")
        h[at] += value
    summed: dict[tuple[int, int], float] = {}
    for (a, b), value in couplings.items():
        pair = (a, b) if a < b else (b, a)
        summed[pair] = summed.get(pair, 0.0) + value
    kept = sorted(summed)
    return IsingProblem(
        h, np.array(kept, np.int32).reshape(-1, 2), np.array([summed[pair] for pair in kept], np.float64)
    )


def qubo(terms: Mapping[tuple[int, int], float], n_bits: int) -> IsingProblem:
    """Σ q·xᵢ·xⱼ over bits: the same energies, offset included, with x = (1 + s) / 2."""
    fields, couplings, offset = dict.fromkeys(range(n_bits), 0.0), dict[tuple[int, int], float](), 0.0
    for (a, b), value in terms.items():
        if not (0 <= a < n_bits and 0 <= b < n_bits):
            raise InvalidInput("problem.qubo", f"({a}, {b}) are not among {n_bits} bits")
        if a == b:
            fields[a] += value / 2
            offset += value / 2
            continue
        pair = (a, b) if a < b else (b, a)
        couplings[pair] = couplings.get(pair, 0.0) + value / 4
        fields[a] += value / 4
        fields[b] += value / 4
        offset += value / 4
    made = ising(fields, couplings, n_bits)
    return IsingProblem(made.fields, made.pairs, made.couplings, offset)


def read_problem(text: bytes) -> IsingProblem:
    """JSON: ``{"fields": [...], "couplings": [[i, j, J], ...], "offset": 0}``, or ``{"qubo": [[i, j, q], ...]}``."""
    try:
        given = msgspec.json.decode(text, type=_Text)
    except msgspec.MsgspecError as error:
        raise InvalidInput("problem", str(error)) from error
    if given.qubo is not None:
        if given.fields is not None or given.couplings or given.offset or not given.qubo:
            raise InvalidInput("problem", "is a QUBO or has fields and couplings, not both")
        n_bits = 1 + max(max(a, b) for a, b, _ in given.qubo)
        if n_bits > MAX_ISING_SPINS:
            raise LimitExceeded("bits of one problem", maximum=MAX_ISING_SPINS, seen=n_bits)
        terms: dict[tuple[int, int], float] = {}
        for a, b, value in given.qubo:
            terms[a, b] = terms.get((a, b), 0.0) + value
        return qubo(terms, n_bits)
    fields = given.fields or []
    summed: dict[tuple[int, int], float] = {}
    for a, b, value in given.couplings:
        summed[a, b] = summed.get((a, b), 0.0) + value
    if not fields:
        raise InvalidInput("problem.fields", "there is one for each spin")
    made = ising(dict(enumerate(fields)), summed, len(fields))
    return IsingProblem(made.fields, made.pairs, made.couplings, given.offset)


def written(problem: IsingProblem) -> str:
    """JSON that ``read_problem`` reads."""
    couplings = [(int(a), int(b), float(value)) for (a, b), value in zip(problem.pairs, problem.couplings, strict=True)]
    given = {"fields": problem.fields.tolist(), "couplings": couplings, "offset": problem.offset}
    return msgspec.json.encode(given).decode()


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """What was drawn, lowest energy first: different ``spins`` (k, n), how often each, and its energy."""

    spins: Spins
    counts: npt.NDArray[np.int64]
    energies: npt.NDArray[np.float64]
    provenance: Provenance

    @property
    def best(self) -> Spins:
        return np.asarray(self.spins[0])


def samples_of(problem: IsingProblem, drawn: Spins, provenance: Provenance) -> Samples:
    """Draws (shots, n) counted, with their energies by ``problem`` itself."""
    spins, counts = np.unique(drawn, axis=0, return_counts=True)
    energies = problem.energies(spins)
    order = np.lexsort((np.arange(len(spins)), energies))
    return Samples(spins[order], counts[order], energies[order], provenance)


@runtime_checkable
class Annealer(Backend, Protocol):
    """A backend that takes Ising problems. Contract: counts add up to ``shots``; energies are the problem's own; what
    does not fit raises ``LimitExceeded`` before anything is spent; a simulator answers one seed with one result."""

    async def sample(self, problem: IsingProblem, /, *, shots: int, seed: int) -> Samples: ...
