"""Who has to agree before an action that the policy would approve is approved.

The policy is necessary, agreement comes on top: what the policy refuses is never put to a vote. A missing agreement
is not a refusal either; the action is then left undecided, for a person or a later assessment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from phalanx.core import Outcome
from phalanx.incidents._model import ActionProposal
from phalanx.incidents._policy import Ruling


@dataclass(frozen=True, slots=True)
class Approved:
    """What those who were asked said, in words that name who they are."""

    outcome: Outcome
    authority: str
    reasons: tuple[str, ...]


class Approval(Protocol):
    """Puts a proposal to those who have to agree."""

    async def approve(self, proposal: ActionProposal, rule: Callable[[], Ruling]) -> Approved:
        """``rule`` is how one of them judges the proposal. Never raises for want of agreement."""
        ...
