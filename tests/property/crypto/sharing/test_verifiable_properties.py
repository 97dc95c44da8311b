"""Verifiable sharing: honest shares hold, any other is refuted, and a dealer cannot deal off a polynomial."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import Rng
from phalanx.crypto.sharing import (
    HASH,
    GroupScheme,
    HashScheme,
    InvalidDealing,
    InvalidShare,
    NotEnoughShares,
    Terms,
    VerifiableShare,
    recover_verified,
    safe_prime_group,
)
from phalanx.crypto.sharing._verifiable import HashCommitment, _challenge, _digest
from phalanx.testing import SimEntropy

pytestmark = pytest.mark.requirement("CRY-2")

# 2^128 - 15449 and its half are prime: the laws are those of the real group, and quicker.
QUICK = safe_prime_group("quick", 2**128 - 15449)
SCHEMES = {
    "pedersen": GroupScheme(QUICK, blinded=True),
    "feldman": GroupScheme(QUICK, blinded=False),
    "hash": HASH,
}

schemes = st.sampled_from(sorted(SCHEMES)).map(SCHEMES.__getitem__)
committees = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.integers(1, n), st.lists(st.integers(1, 40), min_size=n, max_size=n, unique=True).map(sorted).map(tuple)
    )
)


def dealt(scheme, committee, secret, seed):
    threshold, indexes = committee
    terms = Terms(threshold, indexes, b"run %d" % seed)
    dealing = scheme.deal(secret, terms, entropy_of(seed))
    return terms, scheme.read(dealing.commitment.to_bytes(), terms), dealing.shares


@settings(max_examples=60)
@given(schemes, committees, st.integers(0, 2**100), st.integers(0, 2**32), st.data())
def test_honest_shares_hold_and_lies_are_named_however_many(scheme, committee, secret, seed, data):
    terms, commitment, shares = dealt(scheme, committee, secret, seed)
    for share in shares.values():
        commitment.check(share)
    liars = data.draw(st.sets(st.sampled_from(terms.indexes)))
    shift = data.draw(st.integers(1, 2**100))
    handed_in = [
        dataclasses.replace(share, value=(share.value + shift) % scheme.field.modulus) if i in liars else share
        for i, share in shares.items()
    ]
    if len(terms.indexes) - len(liars) < terms.threshold:
        with pytest.raises(NotEnoughShares):
            recover_verified(scheme.field, commitment, terms.threshold, handed_in)
    else:
        found = recover_verified(scheme.field, commitment, terms.threshold, handed_in)
        assert found == (secret, tuple(sorted(liars)))


@settings(max_examples=60)
@given(schemes, committees, st.integers(0, 2**32), st.data())
def test_a_changed_commitment_is_unreadable_or_refutes_every_share_it_touches(scheme, committee, seed, data):
    terms, commitment, shares = dealt(scheme, committee, 5, seed)
    raw = bytearray(commitment.to_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    refuted = set()
    try:
        changed = scheme.read(bytes(raw), terms)
    except InvalidDealing:
        return
    for share in shares.values():
        try:
            changed.check(share)
        except InvalidShare:
            refuted.add(share.index)
    assert refuted == set(shares), "every check depends on every byte (a Fiat–Shamir challenge, or Horner's rule)"


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_a_dealer_off_the_polynomial_is_refuted_by_someone(seed, cheated):
    """The strongest hash dealer there is: it knows everything and tries honest masks for dishonest values."""
    terms = Terms(2, (1, 2, 3, 4, 5), b"cheat")
    entropy = entropy_of(seed)
    numbers = HASH.field
    values = {i: numbers.evaluate([7, 9], i) for i in terms.indexes}
    values[cheated] = (values[cheated] + 1) % numbers.modulus
    masks = numbers.draw_polynomial(3, 2, entropy)
    shares = {i: VerifiableShare(i, value, numbers.draw(entropy)) for i, value in values.items()}
    digests = {i: _digest(terms, share, numbers.evaluate(masks, i)) for i, share in shares.items()}
    challenge = _challenge(terms, digests)
    # It may publish any line as z; through any two points of r + d·f is one that satisfies those two holders.
    for pair in ((1, 2), (2, 3), (4, 5)):
        wanted = {i: (numbers.evaluate(masks, i) + challenge * values[i]) % numbers.modulus for i in pair}
        opened = tuple([*numbers.interpolate(wanted), 0, 0][:2])
        commitment = HashScheme().read(HashCommitment(terms, digests, opened, challenge).to_bytes(), terms)
        satisfied = set()
        for share in shares.values():
            try:
                commitment.check(share)
            except InvalidShare:
                continue
            satisfied.add(share.index)
        assert satisfied in ({*pair}, {*terms.indexes} - {cheated})


@given(st.integers(0, 2**32))
def test_a_pedersen_commitment_opens_to_every_secret_for_whoever_knows_the_logarithm(seed):
    """Unconditional hiding, shown: with log_g h known, the same point opens to any other value."""
    entropy = entropy_of(seed)
    q, logarithm = QUICK.field.modulus, 12345
    h = QUICK.power(QUICK.g, logarithm)
    value, blind, other = (QUICK.field.draw(entropy) for _ in range(3))
    other_blind = (blind + (value - other) * pow(logarithm, -1, q)) % q
    assert QUICK.multiply(QUICK.power(QUICK.g, value), QUICK.power(h, blind)) == QUICK.multiply(
        QUICK.power(QUICK.g, other), QUICK.power(h, other_blind)
    )


@given(schemes, st.integers(0, 2**32))
def test_a_dealing_of_another_run_or_committee_does_not_hold(scheme, seed):
    terms, commitment, shares = dealt(scheme, (2, (1, 2, 3)), 5, seed)
    elsewhere = dataclasses.replace(terms, context=b"another run")
    if scheme is HASH:
        reread = scheme.read(commitment.to_bytes(), elsewhere)
        for share in shares.values():
            with pytest.raises(InvalidShare):
                reread.check(share)
    with pytest.raises(InvalidDealing):
        scheme.read(commitment.to_bytes(), dataclasses.replace(terms, threshold=3))


def entropy_of(seed):
    return SimEntropy(Rng(seed))
