import json

import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    Assessment,
    Contribution,
    Entity,
    Origin,
    Provenance,
    TenantId,
    TraceId,
    UnknownField,
    Verdict,
    decode,
    decode_json,
    derive_id,
    encode,
    encode_json,
)
from phalanx.testing import SimWorld
from phalanx.workflows import ASSESSMENTS, Assessments, Run, StepKind, StepResult, assessment_put

RUN_ID = "018cc251-f400-7000-8000-000000000001"
EVENT_ID = "018cc251-f400-7000-8000-000000000002"

RUN = Run(
    id=RUN_ID, tenant=DEFAULT_TENANT, trace=TraceId(EVENT_ID), at_ns=5, template="incident-triage", shape="ab12",
    inputs={"case": "host:web-1"}, seed=7,
)  # fmt: skip
RUN_JSON = {
    "kind": "run", "v": 1, "id": RUN_ID, "tenant": "default", "trace": EVENT_ID, "at_ns": 5,
    "template": "incident-triage", "shape": "ab12", "inputs": {"case": "host:web-1"}, "seed": 7,
}  # fmt: skip
RESULT = StepResult(
    id=RUN_ID, tenant=DEFAULT_TENANT, trace=TraceId(EVENT_ID), at_ns=9, run=RUN_ID, step="estimate",
    step_kind=StepKind.QUANTUM, output={"estimate": 0.5}, started_ns=8, finished_ns=9, degraded="",
    provenance=(
        Provenance(origin=Origin.SIMULATED, device="local.statevector", circuits=("c0",), shots=48, seed=3),
    ),
)  # fmt: skip
RESULT_JSON = {
    "kind": "step-result", "v": 1, "id": RUN_ID, "tenant": "default", "trace": EVENT_ID, "at_ns": 9, "run": RUN_ID,
    "step": "estimate", "step_kind": "quantum", "output": {"estimate": 0.5}, "started_ns": 8, "finished_ns": 9,
    "degraded": "",
    "provenance": [
        {"origin": "simulated", "device": "local.statevector", "circuits": ["c0"], "shots": 48, "seed": 3,
         "mitigation": "", "calibrated_at_ns": None, "baselines": []}
    ],
}  # fmt: skip


@pytest.mark.parametrize(("record", "golden"), [(RUN, RUN_JSON), (RESULT, RESULT_JSON)], ids=["run", "step-result"])
def test_wire_form(record, golden):
    assert json.loads(encode_json(record)) == golden
    assert decode_json(json.dumps(golden).encode(), type(record)) == record
    assert decode(encode(record), type(record)) == record
    with pytest.raises(UnknownField):
        decode_json(json.dumps(golden | {"extra": 1}).encode(), type(record))


def assessment(n, case, *, tenant=DEFAULT_TENANT):
    return Assessment(
        id=derive_id(n * 10**9, "assessment", case), tenant=tenant, trace=TraceId(EVENT_ID), at_ns=n, case=case,
        finding=f"finding-{n}", run=RUN_ID, subject=Entity("host", case), verdict=Verdict.SUSPICIOUS, probability=0.5,
        interval=(0.4, 0.6), confidence=0.9, provenance=(),
        contributions=(Contribution(step="estimate", summary="half", value=0.5),),
    )  # fmt: skip


def test_assessments_are_read_by_id_in_order_and_by_case():
    first, second, third = assessment(1, "a"), assessment(2, "b"), assessment(3, "a")
    foreign = assessment(4, "a", tenant=TenantId("other"))

    async def main(world):
        store = world.store("node")
        await store.commit([assessment_put(one) for one in (third, foreign, first, second)])
        reader = Assessments(store)
        assert await reader.get(DEFAULT_TENANT, second.id) == second
        assert await reader.get(DEFAULT_TENANT, foreign.id) is None
        assert await reader.list(DEFAULT_TENANT) == [first, second, third]
        assert await reader.list(DEFAULT_TENANT, after=first.id, limit=1) == [second]
        assert await reader.list(DEFAULT_TENANT, case="a") == [first, third]
        for index, value in [("finding", "finding-2"), ("trace", EVENT_ID)]:
            found = [row.key for row in await store.find(ASSESSMENTS, DEFAULT_TENANT, index, value)]
            assert second.id in found

    SimWorld(1).run(main)
