"""Against the recursions of RFC 6962 §2.1, written out naively and independently."""

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phalanx.ledger import (
    HashTree,
    InvalidProof,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

MAX_LEAVES = 70
LEAVES = [bytes([n]) * (n % 5) for n in range(MAX_LEAVES)]
TREE = HashTree(leaf_hash(leaf) for leaf in LEAVES)


def sha256(data):
    return hashlib.sha256(data).digest()


def mth(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    k = largest_power_below(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m, leaves):
    return subproof(m, leaves, whole=True)


def subproof(m, leaves, *, whole):
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def largest_power_below(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


sizes = st.integers(1, MAX_LEAVES)


def test_every_root_and_every_proof_is_that_of_the_recursion():
    for size in range(MAX_LEAVES + 1):
        leaves = LEAVES[:size]
        assert root(TREE, size) == mth(leaves)
        for index in range(size):
            assert inclusion_proof(TREE, index, size) == path(index, leaves)
        for old in range(1, size):
            assert consistency_proof(TREE, old, size) == proof(old, leaves)


@given(st.lists(st.binary(max_size=20), max_size=40))
def test_a_tree_of_any_leaves(leaves):
    tree = HashTree(leaf_hash(leaf) for leaf in leaves)
    assert len(tree) == len(leaves)
    assert root(tree, len(leaves)) == mth(leaves)


@given(sizes, st.data())
def test_inclusion_holds_for_the_leaf_its_place_and_its_size_alone(size, data):
    index = data.draw(st.integers(0, size - 1))
    good = inclusion_proof(TREE, index, size)
    verify_inclusion(leaf_hash(LEAVES[index]), index, size, good, root(TREE, size))
    other = data.draw(st.integers(0, MAX_LEAVES + 3))
    if other != index:
        with pytest.raises(InvalidProof):
            verify_inclusion(leaf_hash(LEAVES[index]), other, size, good, root(TREE, size))
        with pytest.raises(InvalidProof):
            verify_inclusion(leaf_hash(LEAVES[other % MAX_LEAVES] + b"x"), index, size, good, root(TREE, size))


@given(sizes, st.data())
def test_a_changed_inclusion_proof_does_not_hold(size, data):
    index = data.draw(st.integers(0, size - 1))
    good = inclusion_proof(TREE, index, size)
    broken = data.draw(mutations(good))
    with pytest.raises(InvalidProof):
        verify_inclusion(leaf_hash(LEAVES[index]), index, size, broken, root(TREE, size))


@given(st.integers(0, MAX_LEAVES), st.integers(0, MAX_LEAVES))
def test_consistency_holds_between_any_two_sizes(old, new):
    old, new = sorted((old, new))
    verify_consistency(old, new, root(TREE, old), root(TREE, new), consistency_proof(TREE, old, new))


@given(sizes, sizes, st.data())
def test_a_changed_consistency_proof_does_not_hold(old, new, data):
    old, new = sorted((old, new))
    good = consistency_proof(TREE, old, new)
    broken = data.draw(mutations(good))
    with pytest.raises(InvalidProof):
        verify_consistency(old, new, root(TREE, old), root(TREE, new), broken)


@given(st.integers(2, MAX_LEAVES), st.data())
def test_a_rewritten_past_has_no_consistency_proof(new, data):
    old = data.draw(st.integers(1, new - 1))
    changed = data.draw(st.integers(0, old - 1))
    forged = HashTree(leaf_hash(leaf + b"!" * (n == changed)) for n, leaf in enumerate(LEAVES[:new]))
    with pytest.raises(InvalidProof):
        verify_consistency(old, new, root(TREE, old), root(forged, new), consistency_proof(forged, old, new))
    with pytest.raises(InvalidProof):
        verify_consistency(old, new, root(TREE, old), root(forged, new), consistency_proof(TREE, old, new))


@given(sizes, st.lists(st.binary(min_size=32, max_size=32), max_size=10), st.data())
def test_a_made_up_proof_does_not_hold(size, steps, data):
    index = data.draw(st.integers(0, size - 1))
    assume(steps != inclusion_proof(TREE, index, size))
    with pytest.raises(InvalidProof):
        verify_inclusion(leaf_hash(LEAVES[index]), index, size, steps, root(TREE, size))


def mutations(good):
    longer = st.tuples(st.integers(0, len(good)), st.binary(min_size=32, max_size=32)).map(
        lambda drawn: [*good[: drawn[0]], drawn[1], *good[drawn[0] :]]
    )
    if not good:
        return longer
    place = st.integers(0, len(good) - 1)
    flipped = st.tuples(place, st.integers(0, 31), st.integers(1, 255)).map(lambda drawn: flip(good, *drawn))
    shorter = place.map(lambda at: good[:at] + good[at + 1 :])
    return st.one_of(longer, flipped, shorter)


def flip(good, step, at, difference):
    changed = bytearray(good[step])
    changed[at] ^= difference
    return [*good[:step], bytes(changed), *good[step + 1 :]]
