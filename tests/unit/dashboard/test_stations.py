"""From waypoints to the stations of a way."""

import msgspec
import pytest

from phalanx.core import (
    Baseline,
    Decision,
    Finding,
    Origin,
    Outcome,
    Provenance,
    Severity,
    Waypoint,
    derive_id,
)
from phalanx.dashboard._render import duration, flat
from phalanx.dashboard._stations import LABELS, Known, origin_tags, stops
from phalanx.telemetry import in_order
from phalanx.workflows import StepKind, StepResult

MS = 1_000_000
START = 1_700_000_000_000 * MS


def point(stage, after_ms, subject="s", **detail):
    at_ns = START + after_ms * MS
    return Waypoint(
        id=derive_id(at_ns, stage, subject), tenant="t", trace="e", at_ns=at_ns, room="r", stage=stage,
        subject=subject, summary=f"{stage} of {subject}", detail=detail,
    )  # fmt: skip


FINDING = Finding(
    id="f", tenant="t", trace="e", at_ns=START, case="c", rule="r", title="T", severity=Severity.HIGH, confidence=1.0,
    techniques=("T1003", "T1059", "T1070"), tactics=(), entities=(), evidence=(), hits=3, first_seen_ns=START,
    last_seen_ns=START, accepted_at_ns=START, found_at_ns=START, explanation="",
)  # fmt: skip
STEP = StepResult(
    id="x", tenant="t", trace="e", at_ns=START, run="run", step="estimate", step_kind=StepKind.QUANTUM, output={},
    started_ns=START, finished_ns=START,
    provenance=(Provenance(origin=Origin.SIMULATED, device="local.statevector", circuits=("c",), shots=9, seed=1,
                           baselines=(Baseline(method="m", value=1.0, error=0.0, cost=1, cost_unit="u"),)),),
)  # fmt: skip
DECISION = Decision(
    id="d", tenant="t", trace="e", at_ns=START, about="p", outcome=Outcome.APPROVED, authority="containment-v1",
    reasons=("probable", "not executed: switched off"), context_hash="0",
)  # fmt: skip
BEGUN = [point("accepted", 0, events=1, reader="windows"), point("finding", 5, severity="high")]
GIVEN = [*BEGUN, point("mission", 5, "m"), point("assigned", 7, "m", agent="analyst-1")]


def made(points, *, steps=(), decisions=()):
    known = Known(waypoints=in_order(points), findings=[FINDING], quantum_steps=steps, decisions=decisions)
    found = stops(known)
    assert tuple(stop.label for stop in found) == LABELS
    return {stop.label: stop for stop in found}


def states(found):
    return [stop.state for stop in found.values()]


def test_a_finding_without_a_mission_ends_its_way():
    found = made(BEGUN)
    assert states(found) == ["done", "done", "none", "none", "none", "none", "none"]
    assert (found["Accepted"].what, found["Finding"].what) == ("1 event, windows", "3 hits · T1003 · T1059")
    assert found["Finding"].when == "+5 ms"


def test_a_mission_under_way_has_stations_ahead():
    assert states(made([*BEGUN, point("mission", 5, "m")])) == ["done", "done", "running", *["ahead"] * 4]
    found = made([*GIVEN, point("step", 9, "one", step="collect", kind="classical")])
    assert states(found) == ["done", "done", "running", "running", "ahead", "ahead", "ahead"]
    assert (found["Mission"].what, found["Analysis"].what) == ("analyst-1", "collect is done")


def test_a_finished_way_says_what_ran_and_that_nothing_was_executed():
    ended = [
        *GIVEN,
        point("step", 9, "one", step="estimate", kind="quantum"),
        point("assessment", 10, verdict="compromised", probability=0.912),
        point("proposal", 11, action="isolate-host"),
        point("decision", 11, outcome="approved"),
        point("ledger", 12, "l1", index=4),
        point("ledger", 13, "l2", index=7),
        point("mission-done", 14, "m"),
    ]
    found = made(ended, steps=[STEP], decisions=[DECISION])
    assert states(found) == ["done"] * 7
    assert [tag.text for tag in found["Analysis"].tags] == ["simulated"]
    assert [(tag.text, tag.kind) for tag in found["Assessment"].tags] == [("P 0.91", "bad")]
    assert found["Decision"].what == "isolate-host, not executed"
    assert found["Ledger"].what == "#4 – #7"
    refused = msgspec.structs.replace(DECISION, outcome=Outcome.REFUSED, reasons=("protected",))
    found = made(ended, decisions=[refused])
    assert (found["Decision"].state, found["Decision"].what) == ("refused", "isolate-host")


def test_a_mission_that_decided_nothing_and_one_that_failed_say_so():
    assessed = point("assessment", 9, verdict="inconclusive", probability=0.1)
    found = made([*GIVEN, assessed, point("mission-done", 14, "m")])
    assert [(tag.text, tag.kind) for tag in found["Assessment"].tags] == [("P 0.10", "")], "no green for too little"
    assert (found["Decision"].state, found["Decision"].note) == ("passed", "mission-done of m")
    found = made([*GIVEN, point("mission-failed", 14, "m")])
    assert (found["Mission"].state, found["Mission"].what) == ("failed", "mission-failed of m")
    assert found["Decision"].state == "none"


def test_a_quantum_step_answered_classically_is_marked():
    degraded = msgspec.structs.replace(STEP, provenance=(), degraded="no device fits")
    assert [(tag.text, tag.kind) for tag in origin_tags([degraded])] == [("classical instead", "warn")]


def test_what_happens_at_one_moment_is_told_in_the_order_of_causes():
    stages = ["ledger", "mission", "decision", "accepted", "finding", "proposal"]
    told = [one.stage for one in in_order([point(stage, 0) for stage in stages])]
    assert told == ["accepted", "finding", "mission", "proposal", "decision", "ledger"]


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0 s"), (840_000, "840 µs"), (38 * MS, "38 ms"), (2_410 * MS, "2.41 s"), (200_000 * MS, "3 min 20 s")],
)
def test_durations_are_as_precise_as_people_read_them(ns, text):
    assert duration(ns) == text


def test_a_nested_record_becomes_one_list_with_units_in_the_values():
    record = {
        "at_ns": START,
        "took_ns": 38 * MS,
        "step_kind": "quantum",
        "out": {"p": 0.5, "in": {"x": []}},
        "none": {},
    }
    assert flat(record) == [
        ("at", "2023-11-14 22:13:20.000 UTC"), ("took", "38 ms"), ("step kind", "quantum"), ("out.p", 0.5),
        ("out.in.x", []), ("none", {}),
    ]  # fmt: skip
    assert flat({"a_b": {"c_ns": 1}}, exact=True) == [("a_b.c_ns", 1)]
