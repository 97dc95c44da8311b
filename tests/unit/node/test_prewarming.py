"""A node acts on what it foresees: processes begin ahead, and windows are booked for what recurs."""

import pytest

from phalanx.allocation import Ask, Bookable, Reservations
from phalanx.core import DEFAULT_TENANT, NS_PER_S
from phalanx.node.quantum._prewarming import Advance, Prewarming, ready
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

DAY_S = 86_400


class Pool:
    most = 4

    def __init__(self):
        self.asked, self.alive, self.took_s = 0, 0, 2.0
        self.is_at_work = False

    async def warm(self, n, ready, /):
        ready()
        self.alive = max(self.alive, n)

    def cool(self):
        if self.is_at_work or not self.alive:
            return False
        self.alive = 0
        return True


@pytest.mark.requirement("LRN-4")
def test_processes_begin_before_work_that_comes_steadily_and_end_when_it_is_over():
    async def main(world):
        pool = Pool()
        warming = Prewarming(pool, world.clock, Telemetry(world.clock), ahead=True, idle_s=180.0)
        for _ in range(5):
            pool.asked += 3
            await world.clock.sleep(60.0)
            await warming.step()
        assert pool.alive == 1
        for _ in range(3_000):
            await world.clock.sleep(60.0)
            await warming.step()
        assert (pool.alive, warming.warmed, warming.cooled) == (0, 1, 1)
        later = Prewarming(Pool(), world.clock, Telemetry(world.clock), ahead=False, idle_s=0.0)
        later._pool.asked = later._pool.alive = 4
        for _ in range(10):
            await world.clock.sleep(60.0)
            await later.step()
        assert later._pool.alive == 4, "nothing is done that was not asked for"

    SimWorld(1).run(main)


def test_what_a_process_imports_can_be_imported():
    ready()


class Foretold:
    """Work of a tenant at nine, on the last three days."""

    async def hourly(self, tenant):
        day = [0.0] * 24
        return {"qpu": [*day[:9], 40.0, *day[10:]] * 3, "gone": [*day[:9], 40.0, *day[10:]] * 3}


@pytest.mark.requirement("LRN-4", "QRM-3")
def test_windows_in_advance_are_booked_once_and_make_room_for_who_really_comes():
    async def main(world):
        calendar = Reservations(world.store("n"), world.clock, world.ids)
        await calendar.declare(Bookable(name="qpu"))
        advance = Advance(Foretold(), calendar, world.clock)
        booked = await advance.book([DEFAULT_TENANT])
        assert await advance.book([DEFAULT_TENANT]) == booked
        (window,) = await calendar.bookings(DEFAULT_TENANT)
        assert window.id == booked[0]
        assert window.start_ns // NS_PER_S % DAY_S == 9 * 3_600
        assert window.start_ns > world.clock.wall_ns()
        firm = Ask(
            demands={"qpu": 1}, duration_ns=window.end_ns - window.start_ns, earliest_ns=window.start_ns,
            latest_end_ns=window.end_ns,
        )  # fmt: skip
        made = await calendar.book("other", firm)
        assert made[0].start_ns == window.start_ns, "it made room"
        (window,) = await calendar.bookings(DEFAULT_TENANT)
        assert window.state.value == "yielded"
        assert await advance.book([DEFAULT_TENANT]) == booked, "and is not booked a second time"

    SimWorld(2).run(main)
