"""Evolves the state of a few atoms exactly, by a commutator-free Magnus integrator of fourth order.

Each step is two exponentials of constant Hamiltonians (Alvermann and Fehske, J. Comput. Phys. 230, 2011), applied by
Lanczos' method until the estimate of its error is below ``_TOLERANCE``. Steps end where the drive bends or jumps.
Outcomes whose interaction is out of the drive's reach count as being just out of it.
"""

import itertools
import math

import numpy as np
import numpy.typing as npt

from phalanx.core import LimitExceeded
from phalanx.quantum._limits import MAX_EVOLVED_ATOMS
from phalanx.quantum.analog._program import AnalogProgram, Floats, Line, interactions

State = npt.NDArray[np.complex128]
_STEP_US = 0.02
_KRYLOV, _TOLERANCE, _SHORTER = 60, 1e-9, 0.8
_BENDS_KEPT = 400
_FAR = 250.0
_FIRST, _SECOND = 0.5 - math.sqrt(3) / 6, 0.5 + math.sqrt(3) / 6
_LESS, _MORE = (3 - 2 * math.sqrt(3)) / 12, (3 + 2 * math.sqrt(3)) / 12


def probabilities(program: AnalogProgram, c6: float) -> Floats:
    """(2^n,) of each outcome at the end, the first atom in the highest bit. Seconds of work at most."""
    weights = np.abs(evolve(program, c6)) ** 2
    return np.asarray(weights / weights.sum())


def evolve(program: AnalogProgram, c6: float) -> State:
    """(2^n,) amplitudes at the end, all atoms in the ground state at first. Raises ``LimitExceeded``."""
    n = program.n_atoms
    if n > MAX_EVOLVED_ATOMS:
        raise LimitExceeded("atoms that are evolved exactly here", maximum=MAX_EVOLVED_ATOMS, seen=n)
    excited = ((np.arange(1 << n)[:, None] >> np.arange(n - 1, -1, -1)) & 1).astype(np.float64)
    between = np.einsum("ki,ij,kj->k", excited, interactions(program, c6), excited) / 2
    between = np.minimum(between, _out_of_reach(program))
    local = excited @ np.array(program.pattern) if program.pattern else None
    drive = _Drive(program, between, excited.sum(axis=1), local)
    state = np.zeros(1 << n, np.complex128)
    state[0] = 1.0
    for start, end in _steps(program):
        early, late = (drive.at(start + part * (end - start)) for part in (_FIRST, _SECOND))
        # In a frame that turns with the phase, which is one number within a step, the drive is real.
        frame = np.exp(1j * _held(program.phase, start) * drive.excited)
        state = state * frame.conj()
        # Each half has half of what is constant, so the two add up to one step.
        state = _turned(state, drive, _MORE * early + _LESS * late, end - start)
        state = _turned(state, drive, _LESS * early + _MORE * late, end - start) * frame
    return state


class _Drive:
    """The Hamiltonian as (Ω, Δ, Δ_local, 1) at a time, and what that does to a state, in a frame without a phase."""

    def __init__(self, program: AnalogProgram, between: Floats, excited: Floats, local: Floats | None) -> None:
        self._between, self.excited, self._local = between, excited, local
        self._lines = tuple(
            np.array(line or ((0.0, 0.0),)).T for line in (program.amplitude, program.detuning, program.local_detuning)
        )
        n = program.n_atoms
        left, right = n // 2, n - n // 2
        self._left, self._right = _flips(left), np.kron(_flips(right), np.eye(2))
        self._shape = (1 << left, 2 << right)

    def at(self, time_us: float) -> Floats:
        strength, detuning, local = (float(np.interp(time_us, *line)) for line in self._lines)
        return np.array([strength, detuning, local, 1.0])

    def diagonal(self, row: Floats) -> Floats:
        found = row[3] * self._between - row[1] * self.excited
        return np.asarray(found if self._local is None else found - row[2] * self._local)

    def applied(self, half: float, diagonal: Floats, state: State) -> State:
        """Amplitudes are seen as pairs of real numbers: the flips are real matrices, and cost half as much."""
        pairs = state.view(np.float64).reshape(self._shape)
        flipped = self._left @ pairs
        flipped += pairs @ self._right
        flipped *= half
        found: State = flipped.reshape(-1).view(np.complex128)
        found += diagonal * state
        return found


