"""Decisions with what came of them: what learners learn from, and what policies are judged by before they are promoted.

A row says where a job went and how likely that was, where each policy would have sent it, what was expected of those
devices, and what was reached. It is written when the job has ended where it was sent.
"""

from collections.abc import Sequence

import msgspec

from phalanx.allocation._learner import Seen
from phalanx.allocation._limits import MIN_INTERVAL, MIN_JUDGED, MIN_MATCHED, SAFE_LOSS
from phalanx.core import InvalidInput, Record, Rng, Table, counted
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
    only the model speaks. Few outcomes give no interval. ``why_not`` says what keeps it from being promoted.
    """

    policy: str
    n: int
    matched: int
    worth: float
    worth_low: float | None
    worth_high: float | None
    gain: float
    gain_low: float | None
    gain_high: float | None
    why_not: str = ""


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
    worth_low, worth_high, gain_low, gain_high = (
        (found.worth.low, found.worth.high, found.gain.low, found.gain.high)
        if found.n >= MIN_INTERVAL
        else (None, None, None, None)
    )
    made = PolicyValue(
        policy=policy, n=found.n, matched=found.matched, worth=found.worth.value, worth_low=worth_low,
        worth_high=worth_high, gain=found.gain.value, gain_low=gain_low, gain_high=gain_high,
    )  # fmt: skip
    return msgspec.structs.replace(made, why_not=refused(made))


def refused(judged: PolicyValue) -> str:
    """Why a policy is not promoted by what was judged; empty where nothing speaks against it."""
    if judged.n < MIN_JUDGED or judged.gain_low is None:
        return f"it was judged by {counted(judged.n, 'outcome')}, fewer than {MIN_JUDGED}"
    if judged.matched < MIN_MATCHED:
        return f"it would have chosen the same {judged.matched} times, fewer than {MIN_MATCHED}"
    if judged.gain_low < -SAFE_LOSS:
        between = f"{judged.gain_low:.3f} and {judged.gain_high:.3f}"
        return f"its gain in fidelity per decision lies between {between}, and may be a loss"
    return ""
