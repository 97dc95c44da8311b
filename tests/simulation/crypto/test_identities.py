"""A node's identities over its life: starts, rotations, lost keys, crashes."""

import asyncio
import dataclasses

import pytest

from phalanx.core import InvalidInput, StorageFull, Unavailable
from phalanx.crypto import (
    ED25519,
    ED25519_ML_DSA_65,
    ML_DSA_44,
    AlgorithmForbidden,
    CryptoPolicy,
    SigningKey,
)
from phalanx.crypto.identity import (
    Chain,
    EpochPassed,
    KeyRequest,
    Revoked,
    Subject,
    SubjectKind,
    Use,
    Why,
    require_signature,
)
from phalanx.testing import SimWorld

DAY_S = 86_400
KIM = Subject.parse("person:acme/kim")


MADE = ["identity.made", "identity.made"]


@pytest.mark.requirement("CRY-2")
def test_a_node_makes_its_root_and_itself_once_and_finds_them_again(site):
    async def scenario(site):
        first = await site.open(algorithm=ED25519_ML_DSA_65)
        assert str(first.node.subject) == "node:acme/hq"
        verified = await first.verify(first.node.chain, use=Use.CHANNEL)
        require_signature(verified, b"m", first.node.sign(b"m", purpose="p"), purpose="p")
        again = await site.open(algorithm=ED25519_ML_DSA_65)
        assert (again.node.fingerprint, again.root.fingerprint) == (first.node.fingerprint, first.root.fingerprint)
        assert len(site.keys.names) == 2
        assert site.ledger.actions() == MADE

    site(scenario)


def test_nobody_is_certified_for_a_key_that_he_has_not(site):
    async def scenario(site):
        identities = await site.open()
        key, other = SigningKey.generate(ED25519), SigningKey.generate(ED25519)
        mine, theirs = KeyRequest.make(KIM, key), KeyRequest.make(KIM, other)
        stolen = dataclasses.replace(mine, key=other.public)
        renamed = dataclasses.replace(mine, subject=Subject.parse("person:acme/ada"))
        for request in (stolen, renamed, dataclasses.replace(theirs, signature=mine.signature)):
            with pytest.raises(InvalidInput, match="does not prove"):
                await identities.issue(request, actor="tester")
        await identities.issue(KeyRequest.from_bytes(mine.to_bytes()), actor="tester")
        with pytest.raises(InvalidInput, match="does not prove"):
            await identities.rotate(KIM, actor="tester", request=stolen)
        with pytest.raises(InvalidInput, match="it is for person:acme/kim"):
            await identities.rotate(Subject.parse("person:acme/ada"), actor="tester", request=theirs)
        assert (await identities.get(str(KIM))).record.key == key.public.fingerprint

    site(scenario)


@pytest.mark.requirement("CRY-2")
def test_a_rotation_hands_over_and_old_signatures_stay_good_for_their_time(site):
    async def scenario(site):
        identities = await site.open()
        before, signed = identities.node, identities.node.sign(b"m", purpose="p")
        then_ns = site.world.clock.wall_ns()
        await site.world.clock.sleep(10)
        chain = await identities.rotate(before.subject, actor="tester", algorithm=ML_DSA_44)
        assert (chain.leaf.epoch, chain.leaf.key.algorithm) == (2, ML_DSA_44)
        chain.leaf.require_successor_of(before.chain.leaf)
        assert identities.node.fingerprint == chain.leaf.key_fingerprint
        assert before.fingerprint not in site.keys.names
        # Within the grace the old key still counts, then only for what it signed before.
        await identities.verify(before.chain, use=Use.SIGN)
        await site.world.clock.sleep(3_601)
        with pytest.raises((Revoked, EpochPassed)):
            await identities.verify(before.chain, use=Use.SIGN)
        old = await identities.verify(before.chain, use=Use.SIGN, at_ns=then_ns)
        require_signature(old, b"m", signed, purpose="p")
        await identities.verify(chain, use=Use.SIGN)
        assert (await site.open(algorithm=ML_DSA_44)).node.fingerprint == chain.leaf.key_fingerprint
        assert (await identities.get(before.chain.leaf.serial)).state == "superseded"

    site(scenario)


