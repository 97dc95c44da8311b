"""How probable each outcome of a program is, exactly: a classical computation, bounded before memory is taken.

A run (a shot) is one in which something was detected: that is how makers count them. What the conditions of the program
leave of them is what is kept.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import LimitExceeded
from phalanx.quantum._limits import MAX_FOCK_WORK
from phalanx.quantum.photonic._fock import Counts, Fock, factorials, n_states
from phalanx.quantum.photonic._program import PhotonicProgram, shown
from phalanx.quantum.photonic._source import PERFECT, Source

Floats = npt.NDArray[np.float64]
# What is less probable never happens: it is what cancelled out, as computed.
_ROUNDING = 1e-15


@dataclass(frozen=True, slots=True)
class Expected:
    """``weights`` of the outcomes that are kept, among all runs; ``kept`` is their sum, ``heralded`` what the heralds
    alone leave. ``work`` counts the weights that were worked out."""

    weights: dict[str, float]
    kept: float
    heralded: float
    work: int

    def among_kept(self, outcome: str) -> float:
        return self.weights.get(outcome, 0.0) / self.kept if self.kept else 0.0


def expected(program: PhotonicProgram, source: Source = PERFECT) -> Expected:
    """Raises ``LimitExceeded`` where it is too much to be listed."""
    kinds = _kinds(program, source)
    most = program.n_photons * (2 if source.g2 else 1)
    work = _multiplied(kinds, source) * n_states(program.modes, most) * program.modes
    if work > MAX_FOCK_WORK:
        raise LimitExceeded("weights of an exact distribution", maximum=MAX_FOCK_WORK, seen=work)
    fock = Fock(program.modes, most)
    levels = [np.zeros(len(states)) for states in fock.states]
    for chance, alike in kinds:
        for at, weights in enumerate(_with_alike(program, source, fock, alike, chance)):
            levels[at] += weights
    rows = np.concatenate(fock.states[1:])
    weights = np.concatenate(levels[1:]) / (1.0 - levels[0][0])
    seen = detected(program, rows)
    heralded, kept = what_is_kept(program, seen)
    found: dict[str, float] = {}
    different, which = np.unique(seen[kept], axis=0, return_inverse=True)
    sums = np.bincount(which.reshape(-1), weights[kept], len(different))
    for row, weight in zip(different.tolist(), sums.tolist(), strict=True):
        if weight > _ROUNDING:
            found[shown(row)] = weight
    return Expected(found, float(sum(found.values())), float(weights[heralded].sum()), work)


def amplitude_weights(program: PhotonicProgram) -> tuple[Counts, Floats]:
    """(K, m) every outcome of perfect photons before detectors and conditions, and (K,) how probable it is."""
    fock = Fock(program.modes, program.n_photons)
    return fock.states[-1], interfering(fock, program.unitary, columns_of(program.photons))


def interfering(fock: Fock, unitary: npt.NDArray[np.complex128], columns: list[int]) -> Floats:
    """(K,) of photons of one kind that come in by ``columns``, over the states of so many."""
    amplitudes: npt.NDArray[np.complex128] = np.ones(1, np.complex128)
    for k, column in enumerate(columns):
        amplitudes = np.asarray(fock.sent(amplitudes, k, unitary[:, column]))
    sent = np.bincount(np.array(columns, np.int64), minlength=1)[None].astype(np.int8)
    weights = np.abs(amplitudes) ** 2 * factorials(fock.states[len(columns)])
    return np.asarray(weights / factorials(sent)[0])


def columns_of(photons: tuple[int, ...]) -> list[int]:
    """The mode that each photon comes in by."""
    return [mode for mode, n in enumerate(photons) for _ in range(n)]


def detected(program: PhotonicProgram, rows: Counts) -> Counts:
    """(K, m) what the detectors show of photons in modes."""
    return np.minimum(rows, 1) if program.detectors == "threshold" else rows


def what_is_kept(program: PhotonicProgram, seen: Counts) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(K,) each: which outcomes the heralds let pass, and which everything does."""
    heralded = np.ones(len(seen), np.bool_)
    for herald in program.heralds:
        heralded &= seen[:, herald.mode] == herald.photons
    kept = heralded & (seen.sum(axis=1) >= program.min_detected)
    for one in program.postselect:
        kept &= np.isin(seen[:, list(one.modes)].sum(axis=1), one.photons)
    return heralded, kept


def keeps(program: PhotonicProgram, seen: Sequence[int]) -> bool:
    """Whether a shot in which the modes showed ``seen`` is kept."""
    _, kept = what_is_kept(program, detected(program, np.array([seen], np.int8)))
    return bool(kept[0])


def _kinds(program: PhotonicProgram, source: Source) -> list[tuple[float, tuple[bool, ...]]]:
    """Which photons are of the common kind, and how probable that is; what cannot be is left out."""
    if source.alike in {0.0, 1.0}:
        return [(1.0, (source.alike == 1.0,) * program.n_photons)]
    found = []
    for alike in itertools.product((True, False), repeat=program.n_photons):
        n = sum(alike)
        found.append((source.alike**n * (1.0 - source.alike) ** (program.n_photons - n), alike))
    return found


def _multiplied(kinds: list[tuple[float, tuple[bool, ...]]], source: Source) -> int:
    """How often all weights are multiplied by a photon."""
    none, _, extra, _ = source.arriving
    return sum(len(alike) * (2 ** sum(alike) if none or extra else 1) for _, alike in kinds)


def _with_alike(
    program: PhotonicProgram, source: Source, fock: Fock, alike: tuple[bool, ...], chance: float
) -> list[Floats]:
    """Weights by number of photons, given which are of the common kind; those may be lost, as all others."""
    none, photon, extra, both = source.arriving
    columns = columns_of(program.photons)
    common = [column for column, is_common in zip(columns, alike, strict=True) if is_common]
    levels = [np.zeros(len(states)) for states in fock.states]
    for there in itertools.product((True, False), repeat=len(common)) if none or extra else [(True,) * len(common)]:
        arrived = [column for column, is_there in zip(common, there, strict=True) if is_there]
        some: list[Floats | None] = [None] * len(levels)
        some[len(arrived)] = chance * interfering(fock, program.unitary, arrived)
        for column, is_there in zip(common, there, strict=True):
            some = _times(some, fock, np.abs(program.unitary[:, column]) ** 2,
                          (photon, both, 0.0) if is_there else (none, extra, 0.0))  # fmt: skip
        for column, is_common in zip(columns, alike, strict=True):
            if not is_common:
                form = np.abs(program.unitary[:, column]) ** 2
                some = _times(some, fock, form, (none, photon + extra, both))
        for at, weights in enumerate(some):
            if weights is not None:
                levels[at] += weights
    return levels


def _times(
    levels: list[Floats | None], fock: Fock, form: Floats, by: tuple[float, float, float]
) -> list[Floats | None]:
    """Weights by number of photons, with none, one or two photons more that interfere with nothing."""
    made: list[Floats | None] = [None] * len(levels)
    for at, weights in enumerate(levels):
        more = weights
        for extra, chance in enumerate(by):
            if more is None or at + extra >= len(levels):
                break
            if extra:
                more = np.asarray(fock.sent(more, at + extra - 1, form))
            if chance:
                known = made[at + extra]
                made[at + extra] = chance * more if known is None else known + chance * more
    return made
