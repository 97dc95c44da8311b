"""Decisions with what came of them: what learners learn from, and what policies are judged by before they are promoted.

A row says where a job went and how likely that was, where each policy would have sent it, what was expected of those
devices, and what was reached. It is written when the job has ended where it was sent.
"""

from collections.abc import Sequence

import msgspec

from phalanx.allocation._learner import Seen
from phalanx.core import InvalidInput, Record, Rng, Table
from phalanx.learning import Logged, Valued, doubly_robust

EXPERIENCE = Table("allocation_experience", sealed=True)
PROMOTED = Table("allocation_promoted")


class Experience(Record, frozen=True, kw_only=True, tag="placement-experience"):
    """One decision. ``picks`` are by policy, ``expected`` by device; ``fidelity`` is ``None`` where it is not known."""

    policy: str
    seen: Seen
    chance: float
    picks: dict[str, str]
    expected: dict[str, float]
    fidelity: float | None
    wait_s: float
    run_s: float


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy a node uses instead of the one its settings name, since when, by whom and why."""

    policy: str
    at_ns: int
    by: str
    reason: str


class PolicyValue(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy would have been worth, on decisions that were made: per decision, with 95 % intervals.

    ``gain`` is against what was reached. ``matched`` is on how many of ``n`` it would have chosen the same; elsewhere
    only the model speaks.
    """

    policy: str
    n: int
    matched: int
    worth: float
    worth_low: float
    worth_high: float
    gain: float
    gain_low: float
    gain_high: float


def valued(rows: Sequence[Experience], policy: str, rng: Rng) -> PolicyValue:
    """Doubly robust. Raises ``InvalidInput`` where no decision says what this policy would have chosen."""
    logged = [
        Logged(
            expected=row.expected[row.seen.device], wanted=row.expected[row.picks[policy]], chance=row.chance,
            reward=row.fidelity, same=row.picks[policy] == row.seen.device,
        )
        for row in rows
        if row.fidelity is not None and policy in row.picks
    ]  # fmt: skip
    if not logged:
        raise InvalidInput("policy", f"no decision whose outcome is known says where {policy!r} would have sent it")
    found: Valued = doubly_robust(logged, rng)
    return PolicyValue(
        policy=policy, n=found.n, matched=found.matched, worth=found.worth.value, worth_low=found.worth.low,
        worth_high=found.worth.high, gain=found.gain.value, gain_low=found.gain.low, gain_high=found.gain.high,
    )  # fmt: skip
