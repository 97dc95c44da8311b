"""Who is found to stand is not looked up again, until anything changes."""

import pytest

from phalanx.crypto.identity import Register, Revocation, Why, sign_list
from phalanx.crypto.identity._seats import Seats
from phalanx.telemetry import Telemetry

S = 10**9
AGENT = "analyst-1.1"


class Nobody:
    def alert(self, *_, **__):
        pass


class Hand:
    """A clock that is set by hand."""

    def __init__(self, wall_ns):
        self.now_ns = wall_ns

    def wall_ns(self):
        return self.now_ns


class Ready:
    """Spares of which one is there."""

    ready = 0

    def __init__(self, spare):
        self._spare = spare

    def take(self):
        return self._spare


class Counting(Register):
    looked_up = 0

    def require(self, *args):
        self.looked_up += 1
        super().require(*args)


@pytest.fixture
def clock(house):
    return Hand(house.agent.chain.leaf.not_before_ns + S)


@pytest.fixture
def register():
    return Counting(Nobody())


@pytest.fixture
def seats(house, register, clock):
    seats = Seats(Ready(house.agent), register, clock=clock, telemetry=Telemetry(clock))
    seats.seat(AGENT)
    return seats


def revoke(house, register, one, since_ns, number=1):
    entry = Revocation(
        serial=one.chain.leaf.serial, subject=str(one.subject), why=Why.CEASED, since_ns=since_ns,
        not_after_ns=one.chain.leaf.not_after_ns,
    )  # fmt: skip
    register.apply(sign_list(house.root.subject, house.root.key, number=number, at_ns=since_ns, entries=(entry,)))


def test_it_is_looked_up_once_for_as_long_as_nothing_changes(seats, register):
    assert [seats.admitted(AGENT) for _ in range(5)] == [True] * 5
    assert register.looked_up == 1


@pytest.mark.requirement("ZTA-3")
def test_a_revocation_counts_from_the_same_step_on(house, seats, register, clock):
    assert seats.admitted(AGENT)
    revoke(house, register, house.person, clock.now_ns)
    assert seats.admitted(AGENT)
    revoke(house, register, house.agent, clock.now_ns, number=2)
    assert not seats.admitted(AGENT)


@pytest.mark.requirement("ZTA-3")
def test_what_is_dated_ahead_counts_when_its_time_has_come(house, seats, register, clock):
    revoke(house, register, house.agent, clock.now_ns + 20 * S)
    register.set_epochs(house.node.subject, ((clock.now_ns + 10 * S, 2),))
    assert register.unchanged_until_ns(clock.now_ns) == clock.now_ns + 10 * S
    assert seats.admitted(AGENT)
    clock.now_ns += 10 * S - 1
    assert seats.admitted(AGENT)
    clock.now_ns += 1
    assert not seats.admitted(AGENT)


def test_an_identity_that_expires_does_not_stand_any_more(house, seats, clock):
    assert seats.admitted(AGENT)
    clock.now_ns = house.agent.chain.leaf.not_after_ns
    assert not seats.admitted(AGENT)


def test_a_clock_that_goes_back_is_asked_again(seats, register, clock):
    assert seats.admitted(AGENT)
    clock.now_ns -= 5 * S
    assert seats.admitted(AGENT)
    assert register.looked_up == 2
