"""What a policy would have been worth on decisions that another one made: doubly robust (Dudík, Langford, Li 2011).

Each decision counts with what a model expects of the policy's choice, put right by the outcome where both chose the
same, as often as that choice was likely. It is right when either the model or the chances are, and its interval says
how far it can be trusted; ``matched`` says on how many decisions an outcome speaks at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phalanx.core import InvalidInput, Rng
from phalanx.learning._measures import Interval, bootstrap


@dataclass(frozen=True, slots=True)
class Logged:
    """One decision: ``expected`` of what was chosen, ``wanted`` of what the policy would have chosen, both by a model.

    ``chance`` is how likely the choice was; ``same`` whether both are one; ``reward`` what came of the choice.
    """

    expected: float
    wanted: float
    chance: float
    reward: float
    same: bool


@dataclass(frozen=True, slots=True)
class Valued:
    """A policy's worth per decision, and the difference to what was really had, each with 95 % intervals."""

    worth: Interval
    gain: Interval
    n: int
    matched: int


def doubly_robust(rows: Sequence[Logged], rng: Rng) -> Valued:
    """Raises ``InvalidInput`` without decisions, or with a chance that is none."""
    if not rows:
        raise InvalidInput("decisions", "there are none to judge by")
    if any(not 0.0 < row.chance <= 1.0 for row in rows):
        raise InvalidInput("chance", "lies above 0 and is at most 1")
    worth = np.array([
        row.wanted + (row.reward - row.expected) / row.chance * row.same for row in rows
    ])  # fmt: skip
    gain = worth - np.array([row.reward for row in rows])
    return Valued(
        bootstrap(lambda at: float(worth[at].mean()), len(rows), rng=rng.child("worth")),
        bootstrap(lambda at: float(gain[at].mean()), len(rows), rng=rng.child("gain")),
        len(rows), sum(row.same for row in rows),
    )  # fmt: skip
