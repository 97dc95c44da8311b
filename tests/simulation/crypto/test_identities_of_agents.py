"""Agents of a node: seated from spares, ended with their set, and never used twice."""

import pytest

from phalanx.crypto import (
    ED25519_ML_DSA_65,
)
from phalanx.crypto.identity import (
    OutsideValidity,
    Revoked,
    Subject,
    SubjectKind,
    Use,
    Why,
    _seated,
    set_digest,
)

DAY_S = 86_400
KIM = Subject.parse("person:acme/kim")


@pytest.mark.requirement("AGT-5")
def test_agents_are_seated_from_spares_that_are_never_used_twice(site):
    async def scenario(site):
        identities = await site.open(algorithm=ED25519_ML_DSA_65, spares=3)
        seats = identities.seats
        await seats.spares.fill()
        assert seats.spares.ready == 3
        taken = [seats.seat(f"analyst-{n}.1") for n in range(5)]  # two of them made on the spot
        assert len({one.fingerprint for one in taken}) == len({str(one.subject) for one in taken}) == 5
        for one in taken:
            assert one.subject.kind is SubjectKind.AGENT
            await identities.verify(one.chain, use=Use.CHANNEL)
        await identities.upkeep.record()
        assert {one.record.subject for one in await identities.page(kind=SubjectKind.AGENT)} == {
            str(one.subject) for one in taken
        }
        revoked = taken[1]
        await identities.revoke(revoked.fingerprint, Why.KEY_COMPROMISED, actor="tester")
        assert [seats.admitted(f"analyst-{n}.1") for n in range(5)] == [True, False, True, True, True]
        assert not seats.admitted("nobody")
        seats.leave("analyst-1.1")
        await seats.spares.fill()
        assert seats.seat("analyst-1.2").fingerprint not in {one.fingerprint for one in taken}
        # Spares made under the node's earlier key are thrown away.
        await identities.rotate(identities.node.subject, actor="tester")
        fresh = seats.seat("analyst-9.1")
        assert fresh.chain.certificates[1].epoch == 2
        await identities.upkeep.turn()
        assert seats.identity("analyst-0.1").chain.certificates[1].epoch == 2
        assert seats.identity("analyst-0.1").fingerprint == taken[0].fingerprint

    site(scenario)


def test_a_revoked_node_takes_its_agents_with_it(site):
    async def scenario(site):
        identities = await site.open()
        identities.seats.seat("analyst-1.1")
        await identities.revoke(str(identities.node.subject), Why.KEY_COMPROMISED, actor="tester")
        assert not identities.seats.admitted("analyst-1.1")
        with pytest.raises(Revoked) as caught:
            await identities.verify(identities.seats.identity("analyst-1.1").chain, use=Use.SIGN)
        assert caught.value.link == 1

    site(scenario)


@pytest.mark.requirement("IRS-4", "ZTA-3")
def test_agents_of_an_earlier_start_are_ended_by_the_next_and_each_set_is_in_the_ledger(site):
    async def scenario(site):
        first = await site.open(spares=3)
        taken = [first.seats.seat(f"analyst-{n}.1") for n in range(3)]
        await first.upkeep.record()
        told = site.ledger.kept[-1]
        assert (told.action, told.subject, told.body["agents"]) == ("identity.agents-seated", "node:acme/hq", "3")
        leaves = [one.chain.leaf for one in taken]
        shown = [(leaf.serial, str(leaf.subject), leaf.key_fingerprint) for leaf in leaves]
        assert set_digest(shown) == set_digest(shown[::-1]) == told.body["digest"]
        assert set_digest(shown[1:]) != told.body["digest"]
        await first.verify(taken[0].chain, use=Use.SIGN)
        signed_ns = site.world.clock.wall_ns()

        await site.world.clock.sleep(60)
        second = await site.open(spares=3)
        assert await second.upkeep.end_earlier() == 3
        assert site.ledger.actions()[-1] == "identity.agents-ended"
        for one in taken:
            with pytest.raises(Revoked, match="started anew"):
                await second.verify(one.chain, use=Use.SIGN)
            await second.verify(one.chain, use=Use.SIGN, at_ns=signed_ns)  # what it signed in its time stands
        assert {one.state for one in await second.page(kind=SubjectKind.AGENT)} == {"superseded"}
        fresh = second.seats.seat("analyst-0.1")
        await second.verify(fresh.chain, use=Use.SIGN)
        assert await second.upkeep.end_earlier() == 0
        # Once they would have expired, nothing of it is carried on.
        await second.upkeep.record()
        await site.world.clock.sleep(2 * DAY_S)
        third = await site.open()
        assert await third.upkeep.end_earlier() == 0
        await site.person(third)
        await third.rotate(third.node.subject, actor="tester")
        await third.revoke(str(KIM), Why.CEASED, actor="tester")

    site(scenario)


def test_a_list_without_room_lets_the_rest_expire_and_keeps_room_for_people(site, monkeypatch):
    monkeypatch.setattr(_seated, "MAX_REVOCATIONS", 12)
    monkeypatch.setattr(_seated, "SPARED_REVOCATIONS", 10)

    async def scenario(site):
        first = await site.open()
        taken = [first.seats.seat(f"analyst-{n}.1") for n in range(3)]
        await first.upkeep.record()
        second = await site.open()
        assert await second.upkeep.end_earlier() == 2
        await site.world.clock.sleep(DAY_S)
        for one in taken:
            with pytest.raises((Revoked, OutsideValidity)):
                await second.verify(one.chain, use=Use.SIGN)

    site(scenario)


def test_a_spare_that_waited_too_long_is_not_handed_out(site):
    async def scenario(site):
        identities = await site.open(spares=2)
        await identities.seats.spares.fill()
        await site.world.clock.sleep(0.9 * DAY_S)
        seat = identities.seats.seat("analyst-1.1")
        assert seat.chain.leaf.not_after_ns - site.world.clock.wall_ns() > 0.9 * DAY_S * 10**9
        await identities.seats.spares.fill()
        assert identities.seats.spares.ready == 2
        assert identities.seats.spares.take().chain.leaf.not_after_ns == seat.chain.leaf.not_after_ns

    site(scenario)
