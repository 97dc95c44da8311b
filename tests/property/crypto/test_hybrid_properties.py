import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.crypto import CryptoError, HybridSigner, InvalidSignature, PublicKey, Signature

SIGNER = HybridSigner.generate()
SIGNATURE = SIGNER.sign(b"message")


@given(st.binary(max_size=200))
def test_any_message_can_be_signed(message):
    SIGNER.public.verify(message, SIGNER.sign(message))


@given(st.integers(0, 64 + 2420 - 1), st.integers(1, 255))
def test_no_byte_of_a_signature_may_change(at, difference):
    halves = bytearray(SIGNATURE.classical + SIGNATURE.post_quantum)
    halves[at] ^= difference
    with pytest.raises(InvalidSignature):
        SIGNER.public.verify(b"message", Signature(bytes(halves[:64]), bytes(halves[64:])))


@given(st.binary(max_size=4000))
def test_whatever_comes_in_is_refused_by_name(data):
    for read in (HybridSigner.from_bytes, PublicKey.from_bytes, Signature.from_bytes):
        with pytest.raises(CryptoError):
            read(data)
