"""Two parties with different bundles: one history, a split view, or nothing shown."""

import pytest

from phalanx.core import DEFAULT_TENANT, TenantId
from phalanx.ledger.evidence import Relation, compare, verify_bundle
from phalanx.ledger.witness import PrefixProof

pytestmark = pytest.mark.requirement("IRS-4")


async def export(office, tenant=DEFAULT_TENANT, case="host-1"):
    return verify_bundle(await office.evidence.export(tenant, case))


async def prefix(ledger, old, new):
    root, path = await ledger.prefix(old, new)
    steps = tuple(step.hex() for step in path)
    return PrefixProof(origin=ledger.origin, old=old, new=new, old_root=root.hex(), path=steps)


def both_ways(one, other, *proof):
    found = compare(one, other, *proof)
    assert compare(other, one, *proof).relation is found.relation
    return found


def test_bundles_under_one_checkpoint_are_of_one_history(on_office):
    async def main(office):
        await office.record(*range(12))
        mine, yours = await export(office), await export(office, TenantId("other"))
        assert both_ways(mine, yours).relation is Relation.ONE_HISTORY

    on_office(main)


def test_different_sizes_show_nothing_until_the_ledger_proves(on_office):
    async def main(office):
        await office.record(*range(7))
        early = await export(office)
        await office.record(*range(7, 16))
        late = await export(office)
        found = both_ways(early, late)
        assert found.relation is Relation.NOT_SHOWN
        assert "size 7 with size 16" in found.reason or "size 16 with size 7" in found.reason
        proof = await prefix(office.ledger, 7, 16)
        assert both_ways(early, late, proof).relation is Relation.ONE_HISTORY
        other = PrefixProof(origin=proof.origin, old=7, new=16, old_root=proof.old_root, path=proof.path[:-1])
        assert both_ways(early, late, other).relation is Relation.NOT_SHOWN

    on_office(main)


def test_two_keys_are_two_ledgers(on_office, signers):
    async def main(office):
        await office.record(*range(3))
        stranger = await type(office)(office.world, signers[1], signers[0], "stranger").open()
        await stranger.record(*range(3))
        assert both_ways(await export(office), await export(stranger)).relation is Relation.OTHER_LOG

    on_office(main)


@pytest.mark.parametrize("sizes", [(6, 6), (6, 9), (9, 6)])
def test_two_histories_under_one_key_are_a_split_view(on_office, signers, sizes):
    async def main(office):
        lie = await type(office)(office.world, *signers, "lie").open()
        await office.record(*range(sizes[0]))
        await lie.record(*range(3))
        await lie.record(*range(3, sizes[1]), body={"other": "history"})
        mine, yours = await export(office), await export(lie)
        found = both_ways(mine, yours)
        assert found.relation is Relation.SPLIT_VIEW
        # Leaves differ in every entry, for each ledger draws salts of its own.
        assert "size 6 has two roots" in found.reason or "entry 0 is two things" in found.reason

    on_office(main)


def test_a_proof_that_shows_another_root_shows_a_split_view(on_office, signers):
    async def main(office):
        lie = await type(office)(office.world, *signers, "lie").open()
        await office.record(*range(6))
        await lie.record(*range(9))
        mine, yours = await export(office), await export(lie, TenantId("other"))
        assert both_ways(mine, yours).relation is Relation.NOT_SHOWN
        found = both_ways(mine, yours, await prefix(lie.ledger, 6, 9))
        assert found.relation is Relation.SPLIT_VIEW
        assert "another root of size 6" in found.reason

    on_office(main)
