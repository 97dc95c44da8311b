"""Which options are still worth proposing, and which of them a leader puts first. Pure.

Narrowing: whoever leaves a view says which options it would vote for (``Timeout.accepts``). If none of
a quorum that left knew a certificate, the next leader may only propose an option that ``keep`` of it
accept, where ``keep`` is what the voices of an honest quorum weigh at least within any quorum. So an
option that a quorum of honest participants accepts is never dropped, and traitors alone can keep none.

Narrowing cannot weaken safety: it takes proposals away from a leader and gives none. Every rule by which
a participant votes stands as it was, and the proof that two decisions are equal speaks of any set of
proposals that honest participants voted for under these rules.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from phalanx.consensus._messages import Timeout
from phalanx.consensus._question import Instance, Question


class Judge(Protocol):
    """A participant's own opinion."""

    def accepts(self, question: Question, support: Sequence[int]) -> Collection[int]:
        """Places of the options it would vote for, the best first.

        ``support`` is the weight behind each option among those who left the last view, all zero in
        the first one; the opinion may be another then.
        """
        ...


class Fixed:
    """A judge who accepts the same options whatever others say."""

    def __init__(self, *places: int) -> None:
        self._places = places

    def accepts(self, question: Question, support: Sequence[int]) -> Collection[int]:  # noqa: ARG002 - the protocol's
        return self._places


def support(instance: Instance, timeouts: Sequence[Timeout]) -> list[int]:
    """The weight behind each option among those who left."""
    weights = instance.weights
    return [
        sum(weights[one.voter] for one in timeouts if one.accepts >> place & 1)
        for place in range(len(instance.question.options))
    ]


def hopeful(instance: Instance, weights: Sequence[int]) -> list[int]:
    """The options that may be proposed when a quorum left and none of it knew a certificate."""
    return [place for place, weight in enumerate(weights) if weight >= instance.keep]


def choose(instance: Instance, weights: Sequence[int], own: Sequence[int], failed: Collection[int]) -> int | None:
    """What an honest leader proposes: the most supported that has not failed before; None when nothing is hopeful."""
    rank = {place: order for order, place in enumerate(own)}
    return min(
        hopeful(instance, weights),
        key=lambda place: (place in failed, -weights[place], rank.get(place, len(weights)), place),
        default=None,
    )


def mask_of(places: Collection[int]) -> int:
    """Options as bits."""
    mask = 0
    for place in places:
        mask |= 1 << place
    return mask
