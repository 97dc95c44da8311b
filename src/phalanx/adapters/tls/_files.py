"""A certificate of one's own for a first start: good for the CLI and sensors that are given it, and nobody else.

ECDSA over P-256, because that is what every client verifies. Whoever breaks it with a quantum
computer can impersonate the listener from then on, but opens nothing that was recorded before:
that is the key exchange's part.
"""

import datetime as dt
import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from phalanx.adapters._limits import SELF_SIGNED_DAYS, SELF_SIGNED_RENEW_DAYS
from phalanx.adapters.keys._keyfile import load_or_create
from phalanx.core import StorageCorrupt

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, GeneralName


def throwaway_certificate() -> "tuple[Certificate, EllipticCurvePrivateKey]":
    """A certificate and its key that nobody keeps."""
    key = _new_key()
    return _certificate(key, ["localhost"], _now()), key


def self_signed_files(
    folder: Path, names: Iterable[str], *, now: Callable[[], float] | None = None
) -> tuple[Path, Path]:
    """``tls.crt`` and ``tls.key`` in ``folder``: those that are there, or new ones when none are or they end soon."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    certificate_file, key_file = folder / "tls.crt", folder / "tls.key"
    at = dt.datetime.fromtimestamp(now(), dt.UTC) if now else _now()
    try:
        found = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        if found.not_valid_after_utc - at < dt.timedelta(days=SELF_SIGNED_RENEW_DAYS):
            certificate_file.unlink()
            key_file.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise StorageCorrupt(str(certificate_file), 0, str(error)) from error
    key = _read_key(key_file, load_or_create(key_file, lambda: _pem(_new_key())))
    load_or_create(certificate_file, lambda: _certificate(key, _sorted(names), at).public_bytes(Encoding.PEM))
    return certificate_file, key_file


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _sorted(names: Iterable[str]) -> list[str]:
    own = {"localhost", "127.0.0.1", "::1", socket.gethostname().lower()}
    return sorted(own | {name.lower() for name in names if not _is_any(name)})


def _is_any(name: str) -> bool:
    """Whether it stands for every address of the machine, which is no name."""
    try:
        return ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return not name


def _certificate(key: "EllipticCurvePrivateKey", names: Sequence[str], at: dt.datetime) -> "Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "phalanx node")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - dt.timedelta(hours=1))
        .not_valid_after(at + dt.timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def _general_name(name: str) -> "GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _new_key() -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: "EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _read_key(file: Path, pem: bytes) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise StorageCorrupt(str(file), 0, str(error)) from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise StorageCorrupt(str(file), 0, "it is no key over a curve")
    return key
