"""Who gets a mission, and how long one that failed rests."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.agents._dispatch import backoff_s, least_loaded
from phalanx.agents._limits import BACKOFF_FIRST_S, BACKOFF_LONGEST_S
from phalanx.core import Rng


@dataclass
class Seat:
    name: str
    load: float
    has_room: bool = True


def test_the_least_loaded_agent_with_room_is_chosen():
    agents = [Seat("a", 2), Seat("b", 0, has_room=False), Seat("c", 1)]
    assert least_loaded(agents).name == "c"


def test_equals_are_chosen_in_roster_order():
    assert least_loaded([Seat("a", 1), Seat("b", 0), Seat("c", 0)]).name == "b"


def test_nobody_is_chosen_when_all_mailboxes_are_full():
    assert least_loaded([Seat("a", 0, has_room=False)]) is None
    assert least_loaded([]) is None


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
