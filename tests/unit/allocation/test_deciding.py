"""Decisions: what is ruled out and why, that they are fresh, and that the three forms agree."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.allocation import (
    FEED_FORWARD,
    Board,
    Decider,
    NothingFits,
    Requirement,
    Standing,
    _plain,
    shortlist_loop,
    warm_decisions,
)
from phalanx.core import InvalidInput


def board():
    return Board([
        Standing(name="x.good", n_qubits=5, two_qubit_error=0.01, t1_ns=1e5, t2_ns=1e5, degree=2.0, wait_s=900.0),
        Standing(name="x.poor", n_qubits=7, two_qubit_error=0.05, t1_ns=1e5, t2_ns=1e5, degree=2.0, region="eu"),
        Standing(name="x.shut", n_qubits=9, is_open=False, price_second=1.0),
    ])  # fmt: skip


@pytest.mark.requirement("QRM-2")
def test_the_composite_is_the_documented_formula():
    made = Board([Standing(
        name="x.a", n_qubits=5, one_qubit_error=0.001, two_qubit_error=0.02, readout_error=0.03, t1_ns=40_000.0,
        t2_ns=30_000.0, degree=1.5, load=0.4,
    )])  # fmt: skip
    wanted = Requirement(width=2, fidelity=0.99, coherence_ns=60_000.0, degree=3.0)
    fidelity = 0.999 * 0.98 * 0.97
    expected = 0.30 * fidelity / 0.99 + 0.25 * 0.6 + 0.25 * 0.5 + 0.20 * 0.5
    assert Decider(made, "composite").decide(wanted).score("x.a") == pytest.approx(expected, rel=1e-12)
    met = Requirement(width=2, fidelity=0.5, coherence_ns=10.0, degree=1.0)
    assert Decider(made, "composite").decide(met).score("x.a") == pytest.approx(0.75 + 0.25 * 0.6, rel=1e-12)


@pytest.mark.requirement("QRM-1")
@pytest.mark.parametrize(
    ("wishes", "refused"),
    [
        ({"width": 6}, "has 5 connected qubits that work, 6 are needed"),
        ({"deadline_s": 60.0}, "would be late: new work waits 900 s there, and 60 s are left"),
        ({"regions": frozenset({"eu"})}, "is not in eu"),
        ({"features": FEED_FORWARD}, "lacks measurement or feed-forward within a circuit"),
        ({"n_two": 200, "fidelity": 0.5}, "is expected to stay below a fidelity of 0.5"),
    ],
)
def test_what_rules_a_device_out_is_said(wishes, refused):
    decision = Decider(board()).decide(Requirement(**{"width": 2, "n_two": 4} | wishes))
    told = {one.name: one for one in decision.considered()}
    assert told["x.good"].reason == refused
    assert told["x.shut"].reason == "takes no work now"
    assert not told["x.good"].fits


def test_a_decision_says_why():
    decision = Decider(board()).decide(Requirement(width=2, n_two=4))
    assert decision.chosen == "x.good"
    assert decision.reason().startswith("x.good scores best by shortlist (-0.04")
    assert [one.reason for one in decision.considered()] == [
        "best by shortlist", "fits, but x.good scores better by shortlist", "takes no work now",
    ]  # fmt: skip
    easy = Decider(Board([Standing(name=name, n_qubits=5) for name in ("x.good", "x.twin")]), "composite").decide(
        Requirement(width=2)
    )
    assert easy.considered()[1].reason == "fits, and scores as x.good does by composite"
    with pytest.raises(NothingFits) as raised:
        _ = Decider(board()).decide(Requirement(width=50)).chosen
    assert len(raised.value.refusals) == 3


@pytest.mark.requirement("QRM-6")
def test_load_and_calibration_are_read_at_each_decision():
    made, wanted = board(), Requirement(width=2, n_two=4, deadline_s=1_000.0)
    decider = Decider(made)
    before = decider.decide(wanted)
    made.set_load("x.good", 0.9, 2_000.0)
    assert decider.decide(wanted).chosen == "x.poor"
    made.set_load("x.good", 0.1, 0.0)
    made.put(Standing(name="x.good", n_qubits=5, two_qubit_error=0.2, degree=2.0))
    assert decider.decide(wanted).chosen == "x.poor"
    made.set_open("x.poor", is_open=False)
    assert decider.decide(wanted).chosen == "x.good"
    assert before.chosen == "x.good"  # a decision keeps what it saw
    assert before.score("x.good") == pytest.approx(4 * math.log(0.99))


def test_a_gate_that_never_works_and_errors_unknown_do_no_harm():
    made = Board([Standing(name="x.a", n_qubits=5, two_qubit_error=1.0, t1_ns=math.nan, readout_error=math.nan)])
    assert np.isfinite(Decider(made).decide(Requirement(width=2, n_two=9, n_measured=2)).score("x.a"))


def test_impossible_wishes_are_refused():
    for wishes in ({"width": 0}, {"width": 2, "shots": 0}, {"width": 2, "fidelity": 1.5}, {"width": 2, "budget": -1.0}):
        with pytest.raises(InvalidInput):
            Requirement(**wishes)
    with pytest.raises(InvalidInput):
        Board([Standing(name="x.a", n_qubits=1)] * 2)


_numbers = st.integers(0, 997).map(lambda whole: whole / 997)


@st.composite
def standings(draw):
    return [
        Standing(
            name=f"x.{at}", n_qubits=draw(st.integers(1, 9)), one_qubit_error=draw(_numbers), degree=draw(_numbers) * 4,
            two_qubit_error=draw(_numbers), readout_error=draw(_numbers), one_qubit_ns=draw(_numbers) * 99,
            two_qubit_ns=draw(_numbers) * 999, readout_ns=draw(_numbers) * 999, t1_ns=draw(_numbers) * 1e5 + 1,
            t2_ns=draw(_numbers) * 1e5 + 1,
            load=draw(_numbers), wait_s=draw(_numbers) * 50,
            is_open=draw(st.booleans()),
            price_second=draw(_numbers), price_shot=draw(_numbers), features=draw(st.integers(0, 3)),
            region=draw(st.sampled_from("abc")), max_shots=draw(st.integers(1, 99)),
        )
        for at in range(draw(st.integers(0, 12)))
    ]  # fmt: skip


@st.composite
def requirements(draw):
    return Requirement(
        width=draw(st.integers(1, 7)), n_one=draw(st.integers(0, 9)), n_two=draw(st.integers(0, 9)),
        n_measured=draw(st.integers(0, 5)), depth_one=draw(st.integers(0, 9)), depth_two=draw(st.integers(0, 9)),
        degree=draw(_numbers) * 5, fidelity=draw(st.sampled_from((0.0, 0.3001))), coherence_ns=draw(_numbers) * 1e4,
        deadline_s=draw(st.sampled_from((math.inf, 25.01))), budget=draw(st.sampled_from((math.inf, 9.003))),
        shots=draw(st.integers(1, 50)), features=draw(st.integers(0, 3)),
        regions=draw(st.frozensets(st.sampled_from("abcd"), max_size=2)),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(standings(), requirements(), st.integers(1, 5))
def test_compiled_and_plain_forms_agree(devices, wanted, k):
    warm_decisions()
    from phalanx.allocation import _kernels_decide

    made = Board(devices)
    want = wanted.row.copy()
    want[-1] = made.regions(wanted.regions)
    n = len(devices)
    for name in ("shortlist", "composite"):
        found = []
        for module in (_kernels_decide, _plain):
            scores, why, best = np.zeros(n), np.zeros(n, np.int64), np.zeros(k, np.int64)
            found.append((getattr(module, name)(made.rows, want, scores, why, best), scores, why, best))
        (n_one, one, why_one, best_one), (n_two, two, why_two, best_two) = found
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(why_one, why_two)
        assert n_one == n_two
        np.testing.assert_allclose(one[best_one[best_one >= 0]], two[best_two[best_two >= 0]], rtol=1e-12, atol=1e-12)
        if name == "shortlist":
            loop = [-score for score, _ in shortlist_loop(made.rows.T.tolist(), want.tolist(), k)]
            np.testing.assert_allclose(loop, one[best_one[best_one >= 0]], rtol=1e-12, atol=1e-12)
