import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.crypto import (
    ED25519_ML_DSA_65,
    X25519_ML_KEM_768,
    CryptoError,
    DecapsulationKey,
    EncapsulationKey,
    HybridSigner,
    InvalidSignature,
    PublicKey,
    SigningKey,
    VerifyingKey,
)

KEY = SigningKey.generate(ED25519_ML_DSA_65)
SIGNATURE = KEY.sign(b"message", b"context")
SECRET = DecapsulationKey.generate(X25519_ML_KEM_768)
SHARED, CIPHERTEXT = SECRET.public.encapsulate()


@given(st.binary(max_size=200), st.binary(max_size=255))
def test_any_message_can_be_signed_in_any_context(message, context):
    KEY.public.verify(message, KEY.sign(message, context), context)


@given(st.integers(0, len(SIGNATURE) - 1), st.integers(1, 255))
def test_no_byte_of_a_signature_may_change(at, difference):
    broken = bytearray(SIGNATURE)
    broken[at] ^= difference
    with pytest.raises(InvalidSignature):
        KEY.public.verify(b"message", bytes(broken), b"context")


@given(st.integers(0, len(CIPHERTEXT) - 1), st.integers(1, 255))
def test_no_byte_of_a_ciphertext_may_change(at, difference):
    broken = bytearray(CIPHERTEXT)
    broken[at] ^= difference
    assert SECRET.decapsulate(bytes(broken)) != SHARED


@given(st.binary(max_size=8))
def test_moving_bytes_between_context_and_message_is_another_message(moved):
    signature = KEY.sign(b"message", b"context" + moved)
    if moved:
        with pytest.raises(InvalidSignature):
            KEY.public.verify(moved + b"message", signature, b"context")


@given(st.binary(max_size=4000))
def test_whatever_comes_in_is_refused_by_name(data):
    reads = (HybridSigner, PublicKey, SigningKey, VerifyingKey, DecapsulationKey, EncapsulationKey)
    for kind in reads:
        with pytest.raises(CryptoError):
            kind.from_bytes(data)
