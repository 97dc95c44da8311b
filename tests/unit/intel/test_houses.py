"""What detectors have in common: states, thresholds on record, and names that are forgotten in order."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import TenantId
from phalanx.intel._houses import Bar, Following, Remembering, WithThresholds, heard

pytestmark = pytest.mark.requirement("INT-2")

HERE, THERE = TenantId("here"), TenantId("there")


class Count(msgspec.Struct):
    seen: int = 0


class Counting(Remembering[Count]):
    name = "counting"
    house_type = Count

    def evaluate(self, batch):
        return ()


class Barred(WithThresholds):
    seen: int = 0


class Adapting(Following[Barred]):
    name = "adapting"
    house_type = Barred
    bars = {"loud": Bar(1.0, 4.0, 0.01), "quiet": Bar(2.0, 3.0, 0.01)}  # noqa: RUF012 - as detectors write it

    def evaluate(self, batch):
        return ()


def test_a_state_is_told_once_per_change_and_tenants_are_apart():
    detector = Counting()
    detector.house(HERE).seen = 7
    assert detector.state(THERE) is None
    state = detector.state(HERE)
    assert state is not None
    assert detector.state(HERE) is None
    other = Counting()
    other.restore(HERE, state)
    assert other.state(HERE) is None
    assert other.house(HERE).seen == 7
    other.restore(HERE, None)
    assert other.house(HERE).seen == 0


@pytest.mark.requirement("LRN-3")
def test_thresholds_are_those_of_the_bars_and_part_of_the_state():
    detector = Adapting()
    assert detector.thresholds(HERE) == {}
    house = detector.house(HERE)
    assert {name: one.standing for name, one in detector.thresholds(HERE).items()} == {"loud": 1.0, "quiet": 2.0}
    house.thresholds["loud"].steer(pinned=3.5, raised=0.0)
    again = Adapting()
    again.restore(HERE, detector.state(HERE))
    assert again.thresholds(HERE)["loud"].standing == 3.5


def test_a_state_from_before_a_pattern_was_known_gets_its_threshold():
    detector = Adapting()
    detector.restore(HERE, msgspec.msgpack.encode({"seen": 3}))
    assert detector.house(HERE).seen == 3
    assert set(detector.thresholds(HERE)) == {"loud", "quiet"}


@given(st.lists(st.sampled_from("abcdef")))
def test_of_too_many_names_the_one_heard_longest_ago_goes(names):
    known: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        heard(known, name, list, most=3).append(number)
    latest = list(dict.fromkeys(reversed(names)))[:3]
    assert list(known) == latest[::-1]