@pytest.mark.requirement("CRY-1", "CRY-2")
def test_another_algorithm_in_the_settings_migrates_everything_and_may_be_cut_off(site):
    async def scenario(site):
        identities = await site.open()
        keys = {name: await site.person(identities, name) for name in ("ada", "bob", "cyd")}
        old_root = identities.root.chain
        moved = await site.open(algorithm=ML_DSA_44)
        assert moved.node.key.algorithm == ED25519
        await moved.upkeep.renew()  # and the process ends here
        moved = await site.open(algorithm=ML_DSA_44)
        assert (moved.root.key.algorithm, moved.node.key.algorithm) == (ML_DSA_44, ML_DSA_44)
        seen = []

        async def go_on(progress):
            seen.append((progress.done, progress.total))
            return True

        progress = await moved.upkeep.reissue(go_on)
        assert (progress.done, progress.total) == (4, 4)
        assert seen == [(1, 4), (4, 4)]
        for name, (key, before) in keys.items():
            chain = await moved.chain(f"person:acme/{name}")
            assert chain.leaf.key == key.public
            assert chain.leaf.serial != before.leaf.serial
            assert chain.leaf.body.signature_algorithm == ML_DSA_44
            await moved.verify(chain, use=Use.SIGN)
        assert (await moved.upkeep.reissue()).done == 4
        # The new root is followed from the old one by whoever trusted that.
        assert Chain.from_bytes(moved.root.chain.to_bytes()).succession == (old_root.leaf,)
        await site.world.clock.sleep(3_601)
        with pytest.raises((Revoked, EpochPassed)):
            await moved.verify(keys["ada"][1], use=Use.SIGN)

    site(scenario)


def test_what_the_node_owns_is_renewed_before_it_expires(site):
    async def scenario(site):
        identities = await site.open(spares=2)
        service = asyncio.ensure_future(identities.upkeep.run())
        identities.seats.seat("analyst-1.1")
        epochs = set()
        for _ in range(40):
            await site.world.clock.sleep(5 * DAY_S)
            epochs.add(identities.node.chain.leaf.epoch)
            await identities.verify(identities.node.chain, use=Use.CHANNEL)
            assert identities.seats.admitted("analyst-1.1")
            await identities.verify(identities.seats.identity("analyst-1.1").chain, use=Use.SIGN)
        service.cancel()
        assert epochs >= {1, 2, 3}
        assert identities.seats.identity("analyst-1.1").chain.leaf.epoch > 10

    site(scenario)


def test_a_lost_key_is_replaced_as_far_as_that_can_be(site):
    async def scenario(site):
        identities = await site.open()
        await site.keys.erase(identities.node.fingerprint)
        again = await site.open()
        assert again.node.chain.leaf.epoch == 2
        assert site.ledger.actions() == [*MADE, "identity.key-lost"]
        assert again.node.chain.leaf.succession is None
        await again.verify(again.node.chain, use=Use.CHANNEL)
        with pytest.raises((Revoked, EpochPassed)):
            await again.verify(identities.node.chain, use=Use.CHANNEL)
        await site.keys.erase(identities.root.fingerprint)
        rootless = await site.open()
        assert rootless.root is None
        with pytest.raises(Unavailable, match="organisation:acme"):
            await site.person(rootless)
        rootless.seats.seat("analyst-1.1")  # agents lie beneath the node
        assert rootless.seats.admitted("analyst-1.1")
        await site.keys.erase(rootless.node.fingerprint)
        with pytest.raises(Unavailable, match="neither"):
            await site.open()

    site(scenario)


