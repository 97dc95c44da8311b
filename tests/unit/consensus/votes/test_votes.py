import hashlib

import numpy as np
import pytest

from phalanx.consensus.votes import (
    RESERVED_LEAVES,
    VOTE_KEYS,
    InvalidVote,
    KeyName,
    LeavesExhausted,
    LeavesNotReserved,
    Root,
    WotsVerifier,
    reserve_all,
    signature_bytes,
)
from phalanx.consensus.votes._chains import VOTE_CHAINS, Winternitz, as_bytes
from phalanx.consensus.votes._ready import ready_leaves
from phalanx.consensus.votes._tree import grow, midstates, tree_levels
from phalanx.core import DEFAULT_TENANT, Conflict, InvalidInput, LimitExceeded, NotFound

from . import reference
from .conftest import NAME

pytestmark = pytest.mark.requirement("CON-3")
SECRET, PUBLIC = bytes(range(32)), bytes(range(32, 64))
HEIGHT = 3


@pytest.fixture(scope="module")
def tree():
    return grow(SECRET, PUBLIC, HEIGHT)


def signed(tree, leaf, statement):
    digest = tree.root.digest(leaf, statement)
    return leaf.to_bytes(4) + tree.chains_at(leaf, VOTE_CHAINS.digits([digest])[0]) + tree.path(leaf)


@pytest.mark.parametrize("log_w", [2, 4])
def test_digits_are_those_of_the_standard(log_w):
    chains = Winternitz(log_w)
    digests = [bytes(32), b"\xff" * 32, hashlib.sha256(b"a").digest(), hashlib.sha256(b"b").digest()]
    found = chains.digits(digests)
    assert found.tolist() == [reference.digits(digest, log_w) for digest in digests]
    assert chains.chains == {2: 133, 4: 67}[log_w]


@pytest.mark.parametrize(("log_w", "layer"), [(2, 0), (4, 0), (4, 16)])
def test_every_node_of_a_tree_agrees_with_the_reference(log_w, layer):
    levels = tree_levels(SECRET, midstates([PUBLIC]), Winternitz(log_w), layer, 2)
    for z, level in enumerate(levels):
        nodes = [reference.node(SECRET, PUBLIC, layer, i, z, log_w) for i in range(1 << (2 - z))]
        assert as_bytes(level) == b"".join(nodes)


def test_the_kernels_grow_the_keys_of_slh_dsa(shared_data):
    """ACVP's key generation for SLH-DSA-SHA2-256f: the root of its top tree, of height 4 on layer 16, base 16."""
    import gzip
    import json

    folder = shared_data / "vectors/circl_acvp/sign/slhdsa/testdata"
    prompt, results = (
        {
            test["tcId"]: test
            for group in json.loads(gzip.decompress((folder / f"keyGen_{name}.json.gz").read_bytes()))["testGroups"]
            for test in group["tests"]
        }
        for name in ("prompt", "results")
    )
    cases = range(101, 111)
    for case in cases:
        mids = midstates([bytes.fromhex(prompt[case]["pkSeed"])])
        levels = tree_levels(bytes.fromhex(prompt[case]["skSeed"]), mids, Winternitz(4), 16, 4)
        assert as_bytes(levels[-1]) == bytes.fromhex(results[case]["pk"])[32:]
    assert len(cases) == 10


def test_a_signature_agrees_with_the_reference_and_verifies(tree):
    for leaf in (0, 5, 7):
        signature = signed(tree, leaf, b"statement")
        chains = reference.sign(SECRET, PUBLIC, leaf, tree.root.digest(leaf, b"statement"), 2)
        assert signature[4 : 4 + len(chains)] == chains
        assert len(signature) == signature_bytes(HEIGHT)
        WotsVerifier().verify(tree.root.to_bytes(), b"statement", signature)


def test_no_byte_of_a_signature_may_change(tree):
    root, signature = tree.root.to_bytes(), signed(tree, 3, b"statement")
    items = [
        (root, b"statement", signature[:at] + bytes([signature[at] ^ 1 << at % 8]) + signature[at + 1 :])
        for at in range(len(signature))
    ]
    assert not any(WotsVerifier().verify_many(items))


