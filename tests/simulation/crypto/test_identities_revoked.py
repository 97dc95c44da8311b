"""Who is no longer believed: revocations, here and at another node, and organisations that are not trusted any more."""

import dataclasses

import pytest

from phalanx.core import InvalidInput, NotFound
from phalanx.crypto import (
    ED25519,
    InvalidSignature,
    SigningKey,
)
from phalanx.crypto.identity import (
    Chain,
    KeyRequest,
    ListForked,
    ListRolledBack,
    NotSigned,
    RevocationList,
    RevocationRefused,
    Revoked,
    Subject,
    UntrustedRoot,
    Use,
    Why,
    sign_list,
)

KIM = Subject.parse("person:acme/kim")


@pytest.mark.requirement("ZTA-3")
def test_a_revocation_is_in_force_when_it_returns(site):
    async def scenario(site):
        identities = await site.open()
        _, chain = await site.person(identities)
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
        _, first = await site.person(identities)
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
        await site.person(identities)
        with pytest.raises(InvalidInput, match="characters"):
            await identities.revoke(str(KIM), Why.CEASED, actor="tester", note="x" * 300)

    site(scenario)


def test_another_process_on_the_same_store_sees_a_revocation_at_its_next_check(site):
    async def scenario(site):
        one, other = await site.open(), await site.open()
        _, chain = await site.person(one)
        held = await other.verify(chain, use=Use.SIGN)
        await one.revoke(str(KIM), Why.CEASED, actor="tester")
        with pytest.raises(Revoked):
            await other.verify(chain, use=Use.SIGN)
        with pytest.raises(Revoked):
            other.require(held)

    site(scenario)


@pytest.mark.requirement("ZTA-3")
def test_revocations_travel_to_another_node_and_never_backwards(site, another_site):
    async def scenario(here):
        there = another_site(here.world, "lab", "umbrella")
        ours, theirs = await here.open(), await there.open()
        _, chain = await here.person(ours)
        with pytest.raises(UntrustedRoot):
            await theirs.verify(chain, use=Use.SIGN)
        await theirs.trust(ours.root.chain.leaf, actor="tester")
        held = await theirs.verify(chain, use=Use.SIGN)
        closed = []
        theirs.on_revoked(lambda entry: closed.append(entry.serial))
        _, bob = await here.person(ours, "bob")
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
        _, chain = await here.person(ours)
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
