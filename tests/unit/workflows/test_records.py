from phalanx.core import (
    DEFAULT_TENANT,
    Assessment,
    Contribution,
    Entity,
    TenantId,
    TraceId,
    Verdict,
    derive_id,
)
from phalanx.testing import SimWorld
from phalanx.workflows import ASSESSMENTS, Assessments, assessment_put

RUN_ID = "018cc251-f400-7000-8000-000000000001"
EVENT_ID = "018cc251-f400-7000-8000-000000000002"


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
