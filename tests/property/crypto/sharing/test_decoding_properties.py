"""Decoding against brute force in small fields, and at and beyond the radius in the real one."""

import dataclasses
import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phalanx.core import Rng
from phalanx.crypto.sharing import InvalidShare, NotEnoughShares, Share, Undecodable, recover, split
from phalanx.crypto.sharing._decoding import correctable, decode
from phalanx.crypto.sharing._field import GF256, Field
from phalanx.testing import SimEntropy

pytestmark = pytest.mark.requirement("CRY-2")

SMALL = Field("gf-11", 11)


def nearest_by_brute_force(values, threshold):
    """Every polynomial below the threshold's degree that differs from ``values`` in fewest places."""
    ranked = {}
    for coefficients in itertools.product(range(SMALL.modulus), repeat=threshold):
        wrong = tuple(sorted(x for x, y in values.items() if SMALL.evaluate(coefficients, x) != y))
        ranked.setdefault(len(wrong), []).append((coefficients, wrong))
    return min(ranked.items())


@given(st.integers(1, 3).flatmap(lambda k: st.tuples(
    st.just(k),
    st.dictionaries(st.integers(1, 10), st.integers(0, 10), min_size=k, max_size=9),
)))  # fmt: skip
def test_decoding_agrees_with_brute_force_in_a_small_field(case):
    threshold, values = case
    distance, candidates = nearest_by_brute_force(values, threshold)
    if distance <= correctable(len(values), threshold):
        polynomial, wrong = decode(SMALL, values, threshold)
        assert len(candidates) == 1, "within the radius there is one nearest polynomial"
        padded = tuple(polynomial) + (0,) * (threshold - len(polynomial))
        assert (padded, wrong) == candidates[0]
    else:
        with pytest.raises(Undecodable):
            decode(SMALL, values, threshold)


committees = st.integers(0, 4).flatmap(
    lambda t: st.tuples(st.just(t), st.permutations(range(1, 3 * t + 2)), st.integers(0, 2**32))
)


@given(committees, st.binary(min_size=32, max_size=32))
def test_up_to_a_third_of_liars_are_corrected_and_named(committee, secret):
    t, order, seed = committee
    entropy = entropy_of(seed)
    shares = split(secret, threshold=t + 1, n_shares=3 * t + 1, entropy=entropy)
    liars = set(order[:t])
    given_in = [lied(share, entropy) if share.index in liars else share for share in shares]
    Rng(seed).shuffle(given_in)
    recovered = recover(given_in)
    assert recovered.secret == secret
    assert set(recovered.wrong) == liars


@given(st.integers(1, 4), st.integers(0, 2**32), st.binary(min_size=32, max_size=32))
def test_one_liar_beyond_the_radius_is_an_error_and_no_secret(t, seed, secret):
    entropy = entropy_of(seed)
    shares = split(secret, threshold=t + 1, n_shares=3 * t + 1, entropy=entropy)
    with pytest.raises(Undecodable) as caught:
        recover([lied(share, entropy) if share.index <= t + 1 else share for share in shares])
    assert caught.value.correctable == t


@given(st.integers(2, 12), st.data())
def test_any_threshold_of_shares_gives_the_secret_and_one_fewer_gives_nothing(n, data):
    k = data.draw(st.integers(1, n))
    secret = data.draw(st.binary(min_size=32, max_size=32))
    shares = split(secret, threshold=k, n_shares=n, entropy=entropy_of(data.draw(st.integers(0, 2**32))))
    chosen = data.draw(st.permutations(shares))[:k]
    assert recover(chosen).secret == secret
    with pytest.raises(NotEnoughShares):
        recover(chosen[:-1])


@given(st.integers(0, 2**32))
def test_fewer_shares_fit_every_secret(seed):
    """Hiding, shown: to k - 1 shares and any claimed secret there is a polynomial that explains both."""
    shares = split(bytes(32), threshold=3, n_shares=5, entropy=entropy_of(seed))
    claimed = int.from_bytes(entropy_of(seed + 1).token(32))
    explained = GF256.interpolate({0: claimed} | {share.index: share.element() for share in shares[:2]})
    assert len(explained) <= 3
    assert GF256.evaluate(explained, 0) == claimed


@given(st.integers(0, 2**32), st.data())
def test_encoded_shares_come_back_and_any_damage_is_refused(seed, data):
    share = split(bytes(range(32)), threshold=2, n_shares=3, entropy=entropy_of(seed), epoch=seed % 7)[seed % 3]
    encoded = share.to_bytes()
    assert Share.from_bytes(encoded) == share
    at = data.draw(st.integers(0, len(encoded) - 1))
    damaged = bytearray(encoded)
    damaged[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidShare):
        Share.from_bytes(bytes(damaged))
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(InvalidShare):
        Share.from_bytes(encoded[:cut])


@given(st.binary(max_size=120))
def test_whatever_is_not_a_share_is_refused(data):
    with pytest.raises(InvalidShare):
        Share.from_bytes(data)


@given(st.lists(st.integers(0, 10), max_size=7), st.lists(st.integers(0, 10), min_size=1, max_size=4))
def test_division_undoes_multiplication(a, b):
    a, b = SMALL.add(a, []), SMALL.add(b, [])
    assume(b)
    quotient, rest = SMALL.divide(a, b)
    assert SMALL.add(SMALL.multiply(quotient, b), rest) == a
    assert len(rest) < len(b)


def lied(share, entropy):
    wrong = (share.element() + 1 + GF256.draw(entropy) % (GF256.modulus - 1)) % GF256.modulus
    return dataclasses.replace(share, value=GF256.to_bytes(wrong))


def entropy_of(seed):
    return SimEntropy(Rng(seed))
