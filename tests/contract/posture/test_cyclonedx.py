"""A CBOM of everything that there is, validated by the standard's own library against the standard's schema."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa, x25519
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from phalanx.posture import SshOffer, TlsOffer, assets_in, cbom, crypto_in, ssh_assets, tls_assets

SOURCE = b"""
rsa.generate_private_key(65537, 2048)
hashlib.md5(x)
AESGCM(key)
ChaCha20Poly1305(key)
algorithms.TripleDES(key)
algorithms.ARC4(key)
MLKEM768PrivateKey
X25519PrivateKey.generate()
"""


def everything():
    keys = [
        rsa.generate_private_key(65_537, 2048), ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(), x25519.X25519PrivateKey.generate(), mldsa.MLDSA65PrivateKey.generate(),
    ]  # fmt: skip
    for number, key in enumerate(keys):
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        yield from assets_in(pem, f"{number}.pem")
    yield from crypto_in(SOURCE, "a.py")
    yield from tls_assets(TlsOffer("X25519MLKEM768", "TLS_AES_256_GCM_SHA384", b""), "tls://a:443")
    yield from tls_assets(TlsOffer("", "", b"", "its certificate has ended"), "tls://b:443")
    names = ("sntrup761x25519-sha512@openssh.com", "diffie-hellman-group14-sha256")
    yield from ssh_assets(SshOffer("SSH-2.0-x", names, ("ssh-rsa", "ssh-ed25519")), "ssh://c:22")


@pytest.mark.requirement("CRY-5")
def test_the_document_is_valid_by_the_standards_own_validator():
    document = cbom(list(everything()), at_ns=0, version="1")
    assert len(document["components"]) > 20
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(document)) is None
    document["components"][0]["cryptoProperties"]["assetType"] = "no such type"
    assert validator.validate_str(json.dumps(document)) is not None
