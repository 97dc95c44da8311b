"""No job is lost and no device is given twice, whatever fails; and a booker that lies is found."""

import math

import pytest

from phalanx.allocation import Placements
from phalanx.testing._sim_allocation import allocation_simulation


@pytest.mark.requirement("QRM-7")
def test_nothing_is_lost_or_booked_twice():
    simulation = allocation_simulation()
    reports = [simulation.run(seed) for seed in range(40)]
    assert [report.violations for report in reports if report.violations] == []
    counts = {name: sum(report.counts.get(name, 0) for report in reports) for name in reports[0].counts}
    for what in ("restarts", "devices lost", "done on a device", "went on elsewhere", "windows of others"):
        assert sum(report.counts.get(what, 0) for report in reports) > 10, (what, counts)
    assert simulation.run(3).digest == simulation.run(3).digest


@pytest.mark.requirement("QRM-7")
def test_who_books_over_others_is_found():
    class Lying:
        def __init__(self, books):
            self.books = books

        async def book(self, device, name, took_s):
            start_ns = await self.books.book(device, name, took_s)
            return start_ns - int(3e9)

    simulation = allocation_simulation(sabotage=Lying)
    found = [one for seed in range(20) for one in simulation.run(seed).violations]
    assert any("two jobs on one device" in one for one in found)


class Lingering(Placements):
    """Lets jobs stay when windows open."""

    def held_s(self, device, /):
        return None

    def leaves_s(self, device, tenant, /):
        return math.inf


class Heedless(Lingering):
    """Begins jobs whatever is booked, too."""

    def opens_s(self, device, tenant, /):
        return 0.0


@pytest.mark.requirement("QRM-3")
@pytest.mark.parametrize(("placements", "told"), [(Heedless, "sent into a window"), (Lingering, "ran on in a window")])
def test_who_uses_what_others_booked_is_found(placements, told):
    simulation = allocation_simulation(placements=placements)
    assert any(told in one for seed in range(40) for one in simulation.run(seed).violations)


@pytest.mark.requirement("QRM-3", "QRM-7")
@pytest.mark.parametrize("seed", [710_324, 710_954, 712_853])
def test_who_makes_room_again_and_again_neither_stays_nor_gives_up(seed):
    """A window at the second device of a job, one that opens as a result comes, and more windows than moves."""
    assert not allocation_simulation().run(seed).violations
