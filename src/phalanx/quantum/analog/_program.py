"""One analog program as a value: where the atoms are, and how the drive goes."""

import hashlib
import itertools
import math
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded, Rng
from phalanx.quantum._limits import MAX_ATOMS, MAX_DRIVE_US, MAX_LINE_POINTS, MAX_LISTED_ATOMS

Floats = npt.NDArray[np.float64]
Line = tuple[tuple[float, float], ...]
"""Points (time in µs, value): straight between them; two points at one time are a jump."""
_NM = 1e-6


class AnalogProgram(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """``atoms_um`` are (x, y); ``amplitude``, ``detuning`` and ``local_detuning`` in rad/µs, ``phase`` in rad.

    All lines last equally long. The phase stays at a point's value until the next point. ``pattern`` is what part of
    the local detuning each atom feels, from 0 to 1; without it there is none.
    """

    atoms_um: tuple[tuple[float, float], ...]
    amplitude: Line
    detuning: Line
    phase: Line = ()
    local_detuning: Line = ()
    pattern: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.atoms_um) <= MAX_ATOMS:
            raise LimitExceeded("atoms of one program", maximum=MAX_ATOMS, seen=len(self.atoms_um))
        if not all(math.isfinite(x) and math.isfinite(y) for x, y in self.atoms_um):
            raise InvalidInput("program.atoms_um", "an atom is at a place that is not finite")
        for name in ("amplitude", "detuning", "phase", "local_detuning"):
            line = getattr(self, name)
            if line or name in {"amplitude", "detuning"}:
                _check_line(name, line)
                if abs(line[-1][0] - self.duration_us) > _NM:
                    raise InvalidInput(f"program.{name}", f"ends at {line[-1][0]:g} µs, and the amplitude at "
                                       f"{self.duration_us:g} µs")  # fmt: skip
        if not 0.0 < self.duration_us <= MAX_DRIVE_US:
            raise InvalidInput("program.amplitude", f"lasts {self.duration_us:g} µs: more than 0, at most 100")
        if min(value for _, value in self.amplitude) < 0:
            raise InvalidInput("program.amplitude", "is negative somewhere; a phase of π does what that would")
        if bool(self.local_detuning) != bool(self.pattern):
            raise InvalidInput("program.pattern", "a local detuning has a pattern, and a pattern a local detuning")
        if self.pattern and len(self.pattern) != len(self.atoms_um):
            raise InvalidInput("program.pattern", f"{len(self.pattern)} parts for {len(self.atoms_um)} atoms")
        if not all(0.0 <= part <= 1.0 for part in self.pattern):
            raise InvalidInput("program.pattern", "a part is not between 0 and 1")

    @property
    def n_atoms(self) -> int:
        return len(self.atoms_um)

    @property
    def duration_us(self) -> float:
        return self.amplitude[-1][0]

    @cached_property
    def text(self) -> str:
        """The canonical JSON; ``read_program`` reads it."""
        # A whole number is the same number as a fraction, and is written the same.
        lines = {
            name: [[float(at), float(value)] for at, value in getattr(self, name)]
            for name in ("atoms_um", "amplitude", "detuning", "phase", "local_detuning")
        }
        return msgspec.json.encode(lines | {"pattern": [float(part) for part in self.pattern]}).decode()

    @cached_property
    def digest(self) -> str:
        """Of the canonical JSON: equal programs have one."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def distances_um(self) -> Floats:
        """(n, n); an atom is infinitely far from itself."""
        places = np.array(self.atoms_um, np.float64)
        apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
        np.fill_diagonal(apart, np.inf)
        return np.asarray(apart)

    @property
    def final_detunings(self) -> Floats:
        """(n,) what each atom feels at the end."""
        local = self.local_detuning[-1][1] if self.local_detuning else 0.0
        return self.detuning[-1][1] + local * np.array(self.pattern or (0.0,) * self.n_atoms)

    def energies(self, outcomes: npt.NDArray[np.int8], c6: float) -> Floats:
        """Of each row of ``outcomes`` (k, n) under the Hamiltonian at the end, its amplitude left out."""
        rows = outcomes.astype(np.float64)
        return np.asarray(
            np.einsum("ki,ij,kj->k", rows, interactions(self, c6), rows) / 2 - rows @ self.final_detunings
        )


def interactions(program: AnalogProgram, c6: float) -> Floats:
    """(n, n) C₆/d⁶; raises ``InvalidInput`` where two atoms are at one place."""
    if (program.distances_um < _NM).any():
        raise InvalidInput("program.atoms_um", "two atoms are at one place")
    return np.asarray(c6 / program.distances_um**6)


def blockade_radius_um(program: AnalogProgram, c6: float) -> float:
    """Within it two atoms are not excited together, at the greatest amplitude of the program."""
    return float((c6 / max(value for _, value in program.amplitude)) ** (1 / 6))


def lowest_energy(program: AnalogProgram, c6: float) -> tuple[float, str]:
    """The least energy at the end and the first outcome that has it, by trying every outcome."""
    n = program.n_atoms
    if n > MAX_LISTED_ATOMS:
        raise LimitExceeded("atoms whose outcomes are all tried", maximum=MAX_LISTED_ATOMS, seen=n)
    cost = np.zeros(1)
    between, own = interactions(program, c6), program.final_detunings
    for atom in range(n):
        # What an excited atom costs beside each outcome of those before it: half as many sums as outcomes.
        pull = np.zeros(1)
        for other in range(atom):
            pull = np.add.outer(pull, [0.0, between[atom, other]]).reshape(-1)
        cost = np.stack([cost, cost + pull - own[atom]], axis=1).reshape(-1)
    best = int(cost.argmin())
    return float(cost[best]), format(best, f"0{n}b")


def drawn(
    weights: Floats, n_atoms: int, shots: int, rng: Rng, *, false_one: float, false_zero: float
) -> dict[str, int]:
    """Counts of ``shots`` measurements; each atom is misread with the probabilities given."""
    generator = rng.numpy()
    found = generator.choice(len(weights), size=shots, p=weights)
    bits = (found[:, None] >> np.arange(n_atoms - 1, -1, -1)) & 1
    wrong = generator.random(bits.shape) < np.where(bits == 0, false_one, false_zero)
    rows, counts = np.unique(bits ^ wrong, axis=0, return_counts=True)
    return {"".join(map(str, row)): int(k) for row, k in zip(rows.tolist(), counts.tolist(), strict=True)}


def _check_line(name: str, line: Line) -> None:
    where = f"program.{name}"
    if not 2 <= len(line) <= MAX_LINE_POINTS:
        raise InvalidInput(where, f"has {len(line)} points, and may have 2 to {MAX_LINE_POINTS:,}")
    if not all(math.isfinite(at) and math.isfinite(value) for at, value in line):
        raise InvalidInput(where, "has a number that is not finite")
    if line[0][0] != 0.0:
        raise InvalidInput(where, f"begins at {line[0][0]:g} µs, not at 0")
    if any(later[0] < earlier[0] for earlier, later in itertools.pairwise(line)):
        raise InvalidInput(where, "goes back in time")