def test_nothing_but_key_statement_and_leaf_verifies(tree):
    root, signature = tree.root.to_bytes(), signed(tree, 3, b"statement")
    other = grow(SECRET, bytes(32), HEIGHT)
    crossed = other.root.to_bytes()[:37] + tree.root.root
    wrong = [
        (root, b"Statement", signature),
        (root, b"", signature),
        (other.root.to_bytes(), b"statement", signature),
        (crossed, b"statement", signature),
        (root, b"statement", (4).to_bytes(4) + signature[4:]),
        (root, b"statement", (1 << HEIGHT | 3).to_bytes(4) + signature[4:]),
        (root, b"statement", signature[:-1]),
        (root, b"statement", signature + b"\x00"),
        (root, b"statement", b""),
        (b"", b"statement", signature),
        (root[:-1], b"statement", signature),
        (b"XXXX" + root[4:], b"statement", signature),
        (root, bytes(5_000), signature),
    ]
    assert not any(WotsVerifier().verify_many(wrong))
    with pytest.raises(InvalidVote):
        WotsVerifier().verify(*wrong[0])


def test_two_signatures_by_one_leaf_would_let_others_forge(tree):
    """Why a leaf signs once: the lower of two shown steps of each chain is everybody's."""
    leaf, mids = 2, PUBLIC
    digests = [tree.root.digest(leaf, statement) for statement in (b"yes", b"no")]
    shown = [reference.digits(digest, 2) for digest in digests]
    lowest = [min(pair) for pair in zip(*shown, strict=True)]
    forgeable = sum(a > b for a, b in zip(shown[0], lowest, strict=True))
    assert forgeable > 0
    chains = reference.sign(SECRET, mids, leaf, digests[1], 2)
    number = next(at for at, (a, b) in enumerate(zip(*shown, strict=True)) if b < a)
    walked = reference.chain(
        chains[number * 32 : number * 32 + 32],
        shown[1][number],
        shown[0][number] - shown[1][number],
        PUBLIC,
        0,
        leaf,
        number,
    )
    assert walked == reference.sign(SECRET, PUBLIC, leaf, digests[0], 2)[number * 32 : number * 32 + 32]


class TestVerifying:
    def test_many_at_once_give_each_its_own_verdict(self, tree):
        trees = [tree, *(grow(bytes([n]) * 32, bytes([n + 9]) * 32, 2 + n % 2) for n in range(9))]
        items = [
            (one.root.to_bytes(), b"s", signed(one, n % 4, b"s" if n % 3 else b"t")) for n, one in enumerate(trees)
        ]
        assert WotsVerifier().verify_many(items) == [bool(n % 3) for n in range(10)]

    def test_what_was_verified_is_not_verified_again(self, tree):
        verifier, item = WotsVerifier(), (tree.root.to_bytes(), b"s", signed(tree, 1, b"s"))
        assert verifier.verify_many([item, item]) == [True, True]
        assert verifier.verify_many([item]) == [True]
        assert verifier.verified == 1

    def test_a_remembered_verdict_is_of_exactly_these_bytes(self, tree):
        """Moving a byte from one part to the next, or changing one, is another question."""
        verifier, root, signature = WotsVerifier(), tree.root.to_bytes(), signed(tree, 1, b"s")
        verifier.verify(root, b"s", signature)
        assert verifier.verify_many([(root + b"s", b"", signature), (root[:-1], root[-1:] + b"s", signature)]) == [
            False,
            False,
        ]
        verifier.verify_many([(root, b"x", signature)])
        verifier.verify(root, b"s", signature)

    def test_memory_is_bounded_and_may_be_none(self, tree):
        item = (tree.root.to_bytes(), b"s", signed(tree, 1, b"s"))
        verifier = WotsVerifier(remember=2)
        for n in range(5):
            verifier.verify_many([(item[0], bytes([n]), item[2])])
        assert len(verifier._verdicts) == 2
        forgetful = WotsVerifier(remember=0)
        assert [forgetful.verify_many([item]) for _ in range(2)] == [[True], [True]]
        assert forgetful.verified == 2


