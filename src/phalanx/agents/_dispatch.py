"""Which agent gets a mission, and how long one that failed rests. Pure."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from phalanx.agents._limits import BACKOFF_FIRST_S, BACKOFF_LONGEST_S
from phalanx.core import Rng


class Loaded(Protocol):
    """What dispatch sees of an agent: the work it holds, and whether its mailbox takes more."""

    @property
    def load(self) -> float: ...

    @property
    def has_room(self) -> bool: ...


A = TypeVar("A", bound=Loaded)


def least_loaded(agents: Sequence[A]) -> A | None:
    """The agent with room that holds the least work; of equals, the first in the roster."""
    return min((agent for agent in agents if agent.has_room), key=lambda agent: agent.load, default=None)


def backoff_s(attempts: int, rng: Rng) -> float:
    """Rest after the given number of attempts: doubling, bounded, and jittered down to its half.

    Jitter keeps missions that failed together, because one thing was down, from returning together.
    """
    assert attempts >= 1, attempts
    longest = min(BACKOFF_LONGEST_S, BACKOFF_FIRST_S * 2 ** min(attempts - 1, 32))
    return rng.uniform(longest / 2, longest)
