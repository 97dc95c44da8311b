"""Sharing a key: another implementation's shares, and every refusal with its reason."""

import dataclasses

import pytest

from phalanx.core import InvalidInput, Rng
from phalanx.crypto.sharing import InvalidShare, NotEnoughShares, Share, Undecodable, recover, split
from phalanx.crypto.sharing._field import GF256
from phalanx.testing import SimEntropy

pytestmark = pytest.mark.requirement("CRY-2")

# Made by MPyC 0.11: thresha.random_split over finfields.GF(2**256 + 297), shares 1 to n.
MPYC = [
    (
        "ff" * 32,
        3,
        """
        00e3094899931cb512b3f453a1bdfd99fc623b7d103951fe9a2c16443bf83063d8
        0089c44504006bc98a9f7d99ad8387d14ca01960df36f06e4a33d686bdf565d835
        00f430f53f47ed3d67c29bd223509ea5f0b999ab6cf8db4f101740c785f7a05e3f
        00224f594b69a110aa1d4efd03254217e8aebc5cb97f12a0ebd6550693fedff3a4
        00141f712865874351af971a4d017227347f8174c4c99663dd711343e80b249ab6
        00c9a13cd63b9fd55e79742a00e52ed3d42be8f38ed86697e4e77b7f821c6e5375
        0042d4bc54ebeac6d07ae62c1ed0781dc7b3f2d917ab833d02398db96232bd1b8f
        """,
    ),
    (
        bytes(range(32)).hex(),
        4,
        """
        0020e9ffe5a9002c3da409db0824bd0d3b6257cb0ba6874d06c75a83f69c511c30
        00c880bec8e69829add9611626c9b5b09a8284bd597c08b365284a39be3a4c42ef
        00aa2beb9d5b817a5592a68367ff7f13650bedd012b75993e65f60238b5807adcd
        0079523353a6709a32ba71eacccaa150d399e8ea4d7b3a393e91142977577c7a8d
        00e95a42dc661a05433b5b14562fa4841ec7cbf31fea6aee21e1de339b9aa3c6f2
        00adaac72839323784fff9c8053310c87f30ecd1a027abfd4476362a118376ae6d
        0079aa6d27be6dacf5f2e5cddad96e392d70a16ce455bdb15a7293f4f273ee4ec1
        0000bfe1cb9480e193feb6edd82744f162223fac0297605517fb6f7c57ce03c488
        00f651d2045a20515d0e04effe211d0c55e11d76110f5433313540a85af3b02eae
        000dc6eac2ae00784f0b679c4dcb7ea5414890b225e059965a447f611546eca652
        """,
    ),
]


def shared(threshold=3, n_shares=5, seed=1, epoch=0):
    return split(bytes(range(32)), threshold=threshold, n_shares=n_shares, entropy=SimEntropy(Rng(seed)), epoch=epoch)


@pytest.mark.parametrize(("secret", "threshold", "values"), MPYC)
def test_shares_of_another_implementation_are_decoded(secret, threshold, values):
    theirs = [
        Share("00" * 16, 0, threshold, index, bytes.fromhex(value)) for index, value in enumerate(values.split(), 1)
    ]
    assert recover(theirs).secret.hex() == secret
    assert recover(theirs[-threshold:]).secret.hex() == secret
    theirs[1] = dataclasses.replace(theirs[1], value=theirs[2].value)
    recovered = recover(theirs)
    assert (recovered.secret.hex(), recovered.wrong) == (secret, (2,))


def test_a_share_shows_nothing_secret():
    share = shared()[0]
    assert share.value.hex() not in repr(share)
    assert str(share.value) not in repr(share)
    assert "secret" not in repr(recover(shared()))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epoch": 1}, "epoch"),
        ({"set_id": "11" * 16}, "set"),
        ({"threshold": 2}, "threshold"),
        ({"scheme": "shamir/gf-256"}, "scheme"),
        ({"index": 0}, "out of bounds"),
        ({"index": 256}, "out of bounds"),
        ({"value": bytes(32)}, "not an element"),
        ({"value": b"\xff" * 33}, "not an element"),
    ],
)
def test_a_share_that_does_not_belong_is_refused_with_the_reason(change, reason):
    shares = shared()
    shares[1] = dataclasses.replace(shares[1], **change)
    with pytest.raises(InvalidShare, match=reason):
        recover(shares)


def test_two_values_for_one_index_count_as_none():
    shares = shared(threshold=3, n_shares=5)
    other = dataclasses.replace(shares[0], value=GF256.to_bytes(4))
    recovered = recover([*shares, other, shares[1]])
    assert (recovered.secret, recovered.wrong) == (bytes(range(32)), (1,))
    with pytest.raises(NotEnoughShares) as caught:
        recover([*shares[:3], other])
    assert (caught.value.needed, caught.value.seen) == (3, 2)


def test_liars_who_stay_on_a_polynomial_get_past_decoding_once_they_outnumber_the_radius():
    """What is not promised, pinned down: k colluders of 3k - 2 shares can choose the answer."""
    shares = shared(threshold=2, n_shares=4)
    # The other line agrees with the true one at share 4 and passes through a false secret.
    false = GF256.interpolate({0: 666, 4: shares[3].element()})
    moved = [
        dataclasses.replace(share, value=GF256.to_bytes(GF256.evaluate(false, share.index))) for share in shares[:2]
    ]
    assert recover([*moved, *shares[2:]]).secret != bytes(range(32))


def test_a_value_beyond_256_bits_is_no_secret():
    over = [Share("00" * 16, 0, 1, index, GF256.to_bytes(2**256 + 5)) for index in (1, 2, 3)]
    with pytest.raises(Undecodable):
        recover(over)


@pytest.mark.parametrize(("threshold", "n_shares"), [(0, 3), (4, 3), (1, 0), (1, 256)])
def test_impossible_committees_are_refused(threshold, n_shares):
    with pytest.raises(InvalidInput):
        shared(threshold=threshold, n_shares=n_shares)


def test_only_a_key_is_shared_directly():
    with pytest.raises(InvalidInput, match="31 bytes"):
        split(bytes(31), threshold=2, n_shares=3, entropy=SimEntropy(Rng(1)))


def test_the_largest_committee_with_a_third_of_liars():
    shares = shared(threshold=85, n_shares=255)
    lying = [dataclasses.replace(share, value=GF256.to_bytes(share.index)) for share in shares[:85]]
    recovered = recover([*lying, *shares[85:]])
    assert recovered.secret == bytes(range(32))
    assert recovered.wrong == tuple(range(1, 86))


def test_no_shares_at_all():
    with pytest.raises(NotEnoughShares):
        recover([])
