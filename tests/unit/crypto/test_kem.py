import pytest

from phalanx.crypto import (
    ML_KEM_768,
    ML_KEM_1024,
    X25519,
    X25519_ML_KEM_768,
    DecapsulationKey,
    EncapsulationKey,
    InvalidKey,
    Kind,
    algorithm,
    algorithms,
)
from phalanx.crypto._kem import combine

pytestmark = pytest.mark.requirement("CRY-1")
EVERY = [one.name for one in algorithms(Kind.KEM)]


def changed(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_x25519_agrees_with_rfc_9180():
    """RFC 9180 §A.1.1: skRm, enc and shared_secret of DHKEM(X25519, HKDF-SHA256)."""
    key = DecapsulationKey(X25519, bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"))
    enc = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
    assert key.decapsulate(enc).hex() == "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc"


@pytest.mark.parametrize("name", EVERY)
def test_both_sides_get_one_key_and_sizes_are_those_of_the_catalogue(name):
    key, known = DecapsulationKey.generate(name), algorithm(name)
    shared, ciphertext = key.public.encapsulate()
    assert key.decapsulate(ciphertext) == shared
    assert (len(key.seed), len(key.public.raw), len(ciphertext), len(shared)) == (
        known.private_bytes,
        known.public_bytes,
        known.output_bytes,
        32,
    )
    assert key.public.encapsulate()[0] != shared


@pytest.mark.parametrize("name", EVERY)
def test_a_changed_ciphertext_or_another_key_gives_another_shared_key(name):
    key, other = DecapsulationKey.generate(name), DecapsulationKey.generate(name)
    shared, ciphertext = key.public.encapsulate()
    assert other.decapsulate(ciphertext) != shared
    for at in (0, len(ciphertext) // 2, len(ciphertext) - 1):
        assert key.decapsulate(changed(ciphertext, at)) != shared


@pytest.mark.parametrize("name", EVERY)
def test_keys_come_back_from_their_bytes(name):
    key = DecapsulationKey.generate(name)
    shared, ciphertext = EncapsulationKey.from_bytes(key.public.to_bytes()).encapsulate()
    again = DecapsulationKey.from_bytes(key.to_bytes())
    assert again.decapsulate(ciphertext) == shared
    assert again.public == key.public
    assert hash(again.public) == hash(key.public)
    assert again.public.fingerprint == key.public.fingerprint
    assert key.seed.hex() not in repr(key)


def test_the_hybrid_stands_on_either_half_and_on_the_whole_exchange():
    """Every part that goes into the hybrid's key changes it: a broken half leaves the other in."""
    parts = [bytes(32), bytes(32), bytes(1_120), bytes(1_216)]
    made = {combine(*parts)}
    for at, part in enumerate(parts):
        for byte in (0, len(part) - 1):
            made.add(combine(*parts[:at], changed(part, byte), *parts[at + 1 :]))
    assert len(made) == 9


def test_the_hybrid_holds_both_halves():
    key = DecapsulationKey.generate(X25519_ML_KEM_768)
    shared, ciphertext = key.public.encapsulate()
    first = DecapsulationKey(X25519, key.seed[:32]).decapsulate(ciphertext[:32])
    second = DecapsulationKey(ML_KEM_768, key.seed[32:]).decapsulate(ciphertext[32:])
    assert shared == combine(first, second, ciphertext, key.public.raw)


@pytest.mark.parametrize("name", [X25519, X25519_ML_KEM_768])
def test_a_point_of_small_order_is_refused(name):
    key = DecapsulationKey.generate(name)
    with pytest.raises(InvalidKey, match="ciphertext"):
        key.decapsulate(bytes(32) + key.public.encapsulate()[1][32:])
    with pytest.raises(InvalidKey, match="public key"):
        EncapsulationKey(name, bytes(32) + key.public.raw[32:]).encapsulate()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: DecapsulationKey("Ed25519", bytes(32)), "'Ed25519' is none of X25519"),
        (lambda: DecapsulationKey.generate("ML-KEM-512"), "'ML-KEM-512' is none of"),
        (lambda: DecapsulationKey(ML_KEM_768, bytes(32)), "it has 32 bytes, not 64"),
        (lambda: EncapsulationKey(ML_KEM_1024, bytes(1_184)), "it has 1184 bytes, not 1568"),
        (lambda: EncapsulationKey(ML_KEM_768, b"\xff" * 1_184), "ML-KEM-768 public key"),
        (lambda: DecapsulationKey.generate(ML_KEM_768).decapsulate(b"short"), "it has 5 bytes, not 1088"),
        (lambda: EncapsulationKey.from_bytes(DecapsulationKey.generate(X25519).to_bytes()), "it is a decapsulation"),
    ],
)
def test_what_is_no_key_or_ciphertext_is_refused(make, reason):
    with pytest.raises(InvalidKey, match=reason):
        make()
