import msgspec
import pytest

from phalanx.crypto import ED25519, HybridSigner, InvalidKey, PublicKey, SigningKey


@pytest.fixture(scope="module")
def signer():
    return HybridSigner.generate()


def test_everything_comes_back_from_its_bytes_with_its_algorithms_named(signer):
    again = HybridSigner.from_bytes(signer.to_bytes())
    assert again.public == signer.public == PublicKey.from_bytes(signer.public.to_bytes())
    for half in ("classical", "post_quantum"):
        getattr(signer.public, half).verify(b"message", getattr(again, half).sign(b"message"))
    for data in (signer.to_bytes(), signer.public.to_bytes()):
        assert msgspec.msgpack.decode(data)["algorithms"] == ["Ed25519", "ML-DSA-44"]


def test_the_fingerprint_is_of_the_key(signer):
    assert signer.public.fingerprint == HybridSigner.from_bytes(signer.to_bytes()).public.fingerprint
    assert HybridSigner.generate().public.fingerprint != signer.public.fingerprint
    assert len(signer.public.fingerprint) == 64


def test_bytes_of_one_use_do_not_pass_for_another(signer):
    private, public = signer.to_bytes(), signer.public.to_bytes()
    for read, data in ((HybridSigner.from_bytes, public), (PublicKey.from_bytes, private)):
        with pytest.raises(InvalidKey, match="it is a '"):
            read(data)


@pytest.mark.parametrize("read", [HybridSigner.from_bytes, PublicKey.from_bytes])
def test_damage_is_refused(signer, read):
    whole = {HybridSigner.from_bytes: signer.to_bytes(), PublicKey.from_bytes: signer.public.to_bytes()}[read]
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
