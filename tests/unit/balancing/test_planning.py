"""Order on a resource, capacity over time, and both as documents."""

import json
import math

import msgspec
import numpy as np
import pytest

from phalanx.balancing import (
    CapacityDocument,
    Demand,
    Offer,
    Operation,
    OperationKind,
    Problem,
    ProblemDocument,
    Resource,
    answer_document,
    capacity_document,
    plan_capacity,
)
from phalanx.balancing._ordering import order
from phalanx.core import InvalidInput, LimitExceeded, encode_json

WORK = OperationKind(name="work", work={"cpu": 1.0})
SEARCH = OperationKind(name="search", work={"qpu": 2.0})
CPU = Resource(name="cpu", kind="cpu")


def test_priority_then_deadline_then_tenants_in_turn_decide_who_goes_first():
    operations = [
        *(Operation(id=f"a{j}", kind="work", tenant="a") for j in range(3)),
        Operation(id="b0", kind="work", tenant="b"),
        Operation(id="soon", kind="work", tenant="a", deadline_s=9.0),
        Operation(id="urgent", kind="work", tenant="b", priority=5),
    ]
    problem = Problem.of([WORK], [Resource(name="cpu", kind="cpu", queue_s=2.0)], operations)
    sequence, done = order(problem, operations, np.zeros(6, np.int32))
    assert [operations[j].id for j in sequence] == ["urgent", "soon", "a0", "b0", "a1", "a2"]
    assert [done[j] for j in sequence] == pytest.approx([3, 4, 5, 6, 7, 8])


def test_done_times_restart_on_every_resource():
    operations = [Operation(id=str(j), kind="work", size=j + 1) for j in range(6)]
    problem = Problem.of([WORK], [CPU, Resource(name="two", kind="cpu", queue_s=10.0)], operations)
    choice = np.array([0, 1, 0, 1, 0, 1], np.int32)
    _, done = order(problem, operations, choice)
    assert done == pytest.approx([1, 12, 4, 16, 9, 22])


@pytest.mark.requirement("BAL-4")
def test_capacity_is_added_when_it_is_needed_and_the_cheapest_way():
    demand = Demand(kinds=(WORK,), per_s=(0.5,), growth_per_day=1.02)
    dear = Offer(name="dear", resource=Resource(name="d", kind="cpu"), cost_per_hour=3.0, lead_days=5)
    cheap = Offer(name="cheap", resource=Resource(name="c", kind="cpu"), cost_per_hour=1.0, lead_days=30)
    plan = plan_capacity(demand, [CPU], [dear, cheap], target=0.8, horizon_days=50)
    assert [one.offer for one in plan.additions] == ["cheap"]
    first = plan.additions[0]
    crossing = next(day for day in range(50) if 0.5 * 1.02**day > 0.8)
    assert (first.day, first.order_day, first.late_days) == (crossing, crossing - 30, 30 - crossing)
    assert first.cost == pytest.approx(24.0 * (50 - crossing))
    assert plan.cost == first.cost
    assert max(plan.peaks) <= 0.8
    assert all(bound <= peak + 1e-6 for bound, peak in zip(plan.bounds, plan.peaks, strict=True))
    assert "with it, at" in first.reason


def test_what_nothing_on_offer_can_do_is_said():
    demand = Demand(kinds=(WORK, SEARCH), per_s=(0.1, 0.1), growth_per_day=1.05)
    only = Offer(name="cpu", resource=CPU, cost_per_hour=1.0)
    plan = plan_capacity(demand, [CPU], [only], horizon_days=10)
    assert plan.short_day == 0
    assert math.isinf(plan.peaks[0])
    device = Offer(name="qpu", resource=Resource(name="q", kind="qpu"), cost_per_hour=50.0, most=1)
    plan = plan_capacity(demand, [], [only, device], target=0.9, horizon_days=60)
    assert {one.offer for one in plan.additions[:2]} == {"cpu", "qpu"}
    assert 0 < plan.short_day < 60, "one device does not last"
    assert plan_capacity(Demand(kinds=(WORK,), per_s=(0.0,)), [], [], horizon_days=3).additions == ()


def test_plans_refuse_what_makes_no_sense():
    for fields in ({"per_s": (1.0, 2.0)}, {"per_s": (-1.0,)}, {"per_s": (math.nan,)}, {"growth_per_day": 0.0}):
        with pytest.raises(InvalidInput):
            Demand(**{"kinds": (WORK,), "per_s": (1.0,), **fields})
    for fields in ({"cost_per_hour": 0.0}, {"cost_per_hour": math.inf}, {"lead_days": -1}):
        with pytest.raises(InvalidInput):
            Offer(**{"name": "o", "resource": CPU, "cost_per_hour": 1.0, **fields})
    demand = Demand(kinds=(WORK,), per_s=(1.0,))
    for fields in ({"target": 0.0}, {"target": 1.1}, {"horizon_days": 0}, {"horizon_days": 10_000}):
        with pytest.raises(InvalidInput):
            plan_capacity(demand, [CPU], [], **fields)


DOCUMENT = {
    "kinds": [{"name": "work", "work": {"cpu": 1.0}}],
    "resources": [{"name": "a", "kind": "cpu"}, {"name": "b", "kind": "cpu", "default_speed": 2.0}],
    "operations": [{"kind": "work", "count": 30}, {"id": "last", "kind": "work", "deadline_s": 0.1}],
}


def document(**changes):
    return msgspec.json.decode(json.dumps({**DOCUMENT, **changes}), type=ProblemDocument)


def test_a_document_is_answered_with_matrix_order_and_certificate():
    view = answer_document(document())
    assert view.gap < 0.07
    assert sum(one.operations["work"] for one in view.given) == 31
    assert {one.resource for one in view.placed} == {"a", "b"}
    assert (view.late, view.hopeless) == (1, 1)
    assert [one.operation for one in view.placed if one.late] == ["last"]
    assert "operation-1-30" in {one.operation for one in view.placed}
    assert view.makespan_s == pytest.approx(max(one.done_s for one in view.placed))
    assert msgspec.json.decode(encode_json(view))["chosen"] == view.chosen


def test_documents_with_unknown_fields_or_doubled_ids_are_refused():
    with pytest.raises(msgspec.ValidationError, match="deadline"):
        document(operations=[{"kind": "work", "deadline": 3}])
    with pytest.raises(InvalidInput, match="same id"):
        answer_document(document(operations=[{"id": "x", "kind": "work"}, {"id": "x", "kind": "work"}]))
    with pytest.raises(InvalidInput, match="no solver"):
        answer_document(document(method="luck"))
    with pytest.raises(LimitExceeded):
        answer_document(document(operations=[{"kind": "work", "count": 60_000}] * 2))


def test_a_capacity_document_is_planned():
    asked = {
        "kinds": DOCUMENT["kinds"],
        "resources": DOCUMENT["resources"],
        "arrivals_per_s": {"work": 2.0},
        "growth_per_day": 1.01,
        "offers": [{"name": "one more", "resource": {"name": "x", "kind": "cpu"}, "cost_per_hour": 0.5}],
        "horizon_days": 40,
    }
    view = capacity_document(msgspec.json.decode(json.dumps(asked), type=CapacityDocument))
    assert view.short_day == -1
    assert view.additions[0].offer == "one more"
    assert len(view.peaks) == 40
    with pytest.raises(InvalidInput, match="no kind"):
        capacity_document(msgspec.json.decode(json.dumps({**asked, "arrivals_per_s": {"x": 1}}), type=CapacityDocument))
