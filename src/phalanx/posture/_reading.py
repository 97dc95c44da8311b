"""From bytes of a file to the certificates and keys in them. Pure; whatever the bytes, nothing is raised.

PEM of any kind (RFC 7468), DER of certificates and keys, OpenSSH private keys, and lines of public keys as
they stand in ``authorized_keys``. A private key that is encrypted is listed without its algorithm.
"""

import hashlib
import re
import warnings
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519
from cryptography.utils import CryptographyDeprecationWarning

from phalanx.core import NS_PER_S
from phalanx.posture._limits import MAX_NAME_CHARS, MAX_PER_FILE
from phalanx.posture._model import Asset, Use

# Odd certificates are what an inventory is there to find, and no mistake of ours.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module=__name__)

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n.+?-----END \1-----", re.DOTALL)
_SSH_LINE = re.compile(rb"^(?:[^\n#]* )?((?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]{16,16000})(?: |$)", re.MULTILINE)
_BAD = (ValueError, TypeError, UnsupportedAlgorithm, OverflowError)


def assets_in(data: bytes, where: str) -> list[Asset]:
    """Every certificate and key in the file, in order; none in one that holds none."""
    found: list[Asset] = []
    for asset in _all(data, where):
        found.append(asset)
        if len(found) == MAX_PER_FILE:
            break
    return found


def _all(data: bytes, where: str) -> Iterator[Asset]:
    blocks = list(_PEM.finditer(data))
    for block in blocks:
        yield from _pem(block[1].decode(), block[0], where)
    if blocks:
        return
    lines = list(_SSH_LINE.finditer(data)) if b"AAAA" in data else []
    for line in lines:
        yield from _public(lambda text=line[1]: serialization.load_ssh_public_key(text), where, "SSH public key")
    # Nothing else begins like this: a sequence with two bytes of length.
    if not lines and data[:2] == b"\x30\x82":
        yield from _der(data, where)


def _pem(label: str, block: bytes, where: str) -> Iterator[Asset]:
    if label == "CERTIFICATE":
        yield from _certificate(lambda: x509.load_pem_x509_certificate(block), where)
    elif label == "OPENSSH PRIVATE KEY":
        yield from _private(lambda: serialization.load_ssh_private_key(block, password=None), where)
    elif label.endswith("PRIVATE KEY"):
        yield from _private(lambda: serialization.load_pem_private_key(block, password=None), where)
    elif label.endswith("PUBLIC KEY"):
        yield from _public(lambda: serialization.load_pem_public_key(block), where, "public key")


def _der(data: bytes, where: str) -> Iterator[Asset]:
    certificates = list(_certificate(lambda: x509.load_der_x509_certificate(data), where))
    yield from certificates
    if not certificates:
        keys = list(_private(lambda: serialization.load_der_private_key(data, password=None), where, sealed=False))
        yield from keys or _public(lambda: serialization.load_der_public_key(data), where, "public key")


def _certificate(load: Any, where: str) -> Iterator[Asset]:
    try:
        made: x509.Certificate = load()
        algorithm, size = described(made.public_key())
        signed_with = made.signature_algorithm_oid._name  # noqa: SLF001 - the library shows the name nowhere else
        yield Asset(
            form="certificate", name=_short(made.subject.rfc4514_string()), where=where,
            algorithm=algorithm, size=size, use=_use_of(made, algorithm), signed_with=signed_with,
            issuer=_short(made.issuer.rfc4514_string()),
            not_before_ns=int(made.not_valid_before_utc.timestamp()) * NS_PER_S,
            until_ns=int(made.not_valid_after_utc.timestamp()) * NS_PER_S,
            digest=hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest(),
        )  # fmt: skip
    except _BAD:
        return


def _private(load: Any, where: str, *, sealed: bool = True) -> Iterator[Asset]:
    try:
        key = load()
    except TypeError:
        # It wants a password: there is a key, and what kind is not ours to see.
        if sealed:
            yield Asset("private-key", "encrypted private key", where, "unknown", "", Use.BOTH)
        return
    except _BAD:
        return
    try:
        algorithm, size = described(key.public_key())
    except _BAD:
        return
    yield Asset(
        form="private-key", name="private key", where=where, algorithm=algorithm, size=size,
        use=_use_of_key(algorithm), digest=_digest_of(key.public_key()),
    )  # fmt: skip


def _public(load: Any, where: str, name: str) -> Iterator[Asset]:
    try:
        key = load()
        algorithm, size = described(key)
    except _BAD:
        return
    yield Asset(
        form="public-key", name=name, where=where, algorithm=algorithm, size=size, use=_use_of_key(algorithm),
        digest=_digest_of(key),
    )  # fmt: skip


def described(key: Any) -> tuple[str, str]:
    """The algorithm of a public key as a standard names it, and its size."""
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", str(key.key_size)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ECDSA", key.curve.name
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", str(key.key_size)
    # By name: that the library lets go of this kind is no reason not to see one.
    if type(key).__name__ == "DHPublicKey":
        return "DH", str(key.key_size)
    for kind, name in (
        (ed25519.Ed25519PublicKey, "Ed25519"),
        (ed448.Ed448PublicKey, "Ed448"),
        (x25519.X25519PublicKey, "X25519"),
        (x448.X448PublicKey, "X448"),
    ):
        if isinstance(key, kind):
            return name, ""
    # The library names its post-quantum keys by their parameter sets: MLDSA65PublicKey.
    found = re.fullmatch(r"ML(DSA|KEM)(\d+)PublicKey", type(key).__name__)
    return (f"ML-{found[1]}", found[2]) if found else (type(key).__name__.removesuffix("PublicKey"), "")


def _use_of(made: x509.Certificate, algorithm: str) -> Use:
    """What a certificate says its key is for; where it says nothing, what such a key can do."""
    try:
        usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, *_BAD):
        return _use_of_key(algorithm)
    signs = usage.digital_signature or usage.key_cert_sign or usage.crl_sign
    agrees = usage.key_encipherment or usage.key_agreement
    return Use.BOTH if signs and agrees else Use.KEY_ESTABLISHMENT if agrees else Use.SIGNATURE


def _use_of_key(algorithm: str) -> Use:
    if algorithm in ("RSA", "unknown"):
        return Use.BOTH
    return Use.KEY_ESTABLISHMENT if algorithm in ("DH", "X25519", "X448", "ML-KEM") else Use.SIGNATURE


def _digest_of(key: Any) -> str:
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _short(text: str) -> str:
    return "".join(char if char.isprintable() else "·" for char in text[:MAX_NAME_CHARS])
