"""Two nodes on one store never book the same window, and what was acknowledged survives them."""

import asyncio
from itertools import pairwise

import pytest

from phalanx.allocation import Ask, Bookable, NoWindow, Reservations, _reservations
from phalanx.allocation._limits import LOOK_WITHIN_S
from phalanx.core import Unavailable, Uuid7Source
from phalanx.testing import SimWorld

S = 10**9


@pytest.mark.requirement("QRM-3", "QRM-7")
@pytest.mark.parametrize("seed", range(6))
def test_two_managers_never_book_one_window(seed):
    world = SimWorld(seed)

    async def main(world):
        store = world.store("disk")
        made = [
            Reservations(store, world.clock, Uuid7Source(world.clock, world.rng.child(str(n)).bits)) for n in (0, 1)
        ]
        await made[0].declare(Bookable(name="qpu"))

        async def book(at):
            ask = Ask(demands={"qpu": 1}, duration_ns=10 * S, earliest_ns=world.clock.wall_ns())
            return (await made[at % 2].book("t", ask, id=f"b{at}"))[0]

        booked = await asyncio.gather(*(book(at) for at in range(8)))
        spans = sorted((one.start_ns, one.end_ns) for one in booked)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        assert spans[-1][1] - spans[0][0] <= 81 * S  # nothing is wasted either
        later = Reservations(store, world.clock, Uuid7Source(world.clock, world.rng.child("later").bits))
        assert {one.id for one in await later.bookings("t")} == {one.id for one in booked}
        with pytest.raises(NoWindow):
            await later.book("t", Ask(demands={"qpu": 1}, duration_ns=S, earliest_ns=0, latest_end_ns=spans[0][1]))

    world.run(main)


def test_a_calendar_that_does_not_answer_counts_as_away_while_it_is_waited_for():
    class Away:
        """A database that does not answer, and is asked again for as long as it takes."""

        async def get(self, *asked):
            await asyncio.Event().wait()

    async def main(world):
        made = Reservations(Away(), world.clock, Uuid7Source(world.clock, world.rng.child("ids").bits))
        booking = world.loop.create_task(made.resources())
        await world.clock.sleep(1.0)
        began_ns = world.clock.monotonic_ns()
        with pytest.raises(Unavailable, match="the calendar"):
            await made.watch()
        assert world.clock.monotonic_ns() - began_ns <= (LOOK_WITHIN_S + 1) * S
        booking.cancel()

    SimWorld(1).run(main)


def test_of_what_has_ended_the_latest_is_kept_whatever_it_is_called(monkeypatch):
    monkeypatch.setattr(_reservations, "MAX_ENDED_BOOKINGS", 2)

    async def main(world):
        made = Reservations(world.store("disk"), world.clock, Uuid7Source(world.clock, world.rng.child("ids").bits))
        await made.declare(Bookable(name="qpu"))
        for name in ("z", "m", "b", "a"):
            ask = Ask(demands={"qpu": 1}, duration_ns=S, earliest_ns=world.clock.wall_ns())
            await made.book("t", ask, id=name)
            await made.cancel("t", name)
        return {one.id for one in await made.bookings("t")}

    assert SimWorld(1).run(main) == {"m", "b", "a"}, "the last was ended in the change that looked"
