"""The calendar against an oracle that counts units slot by slot and tries every start."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.allocation import Ask, Bookable, BookingState, Calendar, Grade, NoWindow
from phalanx.allocation._limits import MAX_YIELDS
from phalanx.core import InvalidInput

HORIZON = 60
RESOURCES = (
    Bookable(name="qpu", capacity=1),
    Bookable(name="kept", capacity=1, reserve=1),
    Bookable(name="workers", capacity=4, reserve=1),
    Bookable(name="pairs", capacity=3, expires_ns=40),
)
ROOM = {one.name: one.capacity for one in RESOURCES}
FIRM_ROOM = {one.name: one.capacity - one.reserve for one in RESOURCES}


@st.composite
def asks(draw):
    grade = draw(st.sampled_from((Grade.BACKFILL, Grade.BACKFILL, Grade.FIRM, Grade.FIRM, Grade.EMERGENCY)))
    room = FIRM_ROOM if grade is Grade.FIRM else ROOM
    names = draw(st.lists(st.sampled_from([n for n in ROOM if room[n]]), min_size=1, max_size=2, unique=True))
    duration = draw(st.integers(1, 8))
    earliest = draw(st.integers(0, 30))
    return Ask(
        demands={name: draw(st.integers(1, room[name])) for name in names}, duration_ns=duration, earliest_ns=earliest,
        latest_end_ns=draw(st.sampled_from((0, earliest + duration + 6))), grade=grade,
        priority=draw(st.integers(0, 2)),
    )  # fmt: skip


def used(bookings, name, slot, counts):
    """Units of ``name`` in one slot, of the bookings that count."""
    return sum(
        one.ask.demands.get(name, 0) for one in bookings
        if one.is_live and counts(one) and one.start_ns <= slot < one.end_ns
    )  # fmt: skip


def stays(ask):
    """Whom an ask cannot make yield."""
    return lambda one: (
        one.ask.grade is not Grade.BACKFILL or (ask.grade is Grade.BACKFILL and one.ask.priority >= ask.priority)
    )


def earliest_by_oracle(bookings, ask, now=0):
    for start in range(max(ask.earliest_ns, now), 2 * HORIZON * 10):
        end = start + ask.duration_ns
        if (ask.latest_end_ns and end > ask.latest_end_ns) or ("pairs" in ask.demands and end > 40):
            return None
        if all(
            used(bookings, name, slot, stays(ask)) + units <= ROOM[name]
            and (
                ask.grade is not Grade.FIRM
                or used(bookings, name, slot, lambda one: one.ask.grade is Grade.FIRM) + units <= FIRM_ROOM[name]
            )
            for name, units in ask.demands.items()
            for slot in range(start, end)
        ):
            return start
    return None


def check(calendar):
    """No double booking, and the reserve is kept, slot by slot."""
    live = list(calendar.bookings.values())
    last = max((one.end_ns for one in live), default=0)
    for name in ROOM:
        for slot in range(last):
            assert used(live, name, slot, lambda one: True) <= ROOM[name]
            assert used(live, name, slot, lambda one: one.ask.grade is Grade.FIRM) <= FIRM_ROOM[name]
    for one in live:
        if one.is_live:
            assert one.end_ns - one.start_ns == one.ask.duration_ns
            assert one.start_ns >= one.ask.earliest_ns
            assert not one.ask.latest_end_ns or one.end_ns <= one.ask.latest_end_ns
            assert "pairs" not in one.ask.demands or one.end_ns <= 40


@pytest.mark.requirement("QRM-3", "QRM-9")
@settings(max_examples=120, deadline=None)
@given(st.lists(asks(), max_size=25), st.data())
def test_as_the_oracle_says(wanted, data):
    calendar = Calendar(RESOURCES)
    now = 0
    for at, ask in enumerate(wanted):
        before = dict(calendar.bookings)
        expected = earliest_by_oracle(before.values(), ask, now)
        try:
            changed = calendar.book(str(at), "t", ask, now)
        except NoWindow:
            assert expected is None
            assert calendar.bookings == before
            continue
        assert changed[0].start_ns == expected
        check(calendar)
        for one in changed[1:]:
            was = before[one.id]
            assert was.ask.grade is Grade.BACKFILL
            assert one.yields == was.yields + 1 or one.ask.grade is Grade.FIRM
            assert one.start_ns >= now or not one.is_live
        untouched = set(before) - {one.id for one in changed}
        assert all(calendar.bookings[key] == before[key] for key in untouched)
        if data.draw(st.integers(0, 4)) == 0:
            calendar.cancel(data.draw(st.sampled_from(sorted(calendar.bookings))))
        if data.draw(st.integers(0, 5)) == 0:
            now += data.draw(st.integers(1, 5))
            calendar.expire(now)


@pytest.mark.requirement("QRM-3")
@settings(max_examples=100, deadline=None)
@given(st.lists(asks(), max_size=25), st.integers(0, 30))
def test_an_emergency_within_the_reserve_is_served_at_once(wanted, at):
    calendar = Calendar(RESOURCES)
    for number, ask in enumerate(wanted):
        if ask.grade is not Grade.EMERGENCY:
            try:
                calendar.book(str(number), "t", ask, 0)
            except NoWindow:
                continue
    asked = Ask(demands={"kept": 1, "workers": 1}, duration_ns=5, earliest_ns=at, grade=Grade.EMERGENCY)
    assert calendar.book("now", "t", asked, 0)[0].start_ns == at
    check(calendar)


@pytest.mark.requirement("QRM-3")
def test_backfill_does_not_starve():
    calendar = Calendar(RESOURCES)
    weak = Ask(demands={"qpu": 1}, duration_ns=10, earliest_ns=0, grade=Grade.BACKFILL)
    calendar.book("weak", "t", weak, 0)
    for turn in range(20):
        # Whoever comes asks for exactly the time that the weak one has now.
        weak_now = calendar.get("weak")
        if weak_now.ask.grade is Grade.FIRM:
            break
        ask = Ask(demands={"qpu": 1}, duration_ns=10, earliest_ns=weak_now.start_ns)
        calendar.book(f"firm {turn}", "t", ask, 0)
    found = calendar.get("weak")
    assert found.yields == MAX_YIELDS
    last = max(one.end_ns for one in calendar.bookings.values() if one.id != "weak" and one.ask.grade is Grade.FIRM)
    assert found.start_ns <= last
    again = Ask(demands={"qpu": 1}, duration_ns=10, earliest_ns=found.start_ns)
    assert calendar.book("late", "t", again, 0)[0].start_ns == found.end_ns
    check(calendar)


def test_higher_priority_goes_first_among_backfill():
    calendar = Calendar(RESOURCES)
    low = Ask(demands={"qpu": 1}, duration_ns=5, earliest_ns=0, grade=Grade.BACKFILL)
    high = Ask(demands={"qpu": 1}, duration_ns=5, earliest_ns=0, grade=Grade.BACKFILL, priority=1)
    calendar.book("low", "t", low, 0)
    first, moved = calendar.book("high", "t", high, 0)
    assert (first.start_ns, moved.id, moved.start_ns, moved.reason) == (0, "low", 5, "made room for high")


def test_a_hold_expires_and_time_goes_by():
    calendar = Calendar(RESOURCES)
    ask = Ask(demands={"qpu": 1, "workers": 2}, duration_ns=10, earliest_ns=0, hold_until_ns=3)
    held = calendar.book("a", "t", ask, 0)[0]
    assert held.state is BookingState.HELD
    assert [one.state for one in calendar.expire(3)] == [BookingState.EXPIRED]
    calendar.book("b", "t", ask, 0)
    calendar.confirm("b", 2)
    assert calendar.expire(9) == []
    assert [one.state for one in calendar.expire(10)] == [BookingState.DONE]


@pytest.mark.requirement("QRM-3")
def test_who_asks_again_for_what_has_become_firm_gets_the_same_booking():
    calendar = Calendar([Bookable(name="qpu")])
    ask = Ask(demands={"qpu": 1}, duration_ns=10, earliest_ns=0, grade=Grade.BACKFILL)
    calendar.book("again", "t", ask, 0)
    for at in range(MAX_YIELDS):
        window = Ask(demands={"qpu": 1}, duration_ns=10, earliest_ns=10 * at, latest_end_ns=10 * at + 10)
        calendar.book(f"firm{at}", "t", window, 0)
    assert calendar.get("again").ask.grade is Grade.FIRM
    assert calendar.book("again", "t", ask, 0) == [calendar.get("again")]
    with pytest.raises(InvalidInput):
        calendar.book("again", "t", Ask(demands={"qpu": 1}, duration_ns=11, earliest_ns=0, grade=Grade.BACKFILL), 0)


def test_a_hold_ends_with_its_time_however_long_it_may_be_confirmed():
    calendar = Calendar([Bookable(name="qpu")])
    calendar.book("held", "t", Ask(demands={"qpu": 1}, duration_ns=10, earliest_ns=0, hold_until_ns=1_000), 0)
    assert calendar.expire(9) == []
    assert [one.state for one in calendar.expire(10)] == [BookingState.EXPIRED]
    with pytest.raises(InvalidInput):
        calendar.confirm("held", 11)
