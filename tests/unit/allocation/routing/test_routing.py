"""Quantum or classical: what is taken, what is ruled out, and what is learned from what came of it."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.allocation.routing import Aims, Expectations, Kind, Router, Way, expected_loss, judge, loss_of
from phalanx.core import InvalidInput, Origin
from phalanx.devices import (
    DeviceModel,
    Modality,
    QueueState,
    SessionLimits,
    Status,
    calibration,
    ideal_device,
    price_per_second,
    price_per_shot,
)
from phalanx.devices._calibration import Numbers
from phalanx.quantum import Gates

SIMULATOR = ideal_device("local.simulator", 1_024, max_shots=100_000, only_by_name=True)


def machine(name="far.ion", n=40, two=0.001, price=None, queue=None, **others):
    numbers = Numbers(
        readout_error=0.002, one_qubit_error=0.0001, two_qubit_error=two, one_qubit_ns=10e3, two_qubit_ns=200e3,
        readout_ns=100e3, t1_ns=1e12, t2_ns=1e12,
    )  # fmt: skip
    pairs = [[a, b] for a in range(n) for b in range(a + 1, n)]
    known = calibration(n, pairs, numbers, calibrated_at_ns=1, source="x")
    made = DeviceModel(
        name=name, provider=name.partition(".")[0], kind=Modality.TRAPPED_ION, origin=Origin.HARDWARE, n_qubits=n,
        limits=SessionLimits(max_shots=100_000), calibration=known, all_to_all=True, queue=queue or QueueState(),
    )  # fmt: skip
    return dataclasses.replace(made, **({"price": price} if price else {}), **others)


def small():
    return Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def wide(n=34):
    """Too entangled for a matrix-product state, too wide for amplitudes, and not Clifford."""
    gates = Gates(n)
    for layer in range(3):
        for q in range(n):
            gates.ry(0.3 + 0.1 * layer, q)
        for q in range(n // 2):
            gates.cx(q, n - 1 - q)
    return gates.measure(*range(n)).circuit()


@pytest.mark.requirement("QRM-10")
def test_what_can_be_simulated_is_and_what_cannot_goes_to_a_machine():
    models = [SIMULATOR, machine()]
    near = Router().route(small(), 100, Aims(), models)
    assert (near.name, near.kind) == ("local.simulator", "classical")
    assert "the best quantum way, far.ion, would lose" in near.reason
    far = Router().route(wide(), 100, Aims(worth=10.0), models)
    assert (far.name, far.kind) == ("far.ion", "quantum")
    assert "no classical way is left: local.simulator cannot" in far.reason
    assert {one.way.name for one in far.ways} == {"local.simulator", "far.ion"}


@pytest.mark.requirement("QRM-10")
@pytest.mark.parametrize(
    ("aims", "models", "why"),
    [
        ({"budget": 1.0}, [machine(price=price_per_shot(0, 0.1, as_of_ns=1, source="x"))], "more than 1"),
        ({"within_s": 60.0}, [machine(queue=QueueState(depth=900, as_of_ns=1))], "and 60 s are left"),
        ({"fidelity": 0.9}, [machine(two=0.2)], "below 0.9"),
        ({"only": "classical"}, [machine()], "only classical ones are wanted"),
        ({}, [machine(price=price_per_second(1, as_of_ns=1, source="x", currency="EUR"))], "charges in EUR"),
        ({}, [machine(status=Status.OFFLINE)], "takes no work now"),
        ({}, [machine(n=10)], "34 are needed"),
    ],
)
def test_what_rules_a_way_out_is_said(aims, models, why):
    routed = Router().route(wide(), 1_000, Aims(**aims), models)
    assert routed.name == ""
    assert why in routed.reason
    assert routed.ways[0].loss == routed.aims.stake


def test_a_costly_machine_is_worth_it_when_the_answer_is():
    dear = machine(price=price_per_shot(5, 0, as_of_ns=1, source="x"))
    cheap = machine("near.chip", two=0.05)
    assert Router().route(wide(), 100, Aims(worth=1.0, hour=0.0), [dear, cheap]).name == "near.chip"
    assert Router().route(wide(), 100, Aims(worth=100.0, hour=0.0), [dear, cheap]).name == "far.ion"


def test_nobody_pays_for_noise_who_says_what_an_answer_is_worth():
    noisy = machine(two=0.2, price=price_per_shot(0.5, 0, as_of_ns=1, source="x"))
    refused = Router().route(wide(), 100, Aims(worth=20.0), [SIMULATOR, noisy])
    assert refused.name == ""
    told = next(one.reason for one in refused.ways if one.way.name == "far.ion")
    assert told.startswith("is not worth it: 0.5 USD, 0.074 s of waiting included")
    assert "of 20 USD (fidelity 1.05e-05)" in told
    # Somebody who does not say may want it at any price.
    assert Router().route(wide(), 100, Aims(), [SIMULATOR, noisy]).name == "far.ion"


def test_aims_are_checked():
    for bad in ({"fidelity": 1.1}, {"worth": -1.0}, {"hour": math.inf}, {"only": "magic"}):
        with pytest.raises(InvalidInput):
            Aims(**bad)


def test_no_ways_and_ties():
    assert judge(Aims(), []).reason == "there is no way"
    twins = [Way(name=n, kind=k, seconds=1.0, money=0.0, fidelity=1.0) for n, k in
             (("a", Kind.QUANTUM), ("c", Kind.CLASSICAL), ("b", Kind.CLASSICAL))]  # fmt: skip
    assert judge(Aims(), twins).name == "b"


ways = st.builds(
    Way, name=st.text("abc", min_size=1, max_size=3), kind=st.sampled_from(Kind), seconds=st.floats(0, 1e5),
    money=st.floats(0, 100), fidelity=st.floats(0, 1), late=st.floats(0, 1), why_not=st.sampled_from(["", "", "no"]),
)  # fmt: skip


@given(st.lists(ways, max_size=6), st.floats(0, 50), st.floats(0, 5))
def test_nothing_that_fits_is_expected_to_lose_less_than_what_is_taken(found, worth, hour):
    aims = Aims(worth=worth, hour=hour)
    routed = judge(aims, found)
    fit = [one for one in found if not one.why_not]
    assert (routed.name != "") == bool(fit)
    if fit:
        assert routed.ways[0].loss == min(expected_loss(aims, one) for one in fit)
    assert len(routed.ways) == len(found)


def test_a_loss_counts_what_is_late_or_bad_as_worthless():
    aims = Aims(worth=10.0, hour=1.0, within_s=3_600.0, fidelity=0.5)
    assert loss_of(aims, seconds=1_800.0, money=2.0, fidelity=0.8) == pytest.approx(2.0 + 2.0 + 0.5)
    assert loss_of(aims, seconds=7_200.0, money=2.0, fidelity=0.8) == pytest.approx(10.0 + 2.0 + 1.0)
    assert loss_of(aims, seconds=0.0, money=0.0, fidelity=0.4) == 10.0


@pytest.mark.requirement("LRN-1", "QRM-10")
def test_times_and_fidelities_follow_what_was_seen():
    learned = Expectations()
    assert learned.seconds("q", 10.0, math.inf) == (10.0, 0.0)
    assert learned.seconds("q", 10.0, 10.0)[1] == pytest.approx(0.5)
    assert learned.fidelity(0.4) == 0.4
    for n in range(40):
        learned.took("q", 10.0, 30.0 * (1.1 if n % 2 else 0.9))
        learned.reached(n / 40, n / 80)
    seconds, late = learned.seconds("q", 10.0, 20.0)
    assert seconds == pytest.approx(30.0, rel=0.11)
    assert late > 0.99
    assert learned.seconds("q", 10.0, 60.0)[1] < 0.01
    assert learned.seconds("other", 10.0, math.inf)[0] == 10.0
    assert learned.fidelity(0.8) == pytest.approx(0.4, abs=0.03)
    learned.took("q", 0.0, 1.0)  # nothing was expected: nothing is learned


@pytest.mark.requirement("LRN-3", "QRM-10")
def test_a_stale_machine_is_a_way_only_where_no_fresher_one_fits():
    old = {"far.old": "was calibrated 60 h ago, more than 48 h"}
    models = [SIMULATOR, machine("far.old", two=0.0005), machine("far.new", two=0.002), machine("far.small", n=4)]
    aims = Aims(worth=1_000.0, only="quantum")
    assert Router().route(wide(), 100, aims, models).name == "far.old", "it is the better one, whatever its age"
    found = Router().route(wide(), 100, aims, models, stale=old)
    assert found.name == "far.new"
    reasons = {one.way.name: one.reason for one in found.ways}
    assert reasons["far.old"] == "was calibrated 60 h ago, more than 48 h, and a fresher machine fits"
    without = [one for one in models if one.name != "far.new"]
    alone = Router().route(wide(), 100, aims, without, stale=old)
    assert alone.name == "far.old", "the one that is left is too small"
    assert "was calibrated 60 h ago, more than 48 h; no fresher machine is left" in alone.reason
    emulated = [dataclasses.replace(machine("far.emulated", two=0.002), origin=Origin.EMULATED), *without]
    assert Router().route(wide(), 100, aims, emulated, stale=old).name == "far.old", "an emulation is no machine"


@pytest.mark.requirement("LRN-3", "QRM-10")
@pytest.mark.parametrize(
    ("aims", "fresh", "why"),
    [
        ({"budget": 1.0}, {"price": price_per_shot(0, 0.1, as_of_ns=1, source="x")}, "more than 1"),
        ({"within_s": 60.0}, {"queue": QueueState(depth=900, as_of_ns=1)}, "and 60 s are left"),
        ({"fidelity": 0.5}, {"two": 0.2}, "below 0.5"),
        ({}, {"price": price_per_second(1, as_of_ns=1, source="x", currency="EUR")}, "charges in EUR"),
    ],
)
def test_a_stale_machine_is_a_way_where_every_fresher_one_is_ruled_out(aims, fresh, why):
    old = {"far.old": "was calibrated 60 h ago, more than 48 h"}
    crowd = [machine(f"near.{n}", **{"two": 0.0001, **fresh}) for n in range(4)]
    models = [machine("far.old", two=0.0005), *crowd]
    found = Router().route(wide(), 1_000, Aims(worth=1_000.0, only="quantum", **aims), models, stale=old)
    assert found.name == "far.old"
    assert "was calibrated 60 h ago, more than 48 h; no fresher machine is left" in found.reason
    reasons = {one.way.name: one.reason for one in found.ways}
    assert why in reasons["near.0"]
    assert len(reasons) == len(found.ways) == 5
