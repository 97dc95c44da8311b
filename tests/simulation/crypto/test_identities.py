"""A node's identities over its life: starts, rotations, revocations, crashes, other nodes."""

import asyncio
import dataclasses

import pytest

from phalanx.core import InvalidInput, NotFound, StorageFull, Unavailable
from phalanx.crypto import (
    ED25519,
    ED25519_ML_DSA_65,
    ML_DSA_44,
    AlgorithmForbidden,
    CryptoPolicy,
    InvalidSignature,
    SigningKey,
)
from phalanx.crypto.identity import (
    Chain,
    EpochPassed,
    KeyRequest,
    ListForked,
    ListRolledBack,
    NotSigned,
    OutsideValidity,
    RevocationList,
    RevocationRefused,
    Revoked,
    Subject,
    SubjectKind,
    UntrustedRoot,
    Use,
    Why,
    _seated,
    require_signature,
    set_digest,
    sign_list,
)
from phalanx.testing import SimWorld

DAY_S = 86_400
KIM = Subject.parse("person:acme/kim")


MADE = ["identity.made", "identity.made"]


async def person(identities, name="kim"):
    key = SigningKey.generate(ED25519)
    subject = Subject.parse(f"person:acme/{name}")
    return key, await identities.issue(KeyRequest.make(subject, key), actor="tester")


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


@pytest.mark.requirement("ZTA-3")
def test_a_revocation_is_in_force_when_it_returns(site):
    async def scenario(site):
        identities = await site.open()
        _, chain = await person(identities)
        held = await identities.verify(chain, use=Use.SIGN)
        await site.world.clock.sleep(1)
        told = []
        end = identities.on_revoked(lambda entry: told.append((entry.subject, entry.why)))
        identities.on_revoked(lambda entry: 1 / 0)  # a listener that fails keeps nobody from being told
        identities.on_revoked(lambda entry: told.append("second"))
        await identities.revoke(str(KIM), Why.CEASED, actor="tester", note="left")
        assert told == [(str(KIM), Why.CEASED), "second"]
        with pytest.raises(Revoked) as caught:
            identities.require(held)
        assert caught.value.link == 0
        with pytest.raises(Revoked, match="left"):
            await identities.verify(chain, use=Use.SIGN)
        assert site.ledger.actions()[-1] == "identity.revoked"
        assert (await identities.get(str(KIM))).state == "revoked"
        # What was signed before stands; of a compromised key nothing does.
        await identities.verify(chain, use=Use.SIGN, at_ns=held.at_ns)
        await identities.revoke(chain.leaf.serial, Why.KEY_COMPROMISED, actor="tester")
        with pytest.raises(Revoked):
            await identities.verify(chain, use=Use.SIGN, at_ns=held.at_ns)
        end()
        assert len(told) == 3 + 1
        # And after a restart.
        with pytest.raises(Revoked):
            await (await site.open()).verify(chain, use=Use.SIGN)

    site(scenario)


@pytest.mark.requirement("ZTA-3")
def test_a_revoked_subject_has_no_older_certificate_to_fall_back_on(site):
    async def scenario(site):
        identities = await site.open()
        _, first = await person(identities)
        # The same key under the root's next epoch: the certificate before has its hour of grace.
        await identities.rotate(identities.root.subject, actor="tester")
        await identities.upkeep.reissue()
        again = await identities.chain(str(KIM))
        assert (again.leaf.key, again.leaf.serial != first.leaf.serial) == (first.leaf.key, True)
        other = SigningKey.generate(ED25519)
        await identities.rotate(KIM, actor="tester", request=KeyRequest.make(KIM, other))
        signed_at_ns = site.world.clock.wall_ns()
        await site.world.clock.sleep(1)
        told = []
        identities.on_revoked(lambda entry: told.append(entry.serial))
        entry = await identities.revoke(str(KIM), Why.KEY_COMPROMISED, actor="tester")
        assert entry.serial == (await identities.chain(str(KIM))).leaf.serial
        for old in (first, again):
            assert old.leaf.serial in told
            with pytest.raises(Revoked, match="ceased"):
                await identities.verify(old, use=Use.SIGN)
        # A key that is said to be compromised is, under each of its certificates and for all time.
        await identities.verify(first, use=Use.SIGN, at_ns=signed_at_ns)
        await identities.revoke(again.leaf.serial, Why.KEY_COMPROMISED, actor="tester")
        for old in (first, again):
            with pytest.raises(Revoked, match="compromised"):
                await identities.verify(old, use=Use.SIGN, at_ns=signed_at_ns)

    site(scenario)


