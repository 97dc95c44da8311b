"""How long a mission that failed rests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.agents._dispatch import backoff_s
from phalanx.agents._limits import BACKOFF_FIRST_S, BACKOFF_LONGEST_S
from phalanx.core import Rng


@given(seed=st.integers(0, 2**32), attempts=st.integers(1, 10_000))
def test_a_rest_doubles_up_to_its_bound_and_is_jittered_by_half(seed, attempts):
    longest = min(BACKOFF_LONGEST_S, BACKOFF_FIRST_S * 2.0 ** min(attempts - 1, 60))
    assert longest / 2 <= backoff_s(attempts, Rng(seed)) <= longest


def test_missions_that_fail_together_do_not_return_together():
    rests = {backoff_s(3, Rng(7).child(f"mission-{n}/3")) for n in range(20)}
    assert len(rests) == 20


def test_a_rest_is_never_computed_before_the_first_attempt():
    with pytest.raises(AssertionError):
        backoff_s(0, Rng(1))
