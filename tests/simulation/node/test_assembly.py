"""The nodes of a cluster as one council: a common epoch, decisions across nodes, losses, liars and other rosters."""

import contextlib
import dataclasses
import hashlib
import json

import msgspec
import pytest

from phalanx.consensus import (
    COMMIT,
    EQUIVOCATION,
    PREPARE,
    Absence,
    EpochRefused,
    Evidence,
    Instance,
    Question,
    Vote,
    Wrong,
    contradiction,
    verify_document,
)
from phalanx.core import DEFAULT_TENANT, NS_PER_S, Entity, InvalidInput, Outcome, TraceId, derive_id
from phalanx.incidents import ISOLATE_HOST, ActionProposal, ContainmentPolicy, proposal_bytes
from phalanx.node import Settings, build_node
from phalanx.node._limits import TOLD_AGAIN_S
from phalanx.node.cluster._assembly_words import Call, Caught, Draft, Pong, Voice
from phalanx.testing import ROUGH_NETWORK, Faults, SimWorld

NAMES = ("hq", "lab-1", "lab-2", "lab-3")
PROCESSES = tuple(f"{name}.org-{name}" for name in NAMES)
EVERYBODY = frozenset(PROCESSES)


class Line:
    """A place to meet, without a server: everybody hears whoever says that it is here."""

    serves, urls = False, ()

    def __init__(self, world, lines):
        self.world, self.lines = world, lines

    async def open(self, address, _, heard):
        self.address, self.heard = address, heard
        self.lines.append(self)
        return (self.world.transport(address),)

    def states(self):
        return [("primary", True, "simulated")]

    def crew_line(self, _):
        """Nobody else works for these nodes."""

    def here(self, note):
        for line in self.lines:
            line.heard(self.address, note)

    async def close(self):
        self.lines.remove(self)


class Nodes:
    """Whole nodes that trust each other's organisations."""

    def __init__(self, world, stack):
        self.world, self.stack = world, stack
        self.lines, self.all, self.running = [], [], {}

    async def start(self, name, **response):
        settings = Settings.model_validate(
            {
                "node": {"name": name}, "identity": {"organisation": f"org-{name}"}, "agents": {"per_role": 1},
                "response": {"agreement": True, "council": "nodes", **response},
            }
        )  # fmt: skip
        ports = dataclasses.replace(self.world.ports(name), cluster=Line(self.world, self.lines))
        self.running[name] = await self.stack.enter_async_context(contextlib.AsyncExitStack())
        node = await self.running[name].enter_async_context(build_node(settings, ports))
        root = (await node.identities.chain(str(node.identities.names.root_subject))).root
        for other in self.all:
            theirs = (await other.identities.chain(str(other.identities.names.root_subject))).root
            await node.identities.trust(theirs, actor="test")
            await other.identities.trust(root, actor="test")
        self.all.append(node)
        return node

    async def until(self, holds):
        for _ in range(1_000):
            if holds():
                return
            await self.world.clock.sleep(0.1)
        raise AssertionError("it never came to that")


def sits_with_everybody(node):
    return any(sitting.names == EVERYBODY for sitting in node.assembly._sittings.values())


def assembled(check, *, seed=5, faults=None, **response):
    """Four nodes that sit in one epoch, and what ``check`` makes of them."""

    async def main(world):
        async with contextlib.AsyncExitStack() as stack:
            nodes = Nodes(world, stack)
            for name in NAMES:
                await nodes.start(name, **response.get(name, {}))
            await nodes.until(lambda: all(sits_with_everybody(one) for one in nodes.all))
            await check(nodes)

    SimWorld(seed, faults=faults or Faults()).run(main)


def proposal(node, n, host="ws-7"):
    at_ns = node.clock.wall_ns()
    return ActionProposal(
        id=derive_id(at_ns, "proposal", host, str(n)), tenant=DEFAULT_TENANT, trace=TraceId(f"trace-{n}"),
        at_ns=at_ns, case=f"{host}@{n}", assessment=f"assessment-{n}", action=ISOLATE_HOST,
        target=Entity("host", host), probability=0.9, blast_radius=1, reason="seen",
        evidence_at_ns=at_ns,
    )  # fmt: skip


