import pytest

from phalanx.crypto import ED25519, ML_DSA_44, CryptoError, InvalidKey, InvalidSignature, SigningKey, VerifyingKey


def test_ed25519_agrees_with_rfc_8032():
    """RFC 8032 §7.1, test 3."""
    key = SigningKey(ED25519, bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"))
    assert key.public.raw.hex() == "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert key.sign(b"\xaf\x82") == signature
    key.public.verify(b"\xaf\x82", signature)


def test_ml_dsa_44_derives_the_key_of_rfc_9881():
    """RFC 9881, appendix C: the example key of the seed 00 01 … 1f (its first and last 32 bytes)."""
    raw = SigningKey(ML_DSA_44, bytes(range(32))).public.raw
    assert raw[:32].hex() == "d7b2b47254aae0db45e7930d4a98d2c97d8f1397d1789dafa17024b316e9bec9"
    assert raw[-32:].hex() == "2202766151f16a965f9f81ece76cc070b55869e4db9784cf05c830b3242c8312"


@pytest.mark.parametrize("algorithm", [ED25519, ML_DSA_44])
def test_what_is_signed_verifies_and_nothing_else_does(algorithm):
    key, other = SigningKey.generate(algorithm), SigningKey.generate(algorithm)
    signature = key.sign(b"message")
    key.public.verify(b"message", signature)
    VerifyingKey(algorithm, key.public.raw).verify(b"message", signature)
    for public, message, claimed in (
        (key.public, b"massage", signature),
        (other.public, b"message", signature),
        (key.public, b"message", signature[:-1]),
        (key.public, b"message", b""),
    ):
        with pytest.raises(InvalidSignature) as caught:
            public.verify(message, claimed)
        assert caught.value.algorithm == algorithm


@pytest.mark.parametrize("algorithm", [ED25519, ML_DSA_44])
def test_a_key_comes_back_from_its_seed(algorithm):
    key = SigningKey.generate(algorithm)
    again = SigningKey(algorithm, key.seed)
    assert again.public == key.public
    assert hash(again.public) == hash(key.public)
    assert SigningKey.generate(algorithm).public != key.public


@pytest.mark.parametrize("algorithm", [ED25519, ML_DSA_44])
def test_a_private_key_shows_nothing(algorithm):
    key = SigningKey.generate(algorithm)
    assert key.seed.hex() not in repr(key) + str(key)
    assert repr(key.seed) not in repr(key)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: SigningKey("RSA", bytes(32)), "algorithm 'RSA' is none of Ed25519, ML-DSA-44"),
        (lambda: SigningKey(ED25519, bytes(31)), "it has 31 bytes, not 32"),
        (lambda: SigningKey(ML_DSA_44, bytes(64)), "it has 64 bytes, not 32"),
        (lambda: VerifyingKey(ML_DSA_44, bytes(1313)), "it has 1313 bytes, not 1312"),
        (lambda: VerifyingKey("", b""), "algorithm '' is none of"),
    ],
)
def test_what_is_no_key_is_refused(make, reason):
    with pytest.raises(InvalidKey, match=reason) as caught:
        make()
    assert isinstance(caught.value, CryptoError)
