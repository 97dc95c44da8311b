"""How long a failed mission rests. Pure."""

from phalanx.agents._limits import BACKOFF_FIRST_S, BACKOFF_LONGEST_S
from phalanx.core import Rng


def backoff_s(attempts: int, rng: Rng) -> float:
    """Rest after the given number of attempts: doubling, bounded, and jittered down to its half.

    Jitter keeps missions that failed together, because one thing was down, from returning together.
    """
    assert attempts >= 1, attempts
    longest = min(BACKOFF_LONGEST_S, BACKOFF_FIRST_S * 2 ** min(attempts - 1, 32))
    return rng.uniform(longest / 2, longest)
