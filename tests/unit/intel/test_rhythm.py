"""When silence is one: learned from the source itself, told once, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import NS_PER_S
from phalanx.intel._limits import MAX_RHYTHMS, QUIET_FLOOR_S, RHYTHM_SAMPLES, RHYTHM_SPAN_S
from phalanx.intel._rhythm import Lags, Rhythms


def heard(rhythms, source, gaps_s, start_s=1000.0):
    at_s = start_s
    rhythms.heard(source, int(at_s * NS_PER_S), live=True)
    for gap_s in gaps_s:
        at_s += gap_s
        rhythms.heard(source, int(at_s * NS_PER_S), live=True)
    return at_s


@pytest.mark.requirement("AGT-1")
def test_a_source_that_stays_out_is_told_once_and_again_after_it_was_back():
    rhythms = Rhythms()
    last_s = heard(rhythms, "zeek", [10.0] * 90)
    assert rhythms.known == 1
    assert rhythms.quiet(int((last_s + 29) * NS_PER_S)) == []
    [silence] = rhythms.quiet(int((last_s + 100) * NS_PER_S))
    assert (silence.source, silence.silent_s, silence.usual_s) == ("zeek", pytest.approx(100), pytest.approx(10))
    assert rhythms.quiet(int((last_s + 500) * NS_PER_S)) == []
    rhythms.heard("zeek", int((last_s + 600) * NS_PER_S), live=True)
    assert rhythms.quiet(int((last_s + 610) * NS_PER_S)) == []
    assert len(rhythms.quiet(int((last_s + 6000) * NS_PER_S))) == 1


def test_what_was_heard_too_seldom_has_no_rhythm_and_a_slow_one_is_given_time():
    rhythms = Rhythms()
    heard(rhythms, "new", [1.0] * (RHYTHM_SAMPLES - 2))
    slow_s = heard(rhythms, "slow", [600.0] * 10)
    assert [one.source for one in rhythms.quiet(int((slow_s + 1700) * NS_PER_S))] == []
    assert [one.source for one in rhythms.quiet(int((slow_s + 9000) * NS_PER_S))] == ["slow"]


@pytest.mark.requirement("AGT-1")
def test_files_that_are_uploaded_have_no_rhythm_and_do_not_spoil_that_of_a_live_source():
    rhythms = Rhythms()
    heard(rhythms, "today's file in pieces", [0.2] * 500)
    for number in range(2_000):
        rhythms.heard("old files", number * NS_PER_S, live=False)
    assert rhythms.known == 0
    assert rhythms.quiet(10**6 * NS_PER_S) == []
    last_s = heard(rhythms, "zeek", [10.0] * 100)
    # What a live source held back ends its silence, and says nothing of how often it is heard.
    rhythms.heard("zeek", int((last_s + 90) * NS_PER_S), live=False)
    assert rhythms.quiet(int((last_s + 100) * NS_PER_S)) == []
    [silence] = rhythms.quiet(int((last_s + 150) * NS_PER_S))
    assert (silence.source, silence.usual_s) == ("zeek", pytest.approx(10))


def test_nobody_s_silence_while_nobody_listened():
    rhythms = Rhythms()
    last_s = heard(rhythms, "zeek", [1.0] * 900)
    later_ns = int((last_s + 86_400) * NS_PER_S)
    rhythms.awake_since(later_ns)
    assert rhythms.quiet(later_ns + 5 * NS_PER_S) == []
    assert len(rhythms.quiet(later_ns + 60 * NS_PER_S)) == 1


def test_of_too_many_sources_the_one_heard_longest_ago_is_forgotten():
    rhythms = Rhythms()
    for number in range(MAX_RHYTHMS + 50):
        rhythms.heard(f"source-{number}", number * NS_PER_S, live=True)
    assert len(rhythms) == MAX_RHYTHMS


@given(gaps=st.lists(st.floats(0.1, 100.0), min_size=RHYTHM_SAMPLES, max_size=60))
def test_a_gap_as_long_as_any_before_is_never_a_silence(gaps):
    """Beyond what was usual, and not within it: the longest gap of a steady source is no alarm."""
    enough = max(len(gaps), int(1.2 * RHYTHM_SPAN_S / gaps[0]) + 2)
    steady = [gaps[0] * (0.9 + 0.2 * (number % 2)) for number in range(enough)]
    rhythms = Rhythms()
    last_s = heard(rhythms, "s", steady)
    assert rhythms.quiet(int((last_s + max(steady)) * NS_PER_S)) == []
    assert len(rhythms.quiet(int((last_s + 20 * max(*steady, QUIET_FLOOR_S)) * NS_PER_S))) == 1


DAY_S = 86_400


@pytest.mark.parametrize(
    ("lag_of", "becomes_live"),
    [
        (lambda at_s: 5, True),
        (lambda at_s: 3_600, True),
        (lambda at_s: 7_200 + at_s % 1_200, True),
        (lambda at_s: -2 * DAY_S, True),
        (lambda at_s: 7 * 365 * DAY_S - 400 * at_s, False),
        (lambda at_s: 30 * DAY_S - 600 * at_s, False),
    ],
    ids=["on time", "a zone off", "a shipper that waits", "dated ahead", "an upload of years", "an upload of a month"],
)
def test_what_comes_live_is_told_by_its_lag(lag_of, becomes_live):
    lags = Lags()
    seen = [
        lags.are_live("one", (DAY_S + at_s) * NS_PER_S, (DAY_S + at_s - lag_of(at_s)) * NS_PER_S)
        for at_s in range(0, 3_000, 5)
    ]
    assert any(seen) is becomes_live
    assert seen[-1] is becomes_live


def test_of_too_many_lags_the_one_seen_longest_ago_is_forgotten():
    lags = Lags()
    for number in range(MAX_RHYTHMS + 1):
        assert not lags.are_live(str(number), 0, -DAY_S * NS_PER_S)
    later_ns = int(RHYTHM_SPAN_S) * NS_PER_S
    assert lags.are_live("1", later_ns, later_ns - DAY_S * NS_PER_S)
    assert not lags.are_live("0", later_ns, later_ns - DAY_S * NS_PER_S), "it begins anew"
