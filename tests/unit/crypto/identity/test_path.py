"""Every rule of ``validate``, each broken by itself, and the link that is named."""

import dataclasses

import pytest

from phalanx.crypto import ED25519, ED25519_ML_DSA_65, ML_DSA_44, CryptoPolicy, InvalidSignature
from phalanx.crypto.identity import (
    Certificate,
    Chain,
    EpochPassed,
    ForbiddenInChain,
    InvalidCertificate,
    KindNotAllowed,
    NameNotAllowed,
    NotSigned,
    OutsideValidity,
    Revoked,
    Subject,
    UntrustedRoot,
    Use,
    UseNotAllowed,
    WrongIssuer,
    require_signature,
)

DAY_NS = 86_400 * 10**9
NOW_NS = 1_800_000_000 * 10**9


class Known:
    """A standing with one revocation and one epoch in it."""

    def __init__(self, *, revoked=None, since_ns=0, epochs=None):
        self._revoked, self._since_ns, self._epochs = revoked, since_ns, epochs or {}

    def revoked(self, subject, serial, at_ns):
        return "gone" if (subject, serial) == self._revoked and at_ns >= self._since_ns else ""

    def epoch(self, subject, at_ns):
        return max((epoch for since, epoch in self._epochs.get(str(subject), ()) if since <= at_ns), default=0)


@pytest.mark.requirement("CRY-2")
def test_each_kind_has_a_chain_that_holds(house):
    for one, depth in ((house.root, 1), (house.node, 2), (house.agent, 3), (house.person, 2)):
        verified = house.validate(one.chain)
        assert (verified.subject, verified.fingerprint, len(verified.links)) == (one.subject, one.fingerprint, depth)
        require_signature(verified, b"message", one.sign(b"message", purpose="test"), purpose="test")


@pytest.mark.requirement("CRY-1")
@pytest.mark.parametrize("algorithm", [ED25519_ML_DSA_65, ML_DSA_44])
def test_any_signature_algorithm_carries_a_chain(house_of, algorithm):
    house = house_of(algorithm=algorithm)
    assert house.validate(house.agent.chain).key.algorithm == algorithm


def test_a_signature_serves_the_purpose_it_was_made_for(house):
    verified = house.validate(house.agent.chain)
    signature = house.agent.sign(b"m", purpose="vote")
    with pytest.raises(InvalidSignature):
        require_signature(verified, b"m", signature, purpose="channel")
    with pytest.raises(InvalidSignature):
        verified.key.verify(b"m", signature)


def test_a_chain_of_different_algorithms_holds(house):
    strong = house.make("node:acme/lab", house.root, key=None)
    mixed = type(house)(algorithm=ML_DSA_44)
    below = house.make("agent:acme/lab/x", strong, key=mixed.agent.key)
    assert house.validate(below.chain).key.algorithm == ML_DSA_44


def broken(house, make, error, link, **options):
    with pytest.raises(error) as caught:
        house.validate(make, **options)
    assert caught.value.link == link
    return caught.value


def test_nobody_issues_what_is_not_theirs_to_issue(house):
    # An agent issues an agent, a person a node, an organisation an agent.
    below_agent = Chain((house.agent.chain.leaf, house.agent.chain.leaf, house.node.chain.leaf))
    broken(house, below_agent, KindNotAllowed, 0)
    stolen = house.make("node:acme/evil", house.person)
    broken(house, stolen.chain, KindNotAllowed, 0)
    skipped = house.make("agent:acme/hq/a2", house.root)
    broken(house, skipped.chain, KindNotAllowed, 0)


def test_a_name_lies_directly_beneath_its_issuers(house):
    other = house.make("organisation:evil")
    foreign = house.make("node:acme/hq2", other)
    error = broken(house, foreign.chain, NameNotAllowed, 0, anchors={other.fingerprint: other.subject})
    assert error.subject == "node:acme/hq2"
    cousin = house.make("agent:acme/lab/x", house.node)
    broken(house, cousin.chain, NameNotAllowed, 0)


