"""Every signature algorithm of the catalogue, by the same tests."""

import pytest

from phalanx.core import InvalidInput
from phalanx.crypto import (
    ED25519,
    ED25519_ML_DSA_44,
    ED25519_ML_DSA_65,
    ML_DSA_44,
    ML_DSA_65,
    CryptoError,
    InvalidKey,
    InvalidSignature,
    Kind,
    SigningKey,
    VerifyingKey,
    algorithm,
    algorithms,
)

pytestmark = pytest.mark.requirement("CRY-1")

# A small SLH-DSA signature takes up to two seconds; each is made once.
SLOW = [one.name for one in algorithms(Kind.SIGNATURE) if one.name.startswith("SLH-DSA") and one.name.endswith("s")]
FAST = [one.name for one in algorithms(Kind.SIGNATURE) if one.name not in SLOW]
EVERY = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
_made: dict[str, tuple[SigningKey, bytes]] = {}


@pytest.fixture
def signed(request):
    """A key and its signature of b"message", made once per algorithm."""
    name = request.param
    if name not in _made:
        key = SigningKey.generate(name)
        _made[name] = key, key.sign(b"message")
    return _made[name]


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


@pytest.mark.parametrize("signed", EVERY, indirect=True)
def test_what_is_signed_verifies_and_nothing_else_does(signed):
    key, signature = signed
    key.public.verify(b"message", signature)
    VerifyingKey(key.algorithm, key.public.raw).verify(b"message", signature)
    last = len(signature) - 1
    for message, claimed in (
        (b"massage", signature),
        (b"message", signature[:-1]),
        (b"message", signature + b"\x00"),
        (b"message", b""),
        *((b"message", signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]) for at in (0, last // 2)),
    ):
        with pytest.raises(InvalidSignature) as caught:
            key.public.verify(message, claimed)
        assert caught.value.algorithm in key.algorithm


@pytest.mark.parametrize("name", FAST)
def test_another_key_does_not_verify(name):
    key, other = SigningKey.generate(name), SigningKey.generate(name)
    with pytest.raises(InvalidSignature):
        other.public.verify(b"message", key.sign(b"message"))


@pytest.mark.parametrize("signed", EVERY, indirect=True)
def test_sizes_are_those_of_the_catalogue(signed):
    key, signature = signed
    known = algorithm(key.algorithm)
    assert (len(key.seed), len(key.public.raw), len(signature)) == (
        known.private_bytes,
        known.public_bytes,
        known.output_bytes,
    )


@pytest.mark.parametrize("name", [name for name in FAST if name != ED25519])
def test_a_context_separates_uses_of_one_key(name):
    key = SigningKey.generate(name)
    signature = key.sign(b"message", b"c" * 255)
    key.public.verify(b"message", signature, b"c" * 255)
    for other in (b"", b"c" * 254):
        with pytest.raises(InvalidSignature):
            key.public.verify(b"message", signature, other)
    with pytest.raises(InvalidInput, match="more than 255"):
        key.sign(b"message", b"c" * 256)


def test_ed25519_alone_has_no_place_for_a_context():
    with pytest.raises(InvalidInput, match="no place"):
        SigningKey.generate(ED25519).sign(b"message", b"context")


@pytest.mark.parametrize("signed", EVERY, indirect=True)
def test_keys_come_back_from_their_bytes_with_their_algorithm_named(signed):
    key, signature = signed
    again = SigningKey.from_bytes(key.to_bytes())
    assert again.public == key.public == VerifyingKey.from_bytes(key.public.to_bytes())
    assert hash(again.public) == hash(key.public)
    assert again.public.fingerprint == key.public.fingerprint
    again.public.verify(b"message", signature)
    assert key.algorithm.encode() in key.to_bytes()


@pytest.mark.parametrize("signed", EVERY, indirect=True)
def test_a_private_key_shows_nothing(signed):
    key, _ = signed
    assert key.seed.hex() not in repr(key) + str(key)
    assert repr(key.seed) not in repr(key)


@pytest.mark.parametrize("name", [ED25519_ML_DSA_44, ED25519_ML_DSA_65])
def test_both_halves_of_a_hybrid_must_hold(name):
    key = SigningKey.generate(name)
    first, second = key.sign(b"first"), key.sign(b"second")
    for mixed in (first[:64] + second[64:], second[:64] + first[64:]):
        for message in (b"first", b"second"):
            with pytest.raises(InvalidSignature):
                key.public.verify(message, mixed)


def test_half_a_hybrid_signature_is_no_plain_signature():
    key = SigningKey.generate(ED25519_ML_DSA_65)
    signature = key.sign(b"message")
    for half, private, cut in ((ED25519, key.seed[:32], signature[:64]), (ML_DSA_65, key.seed[32:], signature[64:])):
        with pytest.raises(InvalidSignature):
            SigningKey(half, private).public.verify(b"message", cut)


def test_bytes_of_one_use_do_not_pass_for_another():
    key = SigningKey.generate(ML_DSA_44)
    with pytest.raises(InvalidKey, match="it is a public-key"):
        SigningKey.from_bytes(key.public.to_bytes())
    with pytest.raises(InvalidKey, match="it is a private-key"):
        VerifyingKey.from_bytes(key.to_bytes())


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: SigningKey("RSA", bytes(32)), "'RSA' is none of Ed25519, ML-DSA-44"),
        (lambda: SigningKey("ML-KEM-768", bytes(64)), "signature algorithm: 'ML-KEM-768' is none of"),
        (lambda: SigningKey.generate("RSA"), "'RSA' is none of"),
        (lambda: SigningKey(ED25519, bytes(31)), "it has 31 bytes, not 32"),
        (lambda: SigningKey(ML_DSA_44, bytes(64)), "it has 64 bytes, not 32"),
        (lambda: VerifyingKey(ML_DSA_44, bytes(1313)), "it has 1313 bytes, not 1312"),
        (lambda: VerifyingKey("", b""), "'' is none of"),
        (lambda: VerifyingKey.from_bytes(b"\xc1"), "not a valid public-key"),
        (lambda: VerifyingKey.from_bytes(b""), "not a valid public-key"),
    ],
)
def test_what_is_no_key_is_refused(make, reason):
    with pytest.raises(InvalidKey, match=reason) as caught:
        make()
    assert isinstance(caught.value, CryptoError)