def _turned(state: State, drive: _Drive, row: Floats, step_us: float) -> State:
    """exp(−i·step·H) on ``state``, in as many parts as Lanczos' method needs."""
    half, diagonal, left = float(row[0]) / 2, drive.diagonal(row), step_us
    while left > 0:
        state, done = _lanczos(state, drive, half, diagonal, left)
        left -= done
    return state


def _lanczos(state: State, drive: _Drive, half: float, diagonal: Floats, step_us: float) -> tuple[State, float]:
    """The state after as much of the step as the space of Krylov holds, and how much that is."""
    size = min(_KRYLOV, state.size)
    basis = np.empty((size, state.size), np.complex128)
    main, beside = np.zeros(size), np.zeros(size)
    length = float(np.linalg.norm(state))
    basis[0] = state / length
    for at in range(size):
        new = drive.applied(half, diagonal, basis[at])
        main[at] = np.vdot(basis[at], new).real
        new -= main[at] * basis[at]
        if at:
            new -= beside[at - 1] * basis[at - 1]
        beside[at] = np.linalg.norm(new)
        full = at + 1 == size
        if beside[at] < _TOLERANCE or full or at % 4 == 3:
            parts = _exponential(main[: at + 1], beside[:at], step_us)
            if beside[at] < _TOLERANCE or beside[at] * step_us * abs(parts[-1]) < _TOLERANCE:
                return np.asarray(length * (parts @ basis[: at + 1])), step_us
        if not full:
            basis[at + 1] = new / beside[at]
    while True:
        step_us *= _SHORTER
        parts = _exponential(main, beside[:-1], step_us)
        if beside[-1] * step_us * abs(parts[-1]) < _TOLERANCE:
            return np.asarray(length * (parts @ basis)), step_us


def _exponential(main: Floats, beside: Floats, step_us: float) -> State:
    """The first column of exp(−i·step·T) of a tridiagonal T."""
    values, vectors = np.linalg.eigh(np.diag(main) + np.diag(beside, 1) + np.diag(beside, -1))
    return np.asarray((vectors * np.exp(-1j * step_us * values)) @ vectors[0])


def _out_of_reach(program: AnalogProgram) -> float:
    """An energy that no drive of the program reaches; higher ones are taken for it, and cost no more steps.

    What is that far away shifts its neighbours by Ω²/4E: a thousandth of a radian for each radian of the drive at most.
    """
    strongest = max(value for _, value in program.amplitude)
    lines = (program.detuning, program.local_detuning)
    return _FAR * strongest + 4 * program.n_atoms * sum(max((abs(v) for _, v in line), default=0.0) for line in lines)


def _flips(width: int) -> Floats:
    """(2^w, 2^w) the sum of σx over ``width`` atoms."""
    size = 1 << width
    found = np.zeros((size, size))
    for atom in range(width):
        found[np.arange(size) ^ (1 << atom), np.arange(size)] = 1.0
    return found


def _steps(program: AnalogProgram) -> list[tuple[float, float]]:
    """From bend to bend, where there are few; where lines are sampled finely they bend a little everywhere."""
    bends = {at for line in (program.amplitude, program.detuning, program.local_detuning) for at, _ in line}
    kept = bends if len(bends) <= _BENDS_KEPT else {0.0, program.duration_us}
    times = sorted(kept | {at for at, _ in program.phase} | {program.duration_us})
    found = []
    for start, end in itertools.pairwise(times):
        parts = max(1, math.ceil((end - start) / _STEP_US))
        edges = np.linspace(start, end, parts + 1).tolist()
        found += list(itertools.pairwise(edges))
    return found


def _held(line: Line, time_us: float) -> float:
    found = 0.0
    for at, value in line:
        if at > time_us:
            break
        found = value
    return found