def test_the_link_above_is_the_one_that_signed(house):
    twin = house.make("node:acme/hq", house.root)
    swapped = Chain((house.agent.chain.leaf, twin.chain.leaf, house.root.chain.leaf))
    broken(house, swapped, WrongIssuer, 0)


def test_a_signature_that_does_not_hold_is_found_at_its_link(house):
    other = house.make("organisation:acme", key=house.root.key)
    for place in range(3):
        links = list(house.agent.chain.certificates)
        links[place] = dataclasses.replace(links[place], signature=other.chain.leaf.signature)
        broken(house, Chain(tuple(links)), NotSigned, place)


def test_each_link_has_to_be_issued_for_what_it_does(house):
    quiet = house.make("agent:acme/hq/quiet", house.node, uses=(Use.SIGN,))
    house.validate(quiet.chain, use=Use.SIGN)
    broken(house, quiet.chain, UseNotAllowed, 0, use=Use.CHANNEL)
    clerk = house.make("node:acme/clerk", house.root, uses=(Use.SIGN, Use.CHANNEL))
    broken(house, house.make("agent:acme/clerk/a", clerk).chain, UseNotAllowed, 1)


@pytest.mark.parametrize("link", [0, 1, 2])
def test_validity_is_looked_at_of_every_link(house, link):
    late = {"not_before_ns": NOW_NS - 3 * DAY_NS, "not_after_ns": NOW_NS}
    root = house.make("organisation:acme", **(late if link == 2 else {}))
    node = house.make("node:acme/hq", root, **(late if link == 1 else {}))
    agent = house.make("agent:acme/hq/a", node, **(late if link == 0 else {}))
    anchors = {root.fingerprint: root.subject}
    broken(house, agent.chain, OutsideValidity, link, anchors=anchors)
    assert house.validate(agent.chain, at_ns=NOW_NS - 1, anchors=anchors).until_ns == NOW_NS
    broken(house, agent.chain, OutsideValidity, 0, anchors=anchors, at_ns=NOW_NS - 5 * DAY_NS)


@pytest.mark.parametrize("link", [0, 1, 2])
def test_a_revoked_link_breaks_all_beneath_it_from_its_time_on(house, link):
    one = house.agent.chain.certificates[link]
    standing = Known(revoked=(one.subject, one.serial), since_ns=NOW_NS)
    broken(house, house.agent.chain, Revoked, link, standing=standing)
    house.validate(house.agent.chain, standing=standing, at_ns=NOW_NS - 1)
    # The same serial beneath another name is another certificate.
    elsewhere = Known(revoked=(Subject.parse("agent:acme/hq/other"), one.serial))
    house.validate(house.agent.chain, standing=elsewhere)


def test_an_earlier_epoch_holds_for_what_was_signed_in_it(house):
    standing = Known(epochs={"node:acme/hq": [(NOW_NS, 2)]})
    broken(house, house.agent.chain, EpochPassed, 1, standing=standing)
    house.validate(house.agent.chain, standing=standing, at_ns=NOW_NS - 1)
    second = house.make("node:acme/hq", house.root, epoch=2, earlier=house.node.key)
    house.validate(second.chain, standing=standing)


def test_a_forbidden_algorithm_is_named_with_its_link(house):
    error = broken(house, house.agent.chain, ForbiddenInChain, 0, policy=CryptoPolicy(forbidden=frozenset({ED25519})))
    assert ED25519 in error.reason
    strong = type(house)(algorithm=ML_DSA_44)
    weak = strong.make("agent:acme/hq/weak", strong.node, key=house.agent.key)
    with pytest.raises(ForbiddenInChain) as caught:
        strong.validate(weak.chain, policy=CryptoPolicy(forbidden=frozenset({ED25519})))
    assert caught.value.link == 0
    strong.validate(strong.agent.chain, policy=CryptoPolicy(forbidden=frozenset({ED25519})))


