"""User keys in NATS' text form."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from phalanx.adapters import OsEntropy
from phalanx.adapters.nats import Nkey
from phalanx.core import InvalidInput

# The pair that NATS' documentation shows (Developing with NATS, "Authenticating with an NKey").
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_the_published_pair():
    assert Nkey.from_seed(SEED).public == PUBLIC


def test_a_new_key_is_read_again_and_signs():
    key = Nkey.generate(OsEntropy())
    assert Nkey.from_seed(f" {key.seed}\n") == key
    assert key.seed.startswith("SU")
    assert key.public.startswith("U")
    raw = base64.b32decode(key.public + "=" * (-len(key.public) % 8))[1:-2]
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(key.sign("nonce")), b"nonce")


def test_the_secret_is_not_shown():
    assert SEED not in repr(Nkey.from_seed(SEED))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SEED[:-1] + "A", "check digits"),
        (SEED[:-8], "check digits"),
        ("not base 32", "not the text of a seed"),
        ("", "check digits"),
        (PUBLIC, "check digits"),
    ],
)
def test_what_is_no_seed(text, reason):
    with pytest.raises(InvalidInput) as caught:
        Nkey.from_seed(text)
    assert reason in caught.value.reason
    assert not text or text not in str(caught.value)
