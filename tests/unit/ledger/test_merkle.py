"""The reference tree of Certificate Transparency: eight leaves, their roots and published proofs.

The values are those of ``merkle_tree_test.cc`` of google/certificate-transparency, which every
implementation of RFC 6962 tests against.
"""

import pytest

from phalanx.ledger import (
    EMPTY_ROOT,
    HashTree,
    InvalidProof,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ROOTS = [
    EMPTY,
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAF_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
LEAVES_2_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
LEAVES_4_TO_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
LEAVES_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
LEAVES_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"

INCLUSION = {
    (0, 1): [],
    (0, 8): [LEAF_1, LEAVES_2_3, LEAVES_4_TO_7],
    (5, 8): [LEAF_4, LEAVES_6_7, ROOTS[4]],
    (2, 3): [ROOTS[2]],
    (1, 5): [ROOTS[1], LEAVES_2_3, LEAF_4],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [LEAF_1, LEAVES_2_3, LEAVES_4_TO_7],
    (6, 8): [LEAVES_4_5, LEAVES_6_7, ROOTS[4]],
    (2, 5): [LEAVES_2_3, LEAF_4],
}


def unhex(hashes):
    return [bytes.fromhex(one) for one in hashes]


@pytest.fixture(scope="module")
def tree():
    return HashTree(leaf_hash(leaf) for leaf in LEAVES)


def test_the_published_roots(tree):
    assert [root(tree, size).hex() for size in range(9)] == ROOTS
    assert EMPTY_ROOT.hex() == EMPTY


def test_a_tree_grown_leaf_by_leaf_passes_through_all_roots():
    growing = HashTree()
    seen = [root(growing, 0).hex()]
    for leaf in LEAVES:
        growing.append(leaf_hash(leaf))
        seen.append(root(growing, len(growing)).hex())
    assert seen == ROOTS


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_published_inclusion_proofs(tree, index, size):
    published = unhex(INCLUSION[index, size])
    assert inclusion_proof(tree, index, size) == published
    verify_inclusion(leaf_hash(LEAVES[index]), index, size, published, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_the_published_consistency_proofs(tree, old, new):
    published = unhex(CONSISTENCY[old, new])
    assert consistency_proof(tree, old, new) == published
    verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), published)


def test_a_node_does_not_pass_for_a_leaf(tree):
    left, right = unhex([ROOTS[1], LEAF_1])
    assert node_hash(left, right).hex() == ROOTS[2]
    assert leaf_hash(left + right).hex() != ROOTS[2]
    with pytest.raises(InvalidProof):
        verify_inclusion(leaf_hash(left + right), 0, 4, [bytes.fromhex(LEAVES_2_3)], bytes.fromhex(ROOTS[4]))


@pytest.mark.parametrize(
    ("index", "size", "reason"),
    [(8, 8, "no leaf 8"), (-1, 8, "no leaf -1"), (0, 0, "no leaf 0"), (0, 4, "longer"), (0, 16, "shorter")],
)
def test_a_proof_of_another_shape_says_why_it_fails(tree, index, size, reason):
    with pytest.raises(InvalidProof, match=reason):
        verify_inclusion(leaf_hash(LEAVES[0]), index, size, inclusion_proof(tree, 0, 8), root(tree, 8))


@pytest.mark.parametrize(
    ("old", "new", "proof", "reason"),
    [
        (8, 6, [], "no prefix"),
        (-1, 6, [], "no prefix"),
        (6, 8, [], "empty"),
        (8, 8, [LEAF_1], "should be empty"),
        (0, 8, [LEAF_1], "should be empty"),
        (6, 8, [*CONSISTENCY[6, 8], LEAF_1], "longer"),
        (6, 8, CONSISTENCY[6, 8][:-1], "shorter"),
        (6, 8, [LEAF_1, *CONSISTENCY[6, 8][1:]], "old root"),
        (6, 8, [LEAVES_4_5, LEAF_1, ROOTS[4]], "new root"),
    ],
)
def test_a_consistency_proof_that_fails_says_why(old, new, proof, reason):
    old_root, new_root = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    with pytest.raises(InvalidProof, match=reason):
        verify_consistency(old, new, old_root, new_root, unhex(proof))


def test_equal_sizes_need_equal_roots():
    with pytest.raises(InvalidProof, match="old root is another"):
        verify_consistency(8, 8, bytes.fromhex(ROOTS[7]), bytes.fromhex(ROOTS[8]), [])
    with pytest.raises(InvalidProof, match="old root is another"):
        verify_consistency(0, 8, bytes.fromhex(ROOTS[7]), bytes.fromhex(ROOTS[8]), [])