@pytest.mark.requirement("ZTA-3")
def test_an_agent_that_is_revoked_cannot_show_its_certificate_from_before_a_rotation(site):
    async def scenario(site):
        identities = await site.open()
        before = identities.seats.seat("analyst-1.1")
        await identities.rotate(identities.node.subject, actor="tester")
        await identities.upkeep.turn()
        assert identities.seats.identity("analyst-1.1").chain.leaf.serial != before.chain.leaf.serial
        await identities.revoke(str(before.subject), Why.KEY_COMPROMISED, actor="tester")
        assert not identities.seats.admitted("analyst-1.1")
        with pytest.raises(Revoked):
            await identities.verify(before.chain, use=Use.CHANNEL)

    site(scenario)


def test_nobody_revokes_what_is_not_there_or_a_root(site):
    async def scenario(site):
        identities = await site.open()
        with pytest.raises(NotFound):
            await identities.revoke("person:acme/nobody", Why.CEASED, actor="tester")
        with pytest.raises(InvalidInput, match="root"):
            await identities.revoke("organisation:acme", Why.CEASED, actor="tester")
        await person(identities)
        with pytest.raises(InvalidInput, match="characters"):
            await identities.revoke(str(KIM), Why.CEASED, actor="tester", note="x" * 300)

    site(scenario)


def test_another_process_on_the_same_store_sees_a_revocation_at_its_next_check(site):
    async def scenario(site):
        one, other = await site.open(), await site.open()
        _, chain = await person(one)
        held = await other.verify(chain, use=Use.SIGN)
        await one.revoke(str(KIM), Why.CEASED, actor="tester")
        with pytest.raises(Revoked):
            await other.verify(chain, use=Use.SIGN)
        with pytest.raises(Revoked):
            other.require(held)

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
        keys = {name: await person(identities, name) for name in ("ada", "bob", "cyd")}
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
            await person(rootless)
        rootless.seats.seat("analyst-1.1")  # agents lie beneath the node
        assert rootless.seats.admitted("analyst-1.1")
        await site.keys.erase(rootless.node.fingerprint)
        with pytest.raises(Unavailable, match="neither"):
            await site.open()

    site(scenario)


def test_the_ledger_hears_of_everything_even_when_it_was_full(site):
    async def scenario(site):
        identities = await site.open()
        await person(identities)
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
        _, first = await person(identities)
        with pytest.raises(InvalidInput, match="has an identity"):
            await person(identities)
        other = SigningKey.generate(ED25519)
        second = await identities.rotate(KIM, actor="tester", request=KeyRequest.make(KIM, other))
        assert (second.leaf.epoch, second.leaf.key) == (2, other.public)
        await identities.revoke(str(KIM), Why.CEASED, actor="tester")
        _, third = await person(identities)
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
            await person(identities)

    site(scenario)


