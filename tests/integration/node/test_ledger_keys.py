"""What a node may sign its ledger with: a forbidden algorithm is said at the start, with what to do about it."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry, InvalidInput, derive_id
from phalanx.ledger.evidence import verify_bundle
from phalanx.node import Settings, audit_ledger, build_node, open_ports

pytestmark = [pytest.mark.requirement("CRY-1"), pytest.mark.requirement("IRS-4")]


def settings(folder, *, forbidden=(), **ledger):
    return Settings.model_validate({"node": {"data_dir": folder}, "crypto": {"forbidden": forbidden}, "ledger": ledger})


@pytest.mark.parametrize(
    ("forbidden", "remedy"),
    [
        ("Ed25519", "take Ed25519 out"),
        ("ML-DSA-44", "take ML-DSA-44 out"),
        ("SLH-DSA-SHA2-128s", "set ledger.anchor_with to another one"),
    ],
)
def test_a_node_does_not_start_with_a_key_that_the_policy_forbids(tmp_path, forbidden, remedy):
    async def start():
        wanted = settings(tmp_path, forbidden=[forbidden])
        async with open_ports(wanted) as ports, build_node(wanted, ports):
            pass  # a node that starts all the same is stopped at once

    with pytest.raises(InvalidInput, match=f"it names {forbidden}, which signs the ledger's") as refused:
        asyncio.run(start())
    assert refused.value.field == "crypto.forbidden"
    assert remedy in refused.value.hint


def test_what_was_signed_before_is_verified_and_nothing_more_is_signed(tmp_path):
    async def main():
        before, after = settings(tmp_path), settings(tmp_path, forbidden=["ML-DSA-44"])
        async with open_ports(before) as ports, build_node(before, ports) as node:
            await node.ledger.checkpoint()
        assert (await audit_ledger(after)).checkpoints

    asyncio.run(main())


def test_another_algorithm_for_anchors_is_announced_and_older_anchors_hold(tmp_path):
    async def anchor(settings, day):
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            key = ports.anchor_key()
            assert key.algorithm == settings.ledger.anchor_with
            assert ports.anchor_key().public == key.public
            await node.anchors.announce(key.public, node.ledger)
            seen = AuditEntry(
                id=derive_id(node.clock.wall_ns(), "seen", day), tenant=DEFAULT_TENANT, trace=NO_TRACE,
                at_ns=node.clock.wall_ns(), actor="a test", action="seen", subject=day, case="a case",
            )  # fmt: skip
            await node.ledger.record(seen)
            await node.anchors.sign(key, await node.ledger.checkpoint(), day)
            return await node.vouching.evidence.export(DEFAULT_TENANT, "a case")

    async def main():
        await anchor(settings(tmp_path), "2026-01-01")
        other = settings(tmp_path, forbidden=["SLH-DSA-SHA2-128s"], anchor_with="SLH-DSA-SHAKE-128s")
        anchors = verify_bundle(await anchor(other, "2026-01-02")).anchors
        assert [one.day for one in anchors] == ["2026-01-01", "2026-01-02"]
        assert len({one.key for one in anchors}) == len({one.announced for one in anchors}) == 2
        assert (await audit_ledger(other)).anchors == 2

    asyncio.run(main())
