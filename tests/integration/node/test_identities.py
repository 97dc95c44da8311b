"""Identities in a whole node: keys sealed in the store, agents attested, a revoked one out of the swarm at once."""

import asyncio

import pytest

from phalanx.agents import AgentState
from phalanx.core import TenantId
from phalanx.crypto.identity import Use, Why
from phalanx.node import Settings, build_node, open_ports


def in_node(folder, work, **identity):
    async def main():
        settings = Settings.model_validate({"node": {"data_dir": folder, "drain_s": 0}, "identity": identity})
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            return await work(node)

    return asyncio.run(main())


@pytest.mark.requirement("AGT-5", "CRY-2")
def test_every_agent_has_an_identity_that_leads_to_the_organisation(tmp_path):
    async def work(node):
        views = node.swarm.roster()
        n_roles = len({view.role for view in views})
        assert len({view.identity for view in views}) == len(views) == node.settings.agents.per_role * n_roles
        for view in views:
            identity = node.identities.seats.identity(view.id)
            assert identity.fingerprint == view.identity
            verified = await node.identities.verify(identity.chain, use=Use.SIGN)
            assert [link.subject.kind.value for link in verified.links] == ["agent", "node", "organisation"]
            assert verified.subject.name.startswith("acme/phalanx/")
        return node.identities.node.fingerprint

    first = in_node(tmp_path, work, organisation="acme")
    assert in_node(tmp_path, work, organisation="acme") == first


@pytest.mark.requirement("AGT-5", "ZTA-3")
def test_a_revoked_agent_is_out_of_the_swarm_when_the_call_returns(tmp_path):
    async def work(node):
        victim = node.swarm.roster()[1]
        await node.identities.revoke(victim.identity, Why.KEY_COMPROMISED, actor="tester", note="seen elsewhere")
        seat = node.swarm.roster()[1]
        assert seat.identity != victim.identity or seat.state is AgentState.BARRED
        await node.clock.sleep(0.05)
        seat = node.swarm.roster()[1]
        assert (seat.id, seat.state) == (victim.id.replace("-2.1", "-2.2"), AgentState.IDLE)
        assert seat.identity != victim.identity
        told = [found.entry for found in await node.ledger.entries(-1, 50)]
        told = [entry for entry in told if entry.action.startswith("identity.")]
        assert [entry.action for entry in told[:3]] == ["identity.made", "identity.made", "identity.agents-seated"]
        (revoked,) = [entry for entry in told if entry.action == "identity.revoked"]
        assert revoked.body["why"] == "key-compromised"

    in_node(tmp_path, work)


def test_private_keys_lie_sealed(tmp_path):
    from phalanx.node.custody._identities import SealedKeys

    async def work(node):
        secret = node.identities.node.key.seed
        rows = await node.store.scan(*_keys())
        assert len(rows) == 2
        assert all(secret[:32] not in row.value for row in rows)
        keys = SealedKeys(node.store, await node.vault.sealer(_keys()[1], "identity-keys"))
        assert secret[:32] in await keys.load(node.identities.node.fingerprint)

    def _keys():
        from phalanx.node.custody._identities import _KEYS

        return _KEYS, TenantId("node:identities")

    in_node(tmp_path, work)


@pytest.mark.requirement("CRY-1")
def test_a_setting_migrates_the_node_to_another_algorithm(tmp_path):
    async def first(node):
        return node.identities.node.fingerprint

    async def then(node):
        while node.identities.node.key.algorithm != "ML-DSA-65" or node.identities.root.key.algorithm != "ML-DSA-65":
            await node.clock.sleep(0.01)
        leaf = node.identities.node.chain.leaf
        while leaf.body.signature_algorithm != "ML-DSA-65":
            await node.clock.sleep(0.01)
            leaf = node.identities.node.chain.leaf
        await node.identities.verify(node.identities.node.chain, use=Use.CHANNEL)
        return leaf.epoch, leaf.key_fingerprint

    before = in_node(tmp_path, first)
    epoch, after = in_node(tmp_path, then, algorithm="ML-DSA-65")
    assert epoch == 2
    assert after != before