@pytest.mark.requirement("ZTA-3")
def test_revocations_travel_to_another_node_and_never_backwards(site, another_site):
    async def scenario(here):
        there = another_site(here.world, "lab", "umbrella")
        ours, theirs = await here.open(), await there.open()
        _, chain = await person(ours)
        with pytest.raises(UntrustedRoot):
            await theirs.verify(chain, use=Use.SIGN)
        await theirs.trust(ours.root.chain.leaf, actor="tester")
        held = await theirs.verify(chain, use=Use.SIGN)
        closed = []
        theirs.on_revoked(lambda entry: closed.append(entry.serial))
        _, bob = await person(ours, "bob")
        await ours.revoke(bob.leaf.serial, Why.CEASED, actor="tester")
        first, signer = await ours.list_of(ours.root.subject)
        await ours.revoke(chain.leaf.serial, Why.KEY_COMPROMISED, actor="tester")
        second, signer = await ours.list_of(ours.root.subject)
        offered = RevocationList.from_bytes(second.to_bytes())
        assert await theirs.accept(offered, signer, actor="tester")
        assert not await theirs.accept(offered, signer, actor="tester")
        assert sorted(closed) == sorted([bob.leaf.serial, chain.leaf.serial])
        with pytest.raises(Revoked):
            theirs.require(held)
        with pytest.raises(ListRolledBack):
            await theirs.accept(first, signer, actor="tester")
        root = ours.root
        forked = sign_list(root.subject, root.key, number=second.number, at_ns=second.at_ns, entries=())
        with pytest.raises(ListForked):
            await theirs.accept(forked, signer, actor="tester")
        withdrawn = sign_list(root.subject, root.key, number=9, at_ns=second.at_ns, entries=second.entries[:1])
        with pytest.raises(ListForked, match="takes back"):
            await theirs.accept(withdrawn, signer, actor="tester")
        # A list under a chain of somebody else, and one that its chain's key did not sign.
        foreign = sign_list(root.subject, theirs.root.key, number=9, at_ns=second.at_ns, entries=second.entries)
        with pytest.raises(RevocationRefused, match="umbrella"):
            await theirs.accept(foreign, theirs.root.chain, actor="tester")
        with pytest.raises(RevocationRefused):
            await theirs.accept(foreign, signer, actor="tester")
        # And after a restart it still knows.
        with pytest.raises(Revoked):
            await (await there.open()).verify(chain, use=Use.SIGN)

    site(scenario)


def test_an_anchor_is_an_organisations_own_root(site, another_site):
    async def scenario(here):
        ours, theirs = await here.open(), await another_site(here.world, "lab", "umbrella").open()
        with pytest.raises(InvalidInput):
            await theirs.trust(ours.node.chain.leaf, actor="tester")
        namesake = await another_site(here.world, "lab", "acme").open()
        with pytest.raises(InvalidInput, match="own organisation"):
            await ours.trust(namesake.root.chain.leaf, actor="tester")
        forged = dataclasses.replace(ours.root.chain.leaf, signature=ours.node.chain.leaf.signature)
        with pytest.raises(InvalidSignature):
            await theirs.trust(forged, actor="tester")
        with pytest.raises(NotSigned):
            await ours.verify(Chain((forged,)), use=Use.SIGN)

    site(scenario)


@pytest.mark.requirement("ZTA-3")
def test_an_organisation_is_no_longer_trusted_from_one_step_to_the_next(site, another_site):
    async def scenario(here):
        there = another_site(here.world, "lab", "umbrella")
        ours, theirs = await here.open(), await there.open()
        beside = await there.open()
        _, chain = await person(ours)
        await theirs.trust(ours.root.chain.leaf, actor="tester")
        held = await theirs.verify(chain, use=Use.SIGN)
        await beside.verify(chain, use=Use.SIGN)
        assert await theirs.distrust(ours.root.fingerprint, actor="tester")
        with pytest.raises(UntrustedRoot):
            theirs.require(held)
        for one in (theirs, beside, await there.open()):
            with pytest.raises(UntrustedRoot):
                await one.verify(chain, use=Use.SIGN)
        assert not await theirs.distrust(ours.root.fingerprint, actor="tester")
        assert there.ledger.actions()[-1] == "identity.root-distrusted"
        with pytest.raises(InvalidInput, match="own"):
            await theirs.distrust(theirs.root.fingerprint, actor="tester")
        await theirs.trust(ours.root.chain.leaf, actor="tester")
        await theirs.verify(chain, use=Use.SIGN)
        theirs.require(held)

    site(scenario)


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
        await person(third)
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
        await person(identities)
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