async def asked(node, n, host="ws-7"):
    """What came of a proposal, and the proposal's hash."""
    made = proposal(node, n, host)
    ruling = ContainmentPolicy().rule(made, hosts_this_hour=0, now_ns=made.at_ns)
    approved = await node.assembly.approve(made, lambda: ruling)
    return approved, hashlib.sha256(proposal_bytes(made)).hexdigest()


@pytest.mark.requirement("CON-1", "CON-2", "CON-4")
def test_nodes_fix_one_epoch_and_each_can_prove_what_they_decided():
    async def check(nodes):
        for n, node in enumerate(nodes.all):
            approved, context = await asked(node, n)
            assert (approved.outcome, approved.authority) == (Outcome.APPROVED, "nodes of epoch 1")
            for other in nodes.all:
                while not await _knows(other, context):
                    await nodes.world.clock.sleep(0.1)
                written = json.dumps(await other.agreements.document(DEFAULT_TENANT, context)).encode()
                root = nodes.all[0].identities.root.fingerprint
                proven = verify_document(written, context=bytes.fromhex(context), anchors={root})
                assert proven.agreement.option == "approve"
                assert proven.agreement.certificate.phase == COMMIT
                assert proven.fixed_by == "node:org-hq/hq"
        state = nodes.all[2].assembly.state()
        assert (state.roster, state.present, state.epoch.number) == (EVERYBODY, EVERYBODY, 1)
        epochs = {one.digest for node in nodes.all for one in await node.agreements.epochs()}
        assert len(epochs) == 1
        (record,) = await nodes.all[3].agreements.epochs()
        assert (record.accepted, record.refused, record.objections) == (4, "", ())
        actions = [one.entry.action for one in await nodes.all[3].ledger.entries(-1, 1_000)]
        assert actions.count("fix epoch") == 1
        assert actions.count("agree") == 4

    assembled(check)


@pytest.mark.requirement("CON-2", "CON-3")
def test_one_node_of_four_may_be_lost_is_left_out_after_a_while_and_comes_back():
    async def check(nodes):
        rest = nodes.all[:3]
        nodes.world.network.partition(PROCESSES[:3], PROCESSES[3:])
        for n in range(3):
            approved, _ = await asked(nodes.all[n], n)
            assert (approved.outcome, approved.authority) == (Outcome.APPROVED, "nodes of epoch 1")
        # Alone it decides nothing, and takes that for no refusal.
        alone, _ = await asked(nodes.all[3], 9)
        assert alone.outcome is Outcome.INDETERMINATE
        await nodes.until(lambda: all(one.assembly.present == EVERYBODY - {PROCESSES[3]} for one in rest))
        approved, _ = await asked(nodes.all[1], 4)
        assert approved.outcome is Outcome.APPROVED
        record = (await nodes.all[2].agreements.newest_epochs(limit=1))[0]
        epoch = record.decoded()
        assert [(one.name, one.reason, one.weight) for one in epoch.left_out] == [
            (PROCESSES[3], Absence.STALE.value, 1)
        ]
        assert (epoch.total, record.accepted, record.objections) == (4, 3, ())
        # Two lost are one too many: a quorum is of the roster, not of those who are left.
        nodes.world.network.partition(PROCESSES[:2], PROCESSES[2:3])
        few, _ = await asked(nodes.all[0], 5)
        assert few.outcome is Outcome.INDETERMINATE
        nodes.world.network.heal()
        await nodes.until(lambda: all(one.assembly.present == EVERYBODY for one in nodes.all))
        approved, _ = await asked(nodes.all[3], 6)
        assert approved.outcome is Outcome.APPROVED

    assembled(check)


@pytest.mark.requirement("CON-3")
@pytest.mark.parametrize("seed", range(3))
def test_over_a_rough_network_nodes_agree_and_never_differ(seed):
    async def check(nodes):
        rng, approved = nodes.world.rng.child("askers"), 0
        for n in range(6):
            outcome, context = await asked(rng.choice(nodes.all), n)
            approved += outcome.outcome is Outcome.APPROVED
            found = [await node.agreements.list(DEFAULT_TENANT) for node in nodes.all]
            options = {(one.slot, one.decision) for ones in found for one in ones if one.context == context}
            assert len(options) == len({slot for slot, _ in options})
        assert approved >= 4

    assembled(check, seed=seed, faults=Faults(network=ROUGH_NETWORK))


