"""Draws runs of a program, exactly as probable as they are: nothing is cut off, however many photons there are.

Which photons of a run arrive and are of the common kind is drawn first. Those are drawn from their whole distribution
where that is small, and else photon by photon (Clifford and Clifford, "The classical complexity of boson sampling",
2017, algorithm B), many runs at once. All others go their way alone. A run in which nothing is detected is no shot:
what arrives is drawn on condition that something does.
"""

import numpy as np
import numpy.typing as npt

from phalanx.core import LimitExceeded, Rng
from phalanx.quantum._limits import MAX_FOCK_STATES, MAX_SHOTS, MAX_SIMULATION_S
from phalanx.quantum.photonic._expecting import columns_of, detected, interfering, what_is_kept
from phalanx.quantum.photonic._fock import Counts, Fock, n_states
from phalanx.quantum.photonic._program import PhotonicProgram, shown
from phalanx.quantum.photonic._source import PERFECT, Source

Complex = npt.NDArray[np.complex128]
# Runs whose photons are drawn one by one are taken so many numbers at a time.
_AT_ONCE = 4_000_000
# Rough, for one core: seconds for each product over the signs of the photons of one shot.
_PRODUCT_S = 4e-8


def drawn(program: PhotonicProgram, shots: int, rng: Rng, source: Source = PERFECT) -> dict[str, int]:
    """How often each outcome that is kept came up in ``shots`` runs; none may be kept."""
    if not 1 <= shots <= MAX_SHOTS:
        raise LimitExceeded("shots of one run", maximum=MAX_SHOTS, seen=shots)
    check_drawable(program, shots)
    generator = rng.numpy()
    columns = columns_of(program.photons)
    photon, extra = _arriving(len(columns), source, shots, generator)
    common = photon & (generator.random(photon.shape) < source.alike)
    seen = np.zeros((shots, program.modes), np.int8)
    _interfering(program, columns, common, seen, generator)
    for at, column in enumerate(columns):
        weights = np.abs(program.unitary[:, column]) ** 2
        for alone in (photon[:, at] & ~common[:, at], extra[:, at]):
            runs = np.flatnonzero(alone)
            np.add.at(seen, (runs, generator.choice(program.modes, len(runs), p=weights / weights.sum())), 1)
    seen = detected(program, seen)
    _, kept = what_is_kept(program, seen)
    rows, counts = np.unique(seen[kept], axis=0, return_counts=True)
    return {shown(row): n for row, n in zip(rows.tolist(), counts.tolist(), strict=True)}


def check_drawable(program: PhotonicProgram, shots: int) -> None:
    """Raises ``LimitExceeded`` where it would take too long, by the worst that may be drawn."""
    n = program.n_photons
    if n_states(program.modes, n) <= MAX_FOCK_STATES:
        return
    seconds = int(_PRODUCT_S * shots * n * 2**n)
    if seconds > MAX_SIMULATION_S:
        what = f"the time of drawing {shots:,} shots of {n} photons in {program.modes} modes (estimated seconds)"
        raise LimitExceeded(what, maximum=MAX_SIMULATION_S, seen=seconds, hint="take fewer shots or photons")


def _arriving(
    n: int, source: Source, shots: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(shots, n) each: which photons and which second ones arrive; at least one does in every run."""
    if source.is_perfect:
        return np.ones((shots, n), np.bool_), np.zeros((shots, n), np.bool_)
    none, photon, extra, _ = source.arriving
    something = np.zeros(shots, np.bool_)
    photons, extras = np.empty((shots, n), np.bool_), np.empty((shots, n), np.bool_)
    for at in range(n):
        # Where nothing came yet, it is known that something comes now or later.
        later = 1.0 - none ** (n - at - 1)
        now = 1.0 - none ** (n - at)
        nothing = np.where(something, none, none * later / now)
        where = generator.random(shots)
        arrives = where >= nothing
        which = (where - nothing) / (1.0 - nothing) * (1.0 - none)
        photons[:, at] = arrives & ((which < photon) | (which >= photon + extra))
        extras[:, at] = arrives & (which >= photon)
        something |= arrives
    return photons, extras


def _interfering(
    program: PhotonicProgram, columns: list[int], common: npt.NDArray[np.bool_], seen: Counts,
    generator: np.random.Generator,
) -> None:  # fmt: skip
    """Adds where the photons of the common kind come out, for all runs in which the same ones arrived at once."""
    sets, which = np.unique(common, axis=0, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(which.reshape(-1), minlength=len(sets)))[:-1])
    known: dict[int, Fock] = {}
    for there, runs in zip(sets, parts, strict=True):
        sent = [column for column, is_there in zip(columns, there.tolist(), strict=True) if is_there]
        if not sent:
            continue
        if n_states(program.modes, len(sent)) <= MAX_FOCK_STATES:
            if len(sent) not in known:
                known[len(sent)] = Fock(program.modes, len(sent))
            fock = known[len(sent)]
            weights = interfering(fock, program.unitary, sent)
            times = generator.multinomial(len(runs), weights / weights.sum())
            seen[runs] += np.repeat(fock.states[-1], times, axis=0)
        else:
            size = max(1, _AT_ONCE // (len(sent) << len(sent)))
            for start in range(0, len(runs), size):
                some = runs[start : start + size]
                seen[some] += one_by_one(program.unitary[:, sent], len(some), generator)


def one_by_one(matrix: Complex, runs: int, generator: np.random.Generator) -> Counts:
    """(runs, m) outcomes of photons that come in by the columns of ``matrix`` (m, n), each drawn after those before.

    The chance that photon k comes out in a mode is that of a permanent of k rows; it is expanded along the new row,
    and its minors come out of one sum over signs (Glynn).
    """
    n_modes, n = matrix.shape
    mixed = generator.permuted(np.broadcast_to(np.arange(n), (runs, n)), axis=1)
    # (runs, m, n) the columns of each run in an order of its own.
    own = matrix[:, mixed].transpose(1, 0, 2)
    chosen = np.empty((runs, n), np.int64)
    for k in range(n):
        minors = _minors(own, chosen[:, :k], k)
        weights = np.abs(np.einsum("rml,rl->rm", own[:, :, : k + 1], minors)) ** 2
        levels = weights.cumsum(axis=1)
        where = generator.random((runs, 1)) * levels[:, -1:]
        chosen[:, k] = np.minimum((levels <= where).sum(axis=1), n_modes - 1)
    seen = np.zeros((runs, n_modes), np.int8)
    np.add.at(seen, (np.arange(runs)[:, None], chosen), 1)
    return seen


def _minors(own: Complex, chosen: npt.NDArray[np.int64], k: int) -> Complex:
    """(runs, k + 1) the permanents of the chosen k rows and of k + 1 columns without each in turn."""
    runs = len(own)
    if not k:
        return np.ones((runs, 1), np.complex128)
    rows = np.take_along_axis(own, chosen[:, :, None], axis=1)[:, :, : k + 1]
    signs = 1.0 - 2.0 * ((np.arange(1 << (k - 1))[:, None] >> np.arange(k - 1)) & 1)
    signs = np.concatenate([np.ones((len(signs), 1)), signs], axis=1)
    sums = np.einsum("sk,rkl->rsl", signs, rows)
    before, after = np.ones_like(sums), np.ones_like(sums)
    before[:, :, 1:] = sums[:, :, :-1].cumprod(axis=2)
    after[:, :, :-1] = sums[:, :, :0:-1].cumprod(axis=2)[:, :, ::-1]
    return np.asarray(np.einsum("s,rsl->rl", signs.prod(axis=1), before * after) / (1 << (k - 1)))
