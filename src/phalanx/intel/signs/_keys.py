"""Public keys out of files and text, and what is wrong with them. Pure.

What is found here says that a key is weak, and so that whoever wants to can break it with the computers of today. That
is no sign of a quantum computer; it is a key that has to be replaced first.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.intel.signs._limits import FERMAT_ROUNDS, MAX_KEY_FILE_BYTES, MAX_KEYS, MAX_MODULUS_BITS
from phalanx.intel.signs._model import Certainty, SeenKey, Sign
from phalanx.intel.signs._numbers import close_factor, looks_like_roca, shared_factors, small_factor

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_SSH = re.compile(rb"\b(?:ssh-rsa|ssh-ed25519|ssh-dss|ecdsa-sha2-nistp\d{3}) [A-Za-z0-9+/]{40,}={0,2}")
# NIST SP 800-131A: below this an RSA key must not be used.
_LEAST_RSA_BITS = 2_048
_LEAST_EXPONENT = 65_537


def keys_in(data: bytes, where: str) -> Iterator[SeenKey]:
    """Public keys of certificates, of PEM and of SSH's lines in ``data``; what cannot be read is left."""
    if len(data) > MAX_KEY_FILE_BYTES:
        raise LimitExceeded("bytes of a file of keys", maximum=MAX_KEY_FILE_BYTES, seen=len(data))
    for found in _PEM.finditer(data):
        yield from _of_pem(found.group(), found.group(1), where)
    for found in _SSH.finditer(data):
        try:
            yield _seen(serialization.load_ssh_public_key(found.group()), where)
        except (ValueError, UnsupportedAlgorithm):
            continue
    if data[:1] == b"\x30":
        try:
            yield _seen(x509.load_der_x509_certificate(data).public_key(), where)
        except (ValueError, UnsupportedAlgorithm):
            return


def certificate_key(text: str, where: str) -> SeenKey:
    """The key of a certificate in base64 or hexadecimal, as sensors log it. Raises ``InvalidInput``."""
    try:
        raw = bytes.fromhex(text) if re.fullmatch(r"[0-9A-Fa-f]+", text) else base64.b64decode(text, validate=True)
        return _seen(x509.load_der_x509_certificate(raw).public_key(), where)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput("certificate", f"it cannot be read: {error}") from error


def weaknesses(keys: Sequence[SeenKey]) -> list[Sign]:
    """What is wrong with ``keys``, each key once, those that are proven first."""
    if len(keys) > MAX_KEYS:
        raise LimitExceeded("keys checked at once", maximum=MAX_KEYS, seen=len(keys))
    by_fingerprint: dict[str, SeenKey] = {}
    for key in keys:
        by_fingerprint.setdefault(key.fingerprint, key)
    known = list(by_fingerprint.values())
    rsa_keys = list({key.modulus: key for key in known if key.modulus}.values())
    signs = [sign for key in known for sign in _of_key(key)]
    for place, factor in shared_factors([key.modulus for key in rsa_keys]).items():
        key = rsa_keys[place]
        signs.append(_proven(
            "shared-factor", key, factor, "its modulus shares a factor with another key's: both are broken, "
            "and whoever made them had too little randomness",
        ))  # fmt: skip
    return sorted(signs, key=lambda sign: (sign.certainty is not Certainty.PROVEN, sign.kind, sign.key.where))


def _of_key(key: SeenKey) -> Iterator[Sign]:
    if not key.modulus:
        return
    factor = small_factor(key.modulus)
    if factor:
        yield _proven("small-factor", key, factor, f"{factor} divides its modulus: it is broken")
    factor = close_factor(key.modulus, FERMAT_ROUNDS)
    if factor and factor != key.modulus:
        yield _proven("close-factors", key, factor, "its factors lie so close that Fermat's method finds them")
    if looks_like_roca(key.modulus):
        yield Sign(
            "roca", Certainty.PATTERN, key,
            "its modulus has the fingerprint of CVE-2017-15361; one sound key in a hundred million has it too",
        )  # fmt: skip
    if key.bits < _LEAST_RSA_BITS:
        yield Sign(
            "short", Certainty.PATTERN, key,
            f"RSA of {key.bits} bits is below what NIST SP 800-131A allows; that it was broken is not said",
        )  # fmt: skip
    if key.exponent < _LEAST_EXPONENT:
        yield Sign(
            "small-exponent", Certainty.PATTERN, key,
            f"its public exponent is {key.exponent}: safe only with sound padding",
        )  # fmt: skip


def _proven(kind: str, key: SeenKey, factor: int, told: str) -> Sign:
    if not 1 < factor <= key.modulus or key.modulus % factor:
        raise AssertionError(f"{factor} does not divide the modulus of {key.where}")
    return Sign(kind, Certainty.PROVEN, key, told, proof=f"{factor:x}")


def _of_pem(data: bytes, label: bytes, where: str) -> Iterator[SeenKey]:
    try:
        if label == b"CERTIFICATE":
            yield _seen(x509.load_pem_x509_certificate(data).public_key(), where)
        elif label in (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"):
            yield _seen(x509.load_pem_x509_csr(data).public_key(), where)
        elif label.endswith(b"PUBLIC KEY"):
            yield _seen(serialization.load_pem_public_key(data), where)
    except (ValueError, UnsupportedAlgorithm):
        return


def _seen(key: object, where: str) -> SeenKey:
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        if numbers.n.bit_length() > MAX_MODULUS_BITS:
            raise ValueError(f"a modulus of {numbers.n.bit_length()} bits is too long")
        digest = hashlib.sha256(f"rsa {numbers.n:x} {numbers.e:x}".encode()).hexdigest()
        return SeenKey(where, "RSA", numbers.n.bit_length(), digest, numbers.n, numbers.e)
    encoded = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    name = f"EC {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__.strip("_")
    bits = int(getattr(key, "key_size", 0) or 256)
    return SeenKey(where, name.removesuffix("PublicKey"), bits, hashlib.sha256(encoded).hexdigest())
