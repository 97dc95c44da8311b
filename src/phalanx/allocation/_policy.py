"""What every policy is given, and what it answers: one interface, whoever wrote it.

A policy orders devices; it never decides what fits. What fits is told by the compiled shortlist (qubits, features,
region, shots, deadline, budget, fidelity floor) from the board as it was when the decision began, so that a policy
cannot place a circuit where it would not run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from phalanx.allocation import _board as b
from phalanx.allocation import _plain
from phalanx.allocation._board import Board
from phalanx.allocation._deciding import Considered, Decider, Decision
from phalanx.allocation._layouts import Layouts
from phalanx.allocation._limits import MAX_SHORTLIST, SHORTLIST
from phalanx.allocation._requirement import Requirement
from phalanx.core import Circuit, InvalidInput, PhalanxError
from phalanx.devices import DeviceModel

POLICIES_GROUP = "phalanx.policies"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Preference:
    """One device that fits, as a policy sees it: higher ``score`` is better. ``success`` where it was laid out."""

    device: str
    score: float
    reason: str
    success: float | None = None
    swaps: int | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Devices that fit, best first, and one sentence on the first."""

    preferences: tuple[Preference, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class PolicyContext:
    """What a policy is made from: how much each aim counts, in parts of one another."""

    fidelity: float = 0.6
    time: float = 0.2
    money: float = 0.2

    def __post_init__(self) -> None:
        weights = (self.fidelity, self.time, self.money)
        if min(weights) < 0.0 or not 0.0 < sum(weights) < math.inf:
            raise InvalidInput("weights", "each is at least 0, and one is more")


class Policy(Protocol):
    """How devices are compared. ``by_layout``: it maps circuits, which takes too long for an event loop.

    Contract (``phalanx.testing.contracts``): a permutation of what fits, best first, the same for the same case; no
    device twice, none that does not fit, and a reason for each.
    """

    @property
    def name(self) -> str: ...

    @property
    def by_layout(self) -> bool: ...

    def rank(self, case: "Case", /) -> Ranking: ...


@dataclass(frozen=True)
class Case:
    """One circuit, and the devices as they are now.

    ``models`` are in the order of the board's names. ``excluded`` says of devices that are none for this circuit why,
    whatever they are like. ``steady`` forbids to try what is not known to be best: emergencies and deadlines.
    """

    circuit: Circuit
    wanted: Requirement
    board: Board
    models: Sequence[DeviceModel]
    layouts: Layouts
    k: int = SHORTLIST
    excluded: Mapping[str, str] = field(default_factory=dict)
    steady: bool = False
    now_ns: int = 0

    @cached_property
    def shortlisted(self) -> Decision:
        """What fits, by the compiled shortlist."""
        return self.decided("shortlist")

    def decided(self, kernel: str) -> Decision:
        """By one compiled score."""
        return Decider(self.board, kernel, k=min(max(1, self.k), MAX_SHORTLIST)).decide(self.wanted)

    @cached_property
    def fitting(self) -> tuple[str, ...]:
        """What fits, best of the shortlist first; ties go to who waits less, then to the smaller, then by name."""
        scores = self.shortlisted.scores
        return tuple(
            self.board.names[place]
            for place in sorted(
                self.shortlisted.fitting,
                key=lambda at: (
                    -scores[at], self.board.rows[b.WAIT_S, at], self.board.rows[b.QUBITS, at], self.board.names[at],
                ),
            )
        )  # fmt: skip

    @cached_property
    def seconds(self) -> Floats:
        """How long until each device is done: what new work waits there, and the run."""
        made: Floats = self.board.rows[b.WAIT_S] + self._run_s
        return made

    @cached_property
    def prices(self) -> Floats:
        """What each device would ask, in the board's currency."""
        return _plain.priced(self.board.rows, self.wanted.row, self._run_s)

    @cached_property
    def _run_s(self) -> Floats:
        return _plain.run_seconds(self.board.rows, self.wanted.row)

    def model(self, device: str) -> DeviceModel:
        return self.models[self.board.place(device)]

    def log_success(self, device: str) -> tuple[float, int] | None:
        """By the circuit's layout there, with its swaps; nothing where it cannot be laid out."""
        model = self.model(device)
        if is_ideal(model):
            return 0.0, 0
        try:
            made = self.layouts.layout(self.circuit, model)
        except PhalanxError:
            return None
        return made.log_success, made.mapped.n_swaps

    def expected(self, device: str) -> float | None:
        """What a run is worth under the noise that is known; nothing where that cannot be computed."""
        model = self.model(device)
        if is_ideal(model):
            return 1.0
        try:
            return self.layouts.expected(self.circuit, model)
        except PhalanxError:
            return None

    def refused(self) -> list[Considered]:
        """What does not fit, by name, with what ruled it out."""
        found = [one for one in self.shortlisted.considered() if not one.fits]
        return [
            Considered(one.name, fits=False, score=one.score, reason=self.excluded.get(one.name, one.reason))
            for one in found
        ]

    def waits(self, device: str) -> float:
        return float(self.board.rows[b.WAIT_S, self.board.place(device)])


def is_ideal(model: DeviceModel) -> bool:
    """Nothing disturbs it and every pair couples: any layout is as good as any other."""
    known = model.calibration
    errors = (known.one_qubit_error, known.two_qubit_error, known.readout_error)
    return model.all_to_all and not any(one.size and np.nanmax(one, initial=0.0) > 0.0 for one in errors)