@pytest.mark.requirement("CON-2")
def test_a_node_that_filters_out_an_honest_one_is_told_on_by_signatures():
    async def check(nodes):
        liar, victim = nodes.all[1], PROCESSES[3]
        heard = liar.assembly._mail.heard
        liar.assembly._mail.heard = lambda: {name: one for name, one in heard().items() if name != victim}
        with pytest.raises(EpochRefused, match=victim):
            await liar.assembly._fixed()
        (record,) = [one for one in await liar.agreements.epochs() if one.refused]
        told = {(one.member, one.about, one.wrong) for one in record.objections}
        assert {(name, victim, Wrong.LEFT_OUT) for name in (PROCESSES[0], PROCESSES[2], victim)} <= told
        assert set(record.chains) == {one.member for one in record.objections}
        assert all(len(one.assembly._sittings) == 1 for one in nodes.all)
        # It is proposed again and again; people are told once.
        with pytest.raises(EpochRefused, match=victim):
            await liar.assembly._fixed()
        assert len([one for one in await liar.agreements.epochs() if one.refused]) == 2
        assert [one.text for one in liar.alerts.recent()].count("nodes do not accept an epoch") == 1
        reason, at_ns = liar.assembly._epochs._told
        liar.assembly._epochs._told = reason, at_ns - int(TOLD_AGAIN_S * NS_PER_S)
        with pytest.raises(EpochRefused, match=victim):
            await liar.assembly._fixed()
        assert [one.text for one in liar.alerts.recent()].count("nodes do not accept an epoch") == 2

    assembled(check)


@pytest.mark.requirement("CON-2")
def test_nobody_speaks_with_anothers_voice():
    async def check(nodes):
        liar, other = nodes.all[0].assembly, nodes.all[2].assembly
        voices = [await liar._epochs.voice(PROCESSES[0])]
        voices += (await liar._mail.ask_all(EVERYBODY, Call(), 1.0, Voice)).values()
        mine, theirs = voices[0], next(one for one in voices if one.participant.name == PROCESSES[3])
        stolen = msgspec.structs.replace(
            theirs, participant=msgspec.structs.replace(theirs.participant, root=mine.participant.root[::-1])
        )
        false = [stolen if one is theirs else one for one in voices]
        honest, shown = await liar._epochs.proposed(EVERYBODY, voices, liar._mail.heard())
        epoch = msgspec.structs.replace(
            honest, participants=tuple(one.participant for one in sorted(false, key=lambda one: one.participant.name))
        )
        said = await other._review(PROCESSES[0], Draft(epoch.to_bytes(), tuple(false)))
        assert [(one.about, one.wrong) for one in said.objections] == [(PROCESSES[3], Wrong.TAKEN_IN)]
        # Whose it is sees at once that it never offered that; a later time and another's name are refused as well.
        refused = await nodes.all[3].assembly._review(PROCESSES[0], Draft(epoch.to_bytes(), tuple(false)))
        assert "that it did not offer" in refused.refused
        late = msgspec.structs.replace(honest, at_ns=honest.at_ns + 60_000_000_000)
        assert "its time is 60 s" in (await other._review(PROCESSES[0], Draft(late.to_bytes(), shown.voices))).refused
        assert "in the name of" in (await other._review(PROCESSES[1], shown)).refused
        fewer = msgspec.structs.replace(honest, participants=honest.participants[:3])
        answer = await other._review(PROCESSES[0], Draft(fewer.to_bytes(), shown.voices[:3]))
        assert "another roster, which differs in lab-3.org-lab-3" in answer.refused
        assert (await other._review(PROCESSES[0], shown)).acceptance

    assembled(check)


