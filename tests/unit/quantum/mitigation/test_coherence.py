"""Strategies that keep a circuit coherent: what each keeps, against the best attainable and against emulation."""

import pytest

from phalanx.core import InvalidInput
from phalanx.quantum import Gates
from phalanx.quantum.coherence import NAMES, applied, strategies
from phalanx.quantum.emulation import Disturbance

# The first qubit is in superposition and waits while the others are at work.
WAITING = Gates(4).h(0).cx(0, 1).cx(0, 1)
for _ in range(10):
    WAITING.cx(2, 3).cx(1, 2)
WAITING.h(0).measure(0, 1, 2, 3)


@pytest.mark.requirement("HWF-2")
def test_each_strategy_says_what_it_keeps_of_the_attainable(machine_with):
    found = strategies(WAITING.circuit(), machine_with(n=4, t1=1e5, t2=5e4, two=0.005, reading=0.01))
    assert {one.name for one in found} == set(NAMES)
    for one in found:
        assert 0 < one.survival <= 1
        assert one.survival <= one.share <= 1
        assert 0 < one.fidelity <= 1
    silent = strategies(WAITING.circuit(), machine_with(n=4, two=0.005))
    assert all(one.share == pytest.approx(1) for one in silent), "without waiting errors all is kept"


@pytest.mark.requirement("HWF-2")
def test_decoupling_comes_first_where_there_is_slow_drift_and_not_where_there_is_none(machine_with):
    slow = machine_with(n=4, t1=1e9, t2=1e5, disturbance=Disturbance(slow_t2=0.05))
    assert strategies(WAITING.circuit(), slow)[0].name.startswith("decoupling")
    plain = machine_with(n=4, t1=1e5, t2=5e4, one=0.01)
    assert not strategies(WAITING.circuit(), plain)[0].name.startswith("decoupling")


@pytest.mark.requirement("HWF-2")
def test_a_cut_is_a_strategy_with_its_overhead(machine_with):
    chain = Gates(4).h(0).cx(0, 1).cx(1, 2).cx(2, 3).measure(0, 1, 2, 3)
    found = {one.name: one for one in strategies(chain.circuit(), machine_with(n=4, two=0.02), cut_to=2)}
    assert found["cut-to-2"].overhead == pytest.approx(9)
    assert found["cut-to-2"].survival > found["layout-by-noise"].survival
    whole = strategies(chain.circuit(), machine_with(n=4), cut_to=4)
    assert all(one.overhead == 1 for one in whole)


def test_a_strategy_is_asked_for_by_its_name(machine_with):
    machine = machine_with()
    assert applied("decoupling-xx", machine).decoupling == "xx"
    assert applied("as-routed", machine).trials == 1
    with pytest.raises(InvalidInput, match="strategy"):
        applied("prayer", machine)
