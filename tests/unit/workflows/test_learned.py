"""How long a run still takes once a step begins, and that the longest rest begins first."""

import pytest

from phalanx.core import DEFAULT_TENANT, TenantId
from phalanx.workflows import Step, StepKind, Template
from phalanx.workflows._learned import StepTimes
from phalanx.workflows.workers._waiting import WaitingLine


async def nothing(_):
    return 0


def diamond():
    needs = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    steps = tuple(Step(name=name, kind=StepKind.CLASSICAL, run=nothing, needs=need) for name, need in needs.items())
    return Template(name="t", title="T", steps=steps)


def test_a_rest_is_the_longest_way_to_the_end():
    times = StepTimes()
    assert set(times.rests_s(diamond()).values()) == {0.0}
    for step, seconds in (("a", 1.0), ("b", 5.0), ("c", 2.0), ("d", 0.5)):
        times.note("t", step, seconds)
    assert times.rests_s(diamond()) == {"a": 6.5, "b": 5.5, "c": 2.5, "d": 0.5}
    times.note("t", "b", 1.0)
    assert times.rests_s(diamond())["b"] == pytest.approx(4.5)


class Waiting:
    def __init__(self, name, weight, tenant=DEFAULT_TENANT):
        self.name, self.weight, self.tenant = name, weight, tenant


def order(line):
    found = []
    while (one := line.next(lambda _: True)) is not None:
        found.append(one.name)
    return found


def test_what_weighs_most_begins_first_and_tenants_take_turns():
    line = WaitingLine()
    for name, weight in (("short", 1.0), ("long", 9.0), ("middle", 5.0)):
        line.add(Waiting(name, weight))
    line.add(Waiting("theirs", 0.0, TenantId("other")))
    gone = Waiting("gone", 99.0)
    line.add(gone)
    line.remove(gone)
    line.remove(gone)
    assert len(line) == 4
    assert order(line) == ["long", "theirs", "middle", "short"]