@pytest.mark.requirement("CON-5")
def test_evidence_against_a_node_convicts_it_everywhere_and_made_up_evidence_nowhere():
    async def check(nodes):
        (sitting,) = nodes.all[3].assembly._sittings.values()
        instance = Instance(sitting.epoch, Question(("approve", "refuse"), bytes(32)))
        place = sitting.epoch.places[PROCESSES[3]]
        signer = nodes.all[3].assembly._epochs.signer(PROCESSES[0], sitting.epoch)
        votes = [
            Vote(instance.slot, place, 1, PREPARE, option, signer.sign(instance.vote_statement(1, PREPARE, option)))
            for option in (0, 1)
        ]
        forged = Evidence(
            culprit=place, kind=EQUIVOCATION,
            statements=(votes[0], msgspec.structs.replace(votes[1], signature=votes[0].signature)),
        )  # fmt: skip
        shown = [Caught(sitting.epoch.id, instance.question, one.to_bytes()) for one in (forged, contradiction(*votes))]
        mail = nodes.all[1].assembly._mail
        assert await mail.ask_all(EVERYBODY, shown[0], 1.0, Pong) == {}
        assert not any(one.assembly._epochs.convicted for one in nodes.all)
        # Told to one of them, all know of it.
        assert await mail.ask(PROCESSES[0], shown[1], 5.0, Pong) is not None
        await nodes.until(lambda: all(one.assembly._epochs.convicted == {PROCESSES[3]} for one in nodes.all[:3]))
        approved, _ = await asked(nodes.all[0], 1)
        assert approved.outcome is Outcome.APPROVED
        epoch = (await nodes.all[2].agreements.newest_epochs(limit=1))[0].decoded()
        assert [(one.name, one.reason, one.weight) for one in epoch.left_out] == [
            (PROCESSES[3], Absence.CONVICTED.value, 0)
        ]
        for node in nodes.all[:3]:
            (found,) = await node.agreements.misbehaviour(DEFAULT_TENANT)
            assert found.culprit == PROCESSES[3]

    assembled(check)


@pytest.mark.requirement("CON-5")
def test_a_node_that_starts_again_is_somebody_new_and_takes_part_again():
    async def check(nodes):
        await nodes.running["lab-3"].aclose()
        nodes.all.pop()
        await nodes.start("lab-3")
        fixed_anew = lambda: all(  # noqa: E731 - said once
            any(epoch.epoch.number == 2 for epoch in one.assembly._sittings.values()) for one in nodes.all
        )
        await nodes.until(fixed_anew)
        approved, _ = await asked(nodes.all[3], 1)
        assert (approved.outcome, approved.authority) == (Outcome.APPROVED, "nodes of epoch 2")

    assembled(check)


@pytest.mark.requirement("CON-1")
def test_each_node_judges_by_its_own_policy():
    async def check(nodes):
        # The host of one of them is its own to protect; three others are enough all the same.
        approved, _ = await asked(nodes.all[0], 1, "lab-1")
        assert approved.outcome is Outcome.APPROVED
        # Two that protect the host leave no quorum either way.
        undecided, _ = await asked(nodes.all[0], 2, "vault-9")
        assert undecided.outcome is Outcome.INDETERMINATE
        assert "a person must decide" in undecided.reasons[0]

    protects = {"protected_hosts": ["vault-*"]}
    assembled(check, **{"lab-2": protects, "lab-3": protects})


@pytest.mark.requirement("CON-1")
def test_what_others_had_approved_counts_towards_the_blast_radius():
    async def check(nodes):
        outcomes = []
        for n in range(3):
            # What this node itself had approved is in its responses, which are not asked here: the others say no.
            approved, context = await asked(nodes.all[0], n, f"ws-{n}")
            outcomes.append(approved.outcome)
            while not all([await _knows(other, context) for other in nodes.all]):
                await nodes.world.clock.sleep(0.1)
        assert outcomes == [Outcome.APPROVED, Outcome.APPROVED, Outcome.REFUSED]

    two = {"max_hosts": 2}
    assembled(check, **dict.fromkeys(NAMES, two))


async def _knows(node, context):
    return any(one.context == context for one in await node.agreements.list(DEFAULT_TENANT))


def test_nodes_cannot_agree_where_there_is_no_cluster():
    async def main(world):
        settings = Settings.model_validate({"response": {"agreement": True, "council": "nodes"}})
        with pytest.raises(InvalidInput) as refused:
            async with build_node(settings, world.ports("alone")):
                pass
        assert refused.value.field == "response.council"
        assert "--join" in refused.value.hint

    SimWorld(1).run(main)
