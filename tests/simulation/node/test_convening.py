"""How the agents of a node fix an epoch: who was not heard, who objects, and what is put on record."""

import pytest

from phalanx.consensus import (
    Epoch,
    EpochRefused,
    Heard,
    MlDsaVotes,
    Objection,
    Participant,
    TooFewParticipants,
    UnjustFilter,
    Wrong,
)
from phalanx.core import NS_PER_S
from phalanx.crypto.identity import Chain
from phalanx.node import Settings, build_node
from phalanx.node.council._convening import THE_NODE, Convening
from phalanx.testing import SimWorld


class Ears:
    """Everybody hears everybody, except as told: a listener and whom it does not hear."""

    def __init__(self, clock, names, deaf):
        self.clock = clock
        self.names = names
        self.deaf = deaf

    def by(self, listeners, /):
        now_ns = self.clock.wall_ns()
        silent = {listener: self.deaf.get(listener, self.deaf.get("*", ())) for listener in listeners}
        return {
            listener: {name: Heard(now_ns - 40 * NS_PER_S * (name in silent[listener])) for name in self.names}
            for listener in listeners
        }


def convened(check, *, n=7):
    """A node with ``n`` agents and what ``check(node, names, propose)`` makes of it."""

    async def main(world):
        settings = Settings.model_validate({"agents": {"per_role": 8}})
        async with build_node(settings, world.ports("node")) as node:
            await node.swarm.complete()
            agents = dict(node.identities.seats.agents()[:n])
            assert len(agents) == n
            roster = [Participant(name, one.fingerprint, MlDsaVotes.generate().root) for name, one in agents.items()]

            async def propose(deaf):
                convening = Convening(
                    node.identities, node.agreements, Ears(node.clock, list(agents), deaf),
                    clock=node.clock, offload=node.offload, alerts=node.alerts,
                )  # fmt: skip
                number = await node.agreements.next_number()
                return await convening.epoch(roster, agents, number=number, votes="ml-dsa")

            await check(node, list(agents), propose)

    SimWorld(3).run(main)


@pytest.mark.requirement("CON-2")
def test_an_agent_that_nobody_hears_is_left_out_objects_and_is_on_record():
    async def check(node, names, propose):
        epoch = await propose({"*": (names[2],)})
        assert [(one.name, one.reason, one.weight) for one in epoch.left_out] == [(names[2], "heartbeat too old", 1)]
        assert (len(epoch.participants), epoch.total) == (6, 7)
        record = await node.agreements.epoch(epoch.id.hex())
        assert (record.accepted, record.refused) == (6, "")
        (said,) = record.objections
        assert (said.member, said.about, said.wrong) == (names[2], names[2], Wrong.LEFT_OUT)
        # Anybody can check who said it, with what the record holds.
        statement = Objection.statement(Epoch.from_bytes(record.epoch), said.about, said.wrong)
        Chain.from_bytes(record.chains[said.member]).leaf.key.verify(statement, said.signature)
        entry = (await node.ledger.entries(-1, 1_000))[-1].entry
        assert entry.action == "fix epoch"

    convened(check)


@pytest.mark.requirement("CON-2")
def test_a_node_that_filters_out_whom_others_hear_gets_no_epoch_and_is_told_on():
    async def check(node, names, propose):
        with pytest.raises(UnjustFilter) as caught:
            await propose({THE_NODE: (names[1],)})
        assert caught.value.about == (names[1],)
        (record,) = await node.agreements.epochs()
        assert "object" in record.refused
        assert {one.member for one in record.objections} == set(names)
        assert set(record.chains) == set(names)
        told = [one.entry for one in await node.ledger.entries(-1, 1_000)]
        assert told[-1].action == "refuse epoch"
        # It takes a number of its own, and the next one can be fixed.
        assert (await propose({})).number == record.number + 1
        assert [one.refused != "" for one in await node.agreements.newest_epochs(limit=5)] == [False, True]

    convened(check)


@pytest.mark.requirement("CON-2")
def test_too_much_silence_stops_epochs_and_never_makes_a_smaller_quorum():
    async def check(node, names, propose):
        with pytest.raises(EpochRefused, match="two thirds"):
            await propose({"*": names[:3]})
        with pytest.raises(TooFewParticipants):
            await propose({"*": names[:5]})
        assert await node.agreements.epochs() == []

    convened(check)
