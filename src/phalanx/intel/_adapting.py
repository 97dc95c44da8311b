"""Thresholds that move: where each stands, every move on record, and what people make of them.

- A detector moves its thresholds by itself (``AdaptiveThreshold``). What stands and each move are written in the commit
  that has the state they are of, so none is missing and none is there twice; a service then tells the ledger of each.
- A person may pin a threshold, with a reason, between its floor and ceiling, and let go of it again.
- What people said of findings raises the threshold that lets them pass, step by step and no further than half its way,
  when more than half of the findings are wrong beyond doubt; it falls again as that changes. Never below the floor.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from phalanx.core import NO_TRACE, Put, Record, Table, TenantId, Write, derive_id, encode
from phalanx.intel._limits import MAX_MOVE_STEPS, OPINIONS_FULL, OPINIONS_MOST, OPINIONS_WANTED
from phalanx.learning import AdaptiveThreshold, Interval, ThresholdChange, wilson

THRESHOLDS: Final = Table("thresholds", sealed=True)
THRESHOLD_MOVES: Final = Table("threshold_moves", indexes=("pending",), sealed=True)
THRESHOLD_PINS: Final = Table("threshold_pins", sealed=True)
PENDING: Final = "pending"
_IS_PENDING: Final = {PENDING: ("ledger",)}


class ThresholdStanding(Record, frozen=True, kw_only=True, tag="threshold"):
    """Where the threshold of the pattern ``id`` stands, since when, and by what.

    ``follows`` is where the scores alone would have it, of which ``seen`` were seen by then.
    """

    detector: str
    value: float
    floor: float
    ceiling: float
    set_by: str
    follows: float
    raised: float
    pinned: float | None
    seen: int
    moves: int


class ThresholdMove(Record, frozen=True, kw_only=True, tag="threshold-move"):
    """How a threshold moved while some events were read: its steps, oldest first, the latest when there were many."""

    detector: str
    threshold: str
    floor: float
    ceiling: float
    steps: tuple[ThresholdChange, ...]
    recorded: bool = False

    def put(self) -> Put:
        return Put(THRESHOLD_MOVES, self.tenant, self.id, encode(self), {} if self.recorded else _IS_PENDING)


class ThresholdPin(Record, frozen=True, kw_only=True, tag="threshold-pin"):
    """The threshold ``id`` is held at ``value``, why, and by whom; None: it follows again."""

    value: float | None
    reason: str
    by: str


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What people said of the findings of one rule, the latest word on each finding."""

    right: int = 0
    wrong: int = 0
    duplicate: int = 0

    @property
    def false_share(self) -> Interval:
        """The part that was wrong, of those that were right or wrong."""
        return wilson(self.wrong, self.wrong + self.right)

    def raised(self, threshold: AdaptiveThreshold) -> float:
        """How far it raises a threshold: nothing before there are enough opinions and no doubt."""
        if self.wrong + self.right < OPINIONS_WANTED or self.false_share.low <= 0.5:
            return 0.0
        part = min(OPINIONS_MOST, (self.wrong - self.right) / OPINIONS_FULL)
        return part * (threshold.ceiling - threshold.floor)


class Steering:
    """What people want of thresholds, as the sentinel applies it between chunks."""

    def __init__(self) -> None:
        self.pins: dict[tuple[TenantId, str], float] = {}
        self.tallies: dict[tuple[TenantId, str], Tally] = {}

    def apply(self, tenant: TenantId, thresholds: Mapping[str, AdaptiveThreshold]) -> None:
        """Bring thresholds, by the names of their patterns, to what is wanted of them."""
        for name, threshold in thresholds.items():
            said = self.tallies.get((tenant, name))
            threshold.steer(
                pinned=self.pins.get((tenant, name)), raised=0.0 if said is None else said.raised(threshold)
            )


class Witness:
    """Sees what moved since a state was last written."""

    def __init__(self) -> None:
        self._moves: dict[tuple[TenantId, str], int] = {}

    def restored(self, tenant: TenantId, thresholds: Mapping[str, AdaptiveThreshold]) -> None:
        """These are as the store has them; where one stands is written even if it never moved."""
        for name, threshold in thresholds.items():
            if threshold.moves:
                self._moves[tenant, name] = threshold.moves

    def writes(
        self, tenant: TenantId, detector: str, thresholds: Mapping[str, AdaptiveThreshold], *, at_ns: int
    ) -> Iterable[Write]:  # fmt: skip
        """What stands and how it moved, to be written with the state."""
        for name, threshold in thresholds.items():
            known = self._moves.get((tenant, name), -1)
            if known == threshold.moves:
                continue
            self._moves[tenant, name] = threshold.moves
            stands = ThresholdStanding(
                id=name, tenant=tenant, trace=NO_TRACE, at_ns=at_ns, detector=detector, value=threshold.standing,
                floor=threshold.floor, ceiling=threshold.ceiling, set_by=threshold.set_by, follows=threshold.value,
                raised=threshold.raised, pinned=threshold.pinned, seen=threshold.seen, moves=threshold.moves,
            )  # fmt: skip
            yield Put(THRESHOLDS, tenant, name, encode(stands))
            steps = threshold.changes[-min(threshold.moves - max(known, 0), MAX_MOVE_STEPS) :]
            if threshold.moves > max(known, 0) and steps:
                moved = ThresholdMove(
                    id=derive_id(at_ns, "threshold-move", tenant, name, str(threshold.moves)), tenant=tenant,
                    trace=NO_TRACE, at_ns=at_ns, detector=detector, threshold=name, floor=threshold.floor,
                    ceiling=threshold.ceiling, steps=tuple(steps),
                )  # fmt: skip
                yield moved.put()