def test_only_an_anchor_or_its_successors_end_a_chain(house):
    broken(house, house.agent.chain, UntrustedRoot, 2, anchors={})
    second = house.make("organisation:acme", epoch=2, earlier=house.root.key, succession=(house.root.chain.leaf,))
    third = house.make(
        "organisation:acme", epoch=3, earlier=second.key, succession=(second.chain.leaf, house.root.chain.leaf)
    )
    node = house.make("node:acme/hq", third)
    house.validate(node.chain)  # from the first root over the second to the third
    gap = Chain(node.chain.certificates, (house.root.chain.leaf,))
    broken(house, gap, UntrustedRoot, 1)
    impostor = house.make("organisation:acme", epoch=2, succession=(house.root.chain.leaf,))
    broken(house, house.make("node:acme/hq", impostor).chain, UntrustedRoot, 1)


@pytest.mark.requirement("CRY-2")
def test_a_trusted_organisation_cannot_speak_as_another(house):
    # The partner is trusted by its key, and signs itself another root under our name with that key.
    partner = house.make("organisation:partner")
    disguised = house.make("organisation:acme", key=partner.key)
    spy = house.make("agent:acme/hq/a1", house.make("node:acme/hq", disguised))
    anchors = {house.root.fingerprint: house.root.subject, partner.fingerprint: partner.subject}
    house.validate(house.agent.chain, anchors=anchors)
    house.validate(house.make("node:partner/hq", partner).chain, anchors=anchors)
    error = broken(house, spy.chain, UntrustedRoot, 2, anchors=anchors)
    assert "organisation:partner" in error.message
    # Nor by a succession from the key that is trusted.
    later = house.make("organisation:acme", epoch=2, earlier=partner.key, succession=(partner.chain.leaf,))
    broken(house, house.make("node:acme/hq", later).chain, UntrustedRoot, 1, anchors=anchors)


def test_a_root_that_names_an_anchors_key_without_having_it_is_refused(house):
    # The anchor's public key in a certificate that another key signed.
    thief = house.make("organisation:acme")
    forged = dataclasses.replace(house.root.chain.leaf, signature=thief.chain.leaf.signature)
    broken(house, Chain((forged,)), NotSigned, 0)


def test_chains_have_a_bounded_depth(house):
    with pytest.raises(InvalidCertificate, match="links"):
        Chain((house.agent.chain.leaf, *house.agent.chain.certificates))
    with pytest.raises(InvalidCertificate, match="links"):
        Chain(())


def test_a_chain_survives_being_carried(house):
    for carried in (
        Chain.from_bytes(house.agent.chain.to_bytes()),
        Chain.from_text(f"hello,\n\n{house.agent.chain.to_text()}\nbye"),
    ):
        assert carried == house.agent.chain
        house.validate(carried)
    for text in ("", "-----BEGIN PHALANX IDENTITY-----\n!\n-----END PHALANX IDENTITY-----"):
        with pytest.raises(InvalidCertificate):
            Chain.from_text(text)


def test_a_certificate_says_only_what_it_may(house):
    leaf = house.agent.chain.leaf
    assert Certificate.from_bytes(leaf.to_bytes()) == leaf
    with pytest.raises(InvalidCertificate, match="no such use"):
        house.make("agent:acme/hq/x", house.node, uses=(Use.ISSUE,))
    with pytest.raises(InvalidCertificate, match="epoch"):
        house.make("agent:acme/hq/x", house.node, epoch=0)
    with pytest.raises(InvalidCertificate, match="validity"):
        house.make("agent:acme/hq/x", house.node, not_after_ns=NOW_NS - DAY_NS)
    with pytest.raises(InvalidCertificate, match="earlier key"):
        house.make("node:acme/x", house.root, earlier=house.node.key)
