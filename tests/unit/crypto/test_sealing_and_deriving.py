import pytest

from phalanx.core import InvalidInput
from phalanx.crypto import (
    AES_256_GCM,
    CHACHA20_POLY1305,
    ED25519,
    FN_DSA_512,
    SHA2_256,
    SHA3_256,
    Aead,
    AlgorithmForbidden,
    CryptoPolicy,
    InvalidKey,
    Kind,
    NotAuthentic,
    algorithms,
    argon2id,
    digest,
    hkdf,
)

pytestmark = pytest.mark.requirement("CRY-1")


@pytest.mark.parametrize("name", [AES_256_GCM, CHACHA20_POLY1305])
def test_what_was_sealed_opens_and_nothing_else_does(name):
    aead, nonce = Aead(name, bytes(range(32))), bytes(12)
    sealed = aead.seal(nonce, b"plain", b"aad")
    assert aead.open(nonce, sealed, b"aad") == b"plain"
    assert len(sealed) == len(b"plain") + 16
    flips = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for claimed in (*flips, sealed[:-1], b"", sealed + b"\x00"):
        with pytest.raises(NotAuthentic):
            aead.open(nonce, claimed, b"aad")
    for other_nonce, aad in ((b"\x01" + nonce[1:], b"aad"), (nonce, b""), (nonce, None)):
        with pytest.raises(NotAuthentic):
            aead.open(other_nonce, sealed, aad)
    with pytest.raises(NotAuthentic):
        Aead(name, bytes(32)).open(nonce, sealed, b"aad")


def test_what_is_no_cipher_or_key_is_refused():
    with pytest.raises(InvalidKey, match="it has 16 bytes, not 32"):
        Aead(AES_256_GCM, bytes(16))
    with pytest.raises(InvalidKey, match="is none of AES-256-GCM"):
        Aead("AES-128-CBC", bytes(32))
    with pytest.raises(InvalidKey, match="is none of SHA2-256"):
        digest("MD5", b"")


def test_derived_keys_depend_on_everything_they_are_derived_from():
    made = {hkdf(b"s", salt=b"", info=b""), hkdf(b"s", salt=b"x", info=b""), hkdf(b"s", salt=b"", info=b"x")}
    assert len(made) == 3
    assert len(hkdf(b"s", salt=b"", info=b"", length=100)) == 100
    weak = {"memory_kib": 64, "passes": 1, "lanes": 1}
    made = {
        argon2id(b"p", salt=b"8" * 8, **weak),
        argon2id(b"p", salt=b"9" * 8, **weak),
        argon2id(b"P", salt=b"8" * 8, **weak),
    }
    assert len(made) == 3
    with pytest.raises(InvalidInput, match="fewer than 8"):
        argon2id(b"p", salt=b"7 bytes")
    with pytest.raises(InvalidInput, match="Argon2id parameters"):
        argon2id(b"p", salt=b"8" * 8, memory_kib=1)


def test_hashes_have_the_names_of_their_standards():
    assert digest(SHA2_256, b"abc").hex().startswith("ba7816bf8f01cfea")
    assert digest(SHA3_256, b"abc").hex().startswith("3a985da74fe225b2")


def test_the_policy_forbids_by_name_and_experiments_by_default():
    policy = CryptoPolicy(frozenset({ED25519}))
    with pytest.raises(AlgorithmForbidden, match="the policy forbids it") as caught:
        policy.require(ED25519)
    assert caught.value.algorithm == ED25519
    policy.require("Ed25519+ML-DSA-65")
    with pytest.raises(AlgorithmForbidden, match="not final"):
        policy.require(FN_DSA_512)
    CryptoPolicy(experimental=True).require(FN_DSA_512)
    with pytest.raises(InvalidInput, match=r"crypto\.forbidden: 'ROT13' is none of"):
        CryptoPolicy(frozenset({"ROT13"}))


def test_only_what_has_no_final_standard_is_experimental():
    assert {one.name for one in algorithms() if one.experimental} == {"FN-DSA-512", "FN-DSA-1024"}
    assert {one.name for one in algorithms() if not one.quantum_safe} == {"Ed25519", "X25519"}
    assert len({one.name for one in algorithms()}) == len(algorithms())
    assert len(algorithms(Kind.SIGNATURE)) == 20
