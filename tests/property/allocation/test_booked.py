"""How long a device is taken by others, against counting units at every instant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.allocation import Ask, Bookable, Booked, Calendar, Grade, NoWindow
from phalanx.core import NS_PER_S, InvalidInput

S = NS_PER_S
TENANTS = ("a", "b", "c")
asks = st.tuples(
    st.sampled_from(TENANTS), st.integers(0, 20), st.integers(1, 8), st.integers(1, 3), st.sampled_from(list(Grade)),
    st.booleans(),
)  # fmt: skip


def counted(calendar, tenant, from_s, lasts_s):
    """The first second from which on a unit is nobody else's for so long."""
    others = [
        one for one in calendar.on("d") if one.tenant != tenant and one.ask.grade is not Grade.BACKFILL
    ]  # fmt: skip

    def free(second):
        used = sum(one.ask.demands["d"] for one in others if one.start_ns <= second * S < one.end_ns)
        return used < calendar.resources["d"].capacity

    begin = from_s
    while not all(free(second) for second in range(begin, begin + lasts_s)):
        begin += 1
    return begin - from_s


@pytest.mark.requirement("QRM-3", "QRM-6")
@given(st.integers(1, 3), st.lists(asks, max_size=12), st.integers(0, 30), st.integers(1, 6))
def test_waits_are_those_of_counting(capacity, wanted, from_s, lasts_s):
    calendar, booked = Calendar(), Booked()
    resource = Bookable(name="d", capacity=capacity)
    calendar.declare(resource)
    booked.see((), resource)
    for n, (tenant, earliest, duration, units, grade, cancels) in enumerate(wanted):
        ask = Ask(demands={"d": units}, duration_ns=duration * S, earliest_ns=earliest * S, grade=grade)
        try:
            booked.see(calendar.book(f"{n}", tenant, ask, 0))
        except (InvalidInput, NoWindow):
            continue
        if cancels:
            booked.see(calendar.cancel(f"{n}"))
    fresh = Booked()
    fresh.see_all(calendar.resources.values(), calendar.bookings.values())
    for tenant in TENANTS:
        expected = counted(calendar, tenant, from_s, lasts_s)
        for one in (booked, booked, fresh):
            assert one.wait_s("d", tenant, from_s * S, float(lasts_s)) == expected
    assert booked.wait_s("elsewhere", "a", 0, 1.0) == 0.0
