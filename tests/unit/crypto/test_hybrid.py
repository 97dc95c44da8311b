import msgspec
import pytest

from phalanx.crypto import (
    ED25519,
    ML_DSA_44,
    HybridSigner,
    InvalidKey,
    InvalidSignature,
    PublicKey,
    Signature,
    SigningKey,
)


@pytest.fixture(scope="module")
def signer():
    return HybridSigner.generate()


def changed(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_both_halves_hold(signer):
    signature = signer.sign(b"message")
    signer.public.verify(b"message", signature)
    for claimed, message, broken in (
        (signature, b"other", ED25519),
        (Signature(changed(signature.classical, 5), signature.post_quantum), b"message", ED25519),
        (Signature(signature.classical, changed(signature.post_quantum, 5)), b"message", ML_DSA_44),
    ):
        with pytest.raises(InvalidSignature) as caught:
            signer.public.verify(message, claimed)
        assert caught.value.algorithm == broken


def test_one_good_half_of_another_message_is_not_enough(signer):
    first, second = signer.sign(b"first"), signer.sign(b"second")
    for mixed in (Signature(first.classical, second.post_quantum), Signature(second.classical, first.post_quantum)):
        for message in (b"first", b"second"):
            with pytest.raises(InvalidSignature):
                signer.public.verify(message, mixed)


def test_half_a_hybrid_signature_is_no_plain_signature(signer):
    signature = signer.sign(b"message")
    with pytest.raises(InvalidSignature):
        signer.public.classical.verify(b"message", signature.classical)
    with pytest.raises(InvalidSignature):
        signer.public.post_quantum.verify(b"message", signature.post_quantum)


def test_everything_comes_back_from_its_bytes_with_its_algorithms_named(signer):
    signature = signer.sign(b"message")
    again = HybridSigner.from_bytes(signer.to_bytes())
    assert again.public == signer.public == PublicKey.from_bytes(signer.public.to_bytes())
    assert Signature.from_bytes(signature.to_bytes()) == signature
    signer.public.verify(b"message", again.sign(b"message"))
    for data in (signer.to_bytes(), signer.public.to_bytes(), signature.to_bytes()):
        assert msgspec.msgpack.decode(data)["algorithms"] == ["Ed25519", "ML-DSA-44"]


def test_the_fingerprint_is_of_the_key(signer):
    assert signer.public.fingerprint == HybridSigner.from_bytes(signer.to_bytes()).public.fingerprint
    assert HybridSigner.generate().public.fingerprint != signer.public.fingerprint
    assert len(signer.public.fingerprint) == 64


def test_bytes_of_one_use_do_not_pass_for_another(signer):
    private, public, signature = signer.to_bytes(), signer.public.to_bytes(), signer.sign(b"m").to_bytes()
    for read, data in (
        (HybridSigner.from_bytes, public),
        (PublicKey.from_bytes, private),
        (PublicKey.from_bytes, signature),
        (Signature.from_bytes, public),
    ):
        with pytest.raises(InvalidKey, match="it is a '"):
            read(data)


@pytest.mark.parametrize("read", [HybridSigner.from_bytes, PublicKey.from_bytes, Signature.from_bytes])
def test_damage_is_refused(signer, read):
    whole = {
        HybridSigner.from_bytes: signer.to_bytes(),
        PublicKey.from_bytes: signer.public.to_bytes(),
        Signature.from_bytes: signer.sign(b"m").to_bytes(),
    }[read]
    fields = msgspec.msgpack.decode(whole)
    swapped = fields | {"algorithms": fields["algorithms"][::-1]}
    short = fields | {"parts": [fields["parts"][0][:-1], fields["parts"][1]]}
    missing = fields | {"parts": fields["parts"][:1]}
    extra = fields | {"more": 1}
    for broken in (b"", b"\xff", whole[:-1], *map(msgspec.msgpack.encode, (swapped, short, missing, extra, [], 7))):
        with pytest.raises(InvalidKey):
            read(broken)


def test_halves_of_the_wrong_algorithm_make_no_signer():
    key = SigningKey.generate(ED25519)
    with pytest.raises(InvalidKey, match="its halves are Ed25519 and Ed25519"):
        HybridSigner(key, key)
