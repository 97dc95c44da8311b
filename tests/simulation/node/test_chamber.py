"""A node whose agents have to agree on what its policy approves."""

import json

import pytest

from phalanx.agents import AgentState, Role
from phalanx.consensus import CertificateRefused, EpochRefused, WrongContext, WrongEpoch, verify_document
from phalanx.consensus.votes import VOTE_KEYS, Root
from phalanx.consensus.votes._keys import VoteKeyRecord
from phalanx.core import DEFAULT_TENANT, Outcome, decode
from phalanx.demo import Intrusion, address_book, deliver
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld

SHORT = Intrusion(7, length_s=120.0, events_per_s=2.0)


def played(check, **response):
    async def main(world):
        settings = Settings.model_validate({"response": {"agreement": True, **response}})
        async with build_node(settings, world.ports("demo"), host_names=address_book()) as node:
            await deliver(SHORT, node, speed=0)
            return await check(node)

    return SimWorld(3).run(main)


@pytest.mark.requirement("CON-1", "CON-4")
@pytest.mark.parametrize("votes", ["ml-dsa", "wots"])
def test_an_approved_action_rests_on_an_agreement_that_can_be_verified_elsewhere(votes):
    async def check(node):
        decisions = await node.responses.decisions(DEFAULT_TENANT)
        approved = [one for one in decisions if one.outcome is Outcome.APPROVED]
        agreements = await node.agreements.list(DEFAULT_TENANT)
        actions = [found.entry.action for found in await node.ledger.entries(-1, 1_000)]
        assert approved
        assert {one.context_hash for one in approved} == {one.context for one in agreements}
        assert all("agents of epoch 1" in one.authority for one in approved)
        assert actions.count("fix epoch") == 1
        assert actions.count("agree") == len(agreements)
        document = await node.agreements.document(DEFAULT_TENANT, approved[0].context_hash)
        return document, approved[0], node.identities.node.chain.root.key_fingerprint

    document, decision, root = played(check, votes=votes)
    written = json.dumps(document).encode()
    proven = verify_document(written, context=bytes.fromhex(decision.context_hash), anchors={root})
    assert proven.agreement.option == "approve"
    assert proven.root == root
    assert "3 needed" in proven.in_words

    with pytest.raises(WrongContext):
        verify_document(written, context=bytes(32))
    with pytest.raises(WrongEpoch):
        verify_document(written, epoch=bytes(32))
    with pytest.raises(EpochRefused):
        verify_document(written, anchors={"0" * 64})
    changes = {"decision": "refuse", "view": 2, "voters": [], "epoch": document["epoch"][:-8], "form": "other"}
    for name, other in changes.items():
        with pytest.raises((CertificateRefused, EpochRefused)):
            verify_document({**document, name: other})
    question = {**document["question"], "context": "00" * 32}
    with pytest.raises(CertificateRefused):
        verify_document({**document, "question": question})


@pytest.mark.requirement("CON-2")
def test_an_agent_whose_heartbeats_stop_is_left_out_and_counts_on():
    async def main(world):
        settings = Settings.model_validate({"response": {"agreement": True}})
        async with build_node(settings, world.ports("demo"), host_names=address_book()) as node:
            silent = next(view.id for view in node.swarm.roster() if view.role is Role.ANALYST)
            beats = node.swarm._monitor.answer
            node.swarm._monitor.answer = lambda agent, *rest: agent.name == silent or beats(agent, *rest)
            while node.swarm.registry.view(silent).state is not AgentState.SUSPECT:
                await world.clock.sleep(0.1)
            await deliver(SHORT, node, speed=0)
            epoch = (await node.agreements.epochs())[0].decoded()
            assert [(one.name, one.reason, one.weight) for one in epoch.left_out] == [(silent, "unresponsive", 1)]
            agreement = (await node.agreements.list(DEFAULT_TENANT))[0]
            assert agreement.total == len(epoch.participants) + 1
            assert silent not in agreement.voters

    SimWorld(3).run(main)


def test_vote_keys_are_made_ahead_sealed_and_erased_when_they_are_done_with():
    async def main(world):
        settings = Settings.model_validate({"response": {"agreement": True, "votes": "wots"}})

        async def stored(node):
            rows = await node.store.scan(VOTE_KEYS, DEFAULT_TENANT)
            return {decode(row.value, VoteKeyRecord).root: decode(row.value, VoteKeyRecord) for row in rows}

        async with build_node(settings, world.ports("demo"), host_names=address_book()) as node:
            await world.clock.sleep(30)
            ahead = await stored(node)
            assert len(ahead) == 4
            assert {one.taken for one in ahead.values()} == {0}
            await deliver(SHORT, node, speed=0)
            epoch = (await node.agreements.epochs())[0].decoded()
            roots = {Root.from_bytes(one.root).root for one in epoch.participants}
            assert roots == set(ahead)
            await world.clock.sleep(30)
            now = await stored(node)
            # Those in use, with leaves taken for questions to come, and another one each.
            assert roots < set(now)
            assert len(now) == 8
            assert {one.taken >= 200 for root, one in now.items() if root in roots} == {True}
        async with build_node(settings, world.ports("demo"), host_names=address_book()) as node:
            await world.clock.sleep(30)
            again = await stored(node)
            assert len(again) == 4
            assert not set(again) & set(now)

    SimWorld(3).run(main)


def test_too_few_agents_leave_the_action_undecided():
    async def main(world):
        settings = Settings.model_validate({"response": {"agreement": True}, "agents": {"per_role": 2}})
        async with build_node(settings, world.ports("demo"), host_names=address_book()) as node:
            await deliver(SHORT, node, speed=0)
            decisions = await node.responses.decisions(DEFAULT_TENANT)
            undecided = [one for one in decisions if one.outcome is Outcome.INDETERMINATE]
            assert undecided
            assert not [one for one in decisions if one.outcome is Outcome.APPROVED]
            assert any("it takes 3" in reason for reason in undecided[0].reasons)

    SimWorld(3).run(main)