def test_the_ledger_hears_of_everything_even_when_it_was_full(site):
    async def scenario(site):
        identities = await site.open()
        await site.person(identities)
        site.ledger.refuses = StorageFull("the ledger")
        await identities.revoke(str(KIM), Why.CEASED, actor="tester")
        with pytest.raises(Revoked):  # it took effect all the same
            await identities.verify(await identities.chain(str(KIM)), use=Use.SIGN)
        # Nor is the node at odds with itself after a rotation.
        chain = await identities.rotate(identities.node.subject, actor="tester")
        assert identities.node.chain.leaf == chain.leaf
        assert "identity.revoked" not in site.ledger.actions()
        site.ledger.refuses = None
        await site.open()
        assert site.ledger.actions().count("identity.revoked") == 1

    site(scenario)


def test_one_subject_has_one_standing_identity(site):
    async def scenario(site):
        identities = await site.open()
        _, first = await site.person(identities)
        with pytest.raises(InvalidInput, match="has an identity"):
            await site.person(identities)
        other = SigningKey.generate(ED25519)
        second = await identities.rotate(KIM, actor="tester", request=KeyRequest.make(KIM, other))
        assert (second.leaf.epoch, second.leaf.key) == (2, other.public)
        await identities.revoke(str(KIM), Why.CEASED, actor="tester")
        _, third = await site.person(identities)
        assert third.leaf.epoch == 3
        await identities.verify(third, use=Use.SIGN)
        for old in (first, second):
            with pytest.raises((Revoked, EpochPassed)):
                await identities.verify(old, use=Use.SIGN, at_ns=site.world.clock.wall_ns() + 3_601 * 10**9)
        with pytest.raises(InvalidInput, match="a request"):
            await identities.rotate(KIM, actor="tester")
        with pytest.raises(InvalidInput, match="organisation"):
            await identities.issue(KeyRequest.make(Subject.parse("organisation:acme"), other), actor="tester")
        with pytest.raises(Unavailable):
            await identities.issue(KeyRequest.make(Subject.parse("person:elsewhere/kim"), other), actor="tester")

    site(scenario)


def test_a_forbidden_algorithm_is_not_issued_and_no_longer_believed(site):
    async def scenario(site):
        strict = CryptoPolicy(forbidden=frozenset({ED25519}))
        with pytest.raises(AlgorithmForbidden):
            await site.open(policy=strict)
        identities = await site.open(algorithm=ML_DSA_44, policy=strict)
        with pytest.raises(AlgorithmForbidden):
            await site.person(identities)

    site(scenario)


def test_what_is_long_over_is_forgotten(site):
    async def scenario(site):
        identities = await site.open()
        identities.seats.seat("analyst-1.1")
        await identities.upkeep.record()
        identities.seats.leave("analyst-1.1")
        await site.world.clock.sleep(10 * DAY_S)
        await identities.upkeep.turn()
        assert [one.state for one in await identities.page(kind=SubjectKind.AGENT)] == ["expired"]
        await site.world.clock.sleep(10 * DAY_S)
        await identities.upkeep.turn()
        assert await identities.page(kind=SubjectKind.AGENT) == []

    site(scenario)


def test_a_crash_anywhere_leaves_a_node_that_has_itself(another_site):
    """The power is cut after ever more steps of a first start, a rotation and a revocation."""

    async def life(site):
        identities = await site.open()
        await identities.rotate(identities.node.subject, actor="tester")
        await site.person(identities)
        await identities.revoke(str(KIM), Why.CEASED, actor="tester")

    async def cut(world, steps):
        site = another_site(world)
        machine = world.node("disk-acme-hq")
        task = machine.start(lambda _: life(site))
        for _ in range(steps):
            await asyncio.sleep(0)
        if finished := task.done():
            task.result()
        else:
            await machine.crash()
            site.boot()
        again = await site.open()
        await again.verify(again.node.chain, use=Use.CHANNEL)
        assert again.root.chain.leaf.epoch == 1
        assert again.node.chain.leaf.epoch in (1, 2)
        assert not finished or site.ledger.actions() == [
            *MADE,
            "identity.rotated",
            "identity.issued",
            "identity.revoked",
        ]
        return finished

    for steps in range(0, 4_000, 17):
        if SimWorld(steps).run(lambda world, steps=steps: cut(world, steps)):
            break
    else:
        pytest.fail("no run reached its end")
    assert steps > 20