class TestKeys:
    def test_each_vote_uses_the_next_leaf(self, in_world, make):
        async def work(world, store):
            keys = await make(world, store)
            await keys.reserve(3)
            return keys, [keys.sign(b"a"), keys.sign(b"b"), keys.sign(b"a")]

        keys, signatures = in_world(work)
        assert [int.from_bytes(one[:4]) for one in signatures] == [0, 1, 2]
        assert (
            WotsVerifier().verify_many(
                [(keys.root, s, one) for s, one in zip((b"a", b"b", b"a"), signatures, strict=True)]
            )
            == [True] * 3
        )
        assert keys.left == 13

    def test_nothing_is_signed_before_a_leaf_is_taken(self, in_world, make):
        async def work(world, store):
            keys = await make(world, store)
            with pytest.raises(LeavesNotReserved):
                keys.sign(b"a")
            await keys.reserve()
            return keys.reserved

        assert in_world(work) == min(RESERVED_LEAVES, 16)

    def test_a_key_that_is_opened_again_goes_on_behind_everything_taken(self, in_world, make, reopen):
        async def work(world, store):
            keys = await make(world, store, height=6)
            await keys.reserve(1)
            first = keys.sign(b"a")
            again = await reopen(store)
            with pytest.raises(LeavesNotReserved):
                again.sign(b"b")
            await again.reserve(1)
            return first, again.sign(b"b"), keys.root == again.root

        first, second, same = in_world(work)
        assert (int.from_bytes(first[:4]), int.from_bytes(second[:4])) == (0, RESERVED_LEAVES)
        assert same

    def test_a_second_process_gets_no_leaf(self, in_world, make, reopen):
        async def work(world, store):
            keys = await make(world, store, height=6)
            other = await reopen(store)
            await keys.reserve(1)
            with pytest.raises(Conflict):
                await other.reserve(1)
            with pytest.raises(LeavesNotReserved):
                other.sign(b"b")
            with pytest.raises(Conflict):
                await make(world, store, height=6)

        in_world(work)

    def test_at_its_end_a_key_says_so(self, in_world, make):
        async def work(world, store):
            keys = await make(world, store, height=2)
            await keys.reserve(4)
            for _ in range(4):
                keys.sign(b"a")
            with pytest.raises(LeavesExhausted) as caught:
                keys.sign(b"a")
            with pytest.raises(LeavesExhausted):
                await keys.reserve(1)
            return caught.value.leaves

        assert in_world(work) == 4

    def test_many_keys_take_leaves_in_one_commit_or_none_does(self, in_world, make, reopen):
        async def work(world, store):
            names = [KeyName(DEFAULT_TENANT, f"agent-{place}", "epoch-1") for place in range(3)]
            keys = [await make(world, store, height=6, name=name) for name in names]
            await keys[0].reserve(64)
            for _ in range(60):
                keys[0].sign(b"a")
            with pytest.raises(LeavesExhausted):
                await reserve_all(store, keys, 8)
            assert [one.reserved for one in keys] == [4, 0, 0]
            await reserve_all(store, keys[1:], 40)
            assert [one.reserved for one in keys] == [4, 40, 40]
            await reserve_all(store, keys[1:], 40)
            again = await reopen(store, names[2])
            assert (again.left, again.reserved) == (24, 0)

        in_world(work)

    def test_an_erased_key_signs_no_more_and_is_nowhere(self, in_world, make):
        async def work(world, store):
            keys = await make(world, store)
            await keys.reserve(4)
            keys.prepare()
            await keys.erase()
            with pytest.raises(LeavesExhausted):
                keys.sign(b"a")
            assert await store.get(VOTE_KEYS, DEFAULT_TENANT, NAME.row) is None
            assert (keys.left, keys._ready) == (0, {})

        in_world(work)

    def test_the_seed_is_stored_sealed(self, in_world, make):
        async def work(world, store):
            keys = await make(world, store)
            row = await store.get(VOTE_KEYS, DEFAULT_TENANT, NAME.row)
            return keys._tree._secret_seed, row.value, repr(keys._tree)

        secret, stored, shown = in_world(work)
        assert secret not in stored
        assert b"sealed" in stored
        assert secret.hex() not in shown

    def test_what_cannot_be_is_refused(self, in_world, make, reopen):
        async def work(world, store):
            with pytest.raises(InvalidInput, match="2 to 16"):
                await make(world, store, height=1)
            with pytest.raises(NotFound):
                await reopen(store, KeyName(DEFAULT_TENANT, "nobody", "epoch-1"))
            keys = await make(world, store)
            await keys.reserve()
            with pytest.raises(LimitExceeded):
                keys.sign(bytes(5_000))
            assert keys.left == 16

        in_world(work)


@pytest.mark.parametrize(
    "data", [b"", b"PHXV", b"PHXV\x01" + bytes(64), b"PHXV\x11" + bytes(64), b"XXXX\x04" + bytes(64)]
)
def test_what_is_no_root_is_refused(data):
    with pytest.raises(InvalidInput):
        Root.from_bytes(data)


def test_a_root_comes_back_from_its_bytes(tree):
    assert Root.from_bytes(tree.root.to_bytes()) == tree.root
    assert np.array_equal(midstates([PUBLIC]).narrow, tree._mids.narrow)


def test_a_leaf_made_ready_signs_the_very_same():
    tree = grow(bytes(range(32)), bytes(range(32, 64)), 3)
    for leaf, ready in enumerate(ready_leaves(tree, range(8))):
        digest = hashlib.sha256(bytes([leaf])).digest()
        assert ready.chains_at(digest) == tree.chains_at(leaf, VOTE_CHAINS.digits([digest])[0])
        assert ready.path == tree.path(leaf)
