"""One decision: the board as it is now, a score for each device, and what ruled the others out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.allocation import _plain
from phalanx.allocation._board import OPEN, QUBITS, WAIT_S, Board
from phalanx.allocation._errors import NothingFits
from phalanx.allocation._limits import MAX_SHORTLIST, SHORTLIST
from phalanx.allocation._requirement import REGIONS, WANTED, Requirement
from phalanx.core import LimitExceeded
from phalanx.devices import in_short

Kernel = Callable[..., int]
_WHY = (
    "fits",
    "has {qubits:.0f} connected qubits that work, {wanted.width} are needed",
    "takes no work now",
    "lacks measurement or feed-forward within a circuit",
    "is not in {regions}",
    "takes fewer than {wanted.shots} shots at once",
    "would be late: new work waits {wait:.3g} s there, and {wanted.deadline_s:g} s are left",
    "would cost more than {wanted.budget:g}",
    "is expected to stay below a fidelity of {wanted.fidelity:g}",
)
_kernels: dict[str, Kernel] = {}


@dataclass(frozen=True, slots=True)
class Considered:
    """One device as a decision saw it. ``reason`` says in words why it was taken, passed over or refused."""

    name: str
    fits: bool
    score: float
    reason: str


class Decision:
    """What was decided; holds its own copy of what it saw, and says it in words when it is asked."""

    __slots__ = ("_board", "_rows", "_scores", "_why", "best", "n_fit", "policy", "wanted")

    def __init__(
        self, policy: str, wanted: Requirement, board: Board, best: list[int], n_fit: int, seen: tuple[Any, Any, Any]
    ) -> None:
        self.policy, self.wanted, self.best, self.n_fit = policy, wanted, best, n_fit
        self._board = board
        self._rows, self._scores, self._why = seen

    @property
    def chosen(self) -> str:
        """The best device. Raises ``NothingFits``."""
        if not self.best:
            raise NothingFits(self.wanted.told(), in_short({one.name: one.reason for one in self.considered()}))
        return self._board.names[self.best[0]]

    @property
    def shortlist(self) -> tuple[str, ...]:
        """The best few, best first."""
        return tuple(self._board.names[place] for place in self.best)

    @property
    def fitting(self) -> list[int]:
        """Places of all that fit."""
        places: list[int] = np.flatnonzero(self._why == 0).tolist()
        return places

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """By place, of what does not fit too."""
        found: npt.NDArray[np.float64] = self._scores
        return found

    def score(self, name: str) -> float:
        return float(self._scores[self._board.place(name)])

    def considered(self) -> list[Considered]:
        """Every device: those that fit by score, then the others by name, each with its reason."""
        made = [self._one(place) for place in range(len(self._board.names))]
        return sorted(made, key=lambda one: (not one.fits, -one.score if one.fits else 0.0, one.name))

    def reason(self) -> str:
        """One sentence on the choice."""
        chosen = self.chosen
        others = f"of {self.n_fit} that fit" if self.n_fit > 1 else "the only one that fits"
        after = f"; next is {self._board.names[self.best[1]]}" if len(self.best) > 1 else ""
        return f"{chosen} scores best by {self.policy} ({self.score(chosen):.4g}), {others}{after}"

    def _one(self, place: int) -> Considered:
        code, name, score = int(self._why[place]), self._board.names[place], float(self._scores[place])
        if code:
            row = self._rows[:, place]
            told = _WHY[code].format(
                wanted=self.wanted, qubits=row[QUBITS], wait=row[WAIT_S], regions=", ".join(sorted(self.wanted.regions))
            )
            return Considered(name, fits=False, score=score, reason=told)
        if self.best and place == self.best[0]:
            return Considered(name, fits=True, score=score, reason=f"best by {self.policy}")
        ahead = self._board.names[self.best[0]]
        if score == self._scores[self.best[0]]:
            return Considered(name, fits=True, score=score, reason=f"fits, and scores as {ahead} does by {self.policy}")
        return Considered(name, fits=True, score=score, reason=f"fits, but {ahead} scores better by {self.policy}")


class Decider:
    """Decides by one compiled policy over one board. Buffers are its own: one event loop uses it."""

    def __init__(self, board: Board, policy: str = "shortlist", *, k: int = SHORTLIST) -> None:
        if not 1 <= k <= MAX_SHORTLIST:
            raise LimitExceeded("devices of a shortlist", maximum=MAX_SHORTLIST, seen=k)
        self.board, self.policy = board, policy
        self._kernel = _kernels.get(policy) or getattr(_plain, policy)
        n = len(board.names)
        self._scores, self._why = np.zeros(n), np.zeros(n, np.int64)
        self._best, self._want = np.zeros(k, np.int64), np.zeros(WANTED)

    def decide(self, wanted: Requirement) -> Decision:
        """Load and calibration are read now; nothing is remembered of the circuit."""
        rows = self.board.rows
        self._want[:] = wanted.row
        if wanted.regions:
            self._want[REGIONS] = self.board.regions(wanted.regions)
        n_fit = self._kernel(rows, self._want, self._scores, self._why, self._best)
        best = [place for place in self._best.tolist() if place >= 0]
        # Only the rows that an explanation names are kept of the board.
        seen = (rows[: OPEN + 1].copy(), self._scores.copy(), self._why.copy())
        return Decision(self.policy, wanted, self.board, best, n_fit, seen)


def kernel_of(policy: str, *, compiled: bool = True) -> Kernel:
    """The function that scores a board by ``composite`` or ``shortlist``, compiled or over whole arrays."""
    from phalanx.allocation import _kernels_decide

    made: Kernel = getattr(_kernels_decide if compiled else _plain, policy)
    return made


def warm_decisions() -> None:
    """Compile or load the kernels, so that no decision waits for that; deciders made before go on without them."""
    board = Board()
    wanted: npt.NDArray[np.float64] = Requirement(width=1).row
    for name in ("composite", "shortlist"):
        made = kernel_of(name)
        made(board.rows, wanted, np.zeros(0), np.zeros(0, np.int64), np.zeros(SHORTLIST, np.int64))
        _kernels[name] = made
