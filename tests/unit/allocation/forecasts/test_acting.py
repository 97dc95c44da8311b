"""What acting on a forecast comes to, and what it takes to act."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.allocation.forecasts import busy_hours, processes_ahead, recurs, replay_pool


def replay(arrivals, ahead=lambda _: 0, *, idle_s=math.inf, start_s=4.0, most=2):
    return replay_pool(arrivals, ahead, step_s=60.0, start_s=start_s, service_s=2.0, most=most, idle_s=idle_s)


@pytest.mark.requirement("LRN-4")
def test_what_is_begun_ahead_waits_for_nothing_and_what_is_kept_costs_its_time():
    bursts = [0, 0, 2, 0, 0, 0, 0, 2]
    kept = replay(bursts)
    assert (kept.calls, kept.wait_s_mean, kept.cold) == (4, 1.0, 0.25), "the first of four waits four seconds"
    reactive = replay(bursts, idle_s=120.0)
    assert (reactive.wait_s_mean, reactive.cold) == (2.0, 0.5), "and that of the second burst too"
    assert reactive.process_s < kept.process_s
    oracle = replay(bursts, lambda step: 1 if bursts[step + 1] else 0, idle_s=0.0)
    assert (oracle.wait_s_mean, oracle.cold) == (0.0, 0.0)
    assert oracle.process_s < reactive.process_s


@pytest.mark.requirement("LRN-4")
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(0, 3), st.integers(1, 4))
def test_warming_only_adds_to_reacting(arrivals, wanted, most):
    reactive = replay(arrivals, most=most)
    warmed = replay(arrivals, lambda _: wanted, most=most)
    assert warmed.calls == reactive.calls == sum(arrivals)
    assert warmed.wait_s_mean <= reactive.wait_s_mean + 1e-9
    assert warmed.cold <= reactive.cold


def test_no_process_is_begun_for_less_than_it_is_worth_and_none_beyond_what_there_may_be():
    assert processes_ahead(0.4, 0.0, 2.0, 60.0, most=4) == 0
    assert processes_ahead(0.5, 0.0, 2.0, 60.0, most=4) == 1
    assert processes_ahead(0.0, 1.0, 2.0, 60.0, most=4) == 1, "what came last counts as well"
    assert processes_ahead(60.0, 0.0, 2.0, 60.0, most=4) == 2
    assert processes_ahead(1e12, 0.0, 2.0, 60.0, most=4) == 4


@pytest.mark.requirement("LRN-4")
def test_work_recurs_at_the_hours_of_most_days():
    day = [0.0] * 24
    with_work = [*day[:9], 50.0, *day[10:]]
    elsewhere = [*day[:3], 50.0, *day[4:]]
    assert not recurs(with_work, 9), "one day is no habit"
    assert recurs(with_work * 2, 9)
    assert not recurs(with_work * 2, 10)
    assert recurs(with_work + with_work + elsewhere, 9)
    assert not recurs(with_work + elsewhere + elsewhere, 9)
    assert not recurs([7.0] * 72, 9), "what is as busy all day recurs at no hour"
    assert busy_hours([]) == []
