"""The certificate: what an issuer says of a subject's key, in one signed, self-describing record.

Invariants:

- the signature covers the bytes as they are, behind a domain of its own; a key that signs
  certificates can sign other things without one passing for the other;
- bytes have one reading and one spelling: what does not encode back to itself is refused, so a
  fingerprint names one certificate;
- key and signature algorithms are named inside what is signed, so none can be swapped for another;
- a certificate of epoch n + 1 carries, besides its issuer's, the signature of the key of epoch n
  over the same bytes under a second domain: whoever trusted the old key can follow to the new one.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import msgspec

from phalanx.core import InvalidInput
from phalanx.crypto import CryptoError, EncapsulationKey, InvalidSignature, SigningKey, VerifyingKey
from phalanx.crypto.identity._errors import InvalidCertificate
from phalanx.crypto.identity._limits import CLOCK_SKEW_NS, MAX_CERTIFICATE_BYTES, MAX_LIFETIME_NS
from phalanx.crypto.identity._model import USES, Subject, Use

_DOMAIN = b"phalanx certificate v1\x00"
_SUCCESSION_DOMAIN = b"phalanx certificate succession v1\x00"
_VERSION = 1
SERIAL_BYTES = 16


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="certificate"):
    """What is signed. ``kem_key`` is empty when the subject has none; times are wall time."""

    v: int = _VERSION
    serial: str
    subject: str
    issuer: str
    issuer_key: str
    key_algorithm: str
    key: bytes
    kem_algorithm: str = ""
    kem_key: bytes = b""
    epoch: int
    not_before_ns: int
    not_after_ns: int
    uses: tuple[str, ...]
    signature_algorithm: str


class Succession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signature of the subject's key of the epoch before."""

    key: str
    signature_algorithm: str
    signature: bytes


class _Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    body: bytes
    signature: bytes
    succession: Succession | None = None


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_bodies = msgspec.msgpack.Decoder(Body)
_signed = msgspec.msgpack.Decoder(_Signed)


@dataclass(frozen=True)
class Certificate:
    """A certificate as it was read or made. Its signatures are checked by ``validate``, not by reading it.

    ``part`` is what is signed, ``raw`` the whole.
    """

    body: Body
    subject: Subject
    issuer: Subject
    uses: frozenset[Use]
    key: VerifyingKey
    kem_key: EncapsulationKey | None
    part: bytes
    signature: bytes
    succession: Succession | None
    raw: bytes

    @property
    def serial(self) -> str:
        return self.body.serial

    @property
    def epoch(self) -> int:
        return self.body.epoch

    @property
    def not_before_ns(self) -> int:
        return self.body.not_before_ns

    @property
    def not_after_ns(self) -> int:
        return self.body.not_after_ns

    @cached_property
    def key_fingerprint(self) -> str:
        """What people compare: SHA-256 of the named public key, in hex."""
        return self.key.fingerprint

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the whole certificate: names this one and no other."""
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def is_root(self) -> bool:
        return self.subject == self.issuer

    def require_signature_of(self, issuer: VerifyingKey) -> None:
        """Raises ``InvalidSignature`` unless ``issuer`` signed this certificate."""
        if issuer.algorithm != self.body.signature_algorithm:
            raise InvalidSignature(self.body.signature_algorithm)
        issuer.verify(_DOMAIN + self.part, self.signature)

    def require_successor_of(self, earlier: "Certificate") -> None:
        """Raises ``InvalidSignature`` unless the key of ``earlier`` signed this as its own next epoch."""
        link = self.succession
        if (
            link is None
            or link.key != earlier.key_fingerprint
            or link.signature_algorithm != earlier.key.algorithm
            or self.subject != earlier.subject
            or self.epoch <= earlier.epoch
        ):
            raise InvalidSignature(earlier.key.algorithm)
        earlier.key.verify(_SUCCESSION_DOMAIN + self.part, link.signature)

    def to_bytes(self) -> bytes:
        return self.raw

    @classmethod
    def from_bytes(cls, data: bytes) -> "Certificate":
        """Raises ``InvalidCertificate`` for anything that is not one in the form we write."""
        if len(data) > MAX_CERTIFICATE_BYTES:
            raise InvalidCertificate("certificate", f"it has {len(data)} bytes, more than {MAX_CERTIFICATE_BYTES}")
        try:
            signed = _signed.decode(data)
            body = _bodies.decode(signed.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidCertificate("certificate", str(error)) from error
        if _encoder.encode(body) != signed.body or _encoder.encode(signed) != data:
            raise InvalidCertificate("certificate", "it is not spelled the one way it can be")
        return _read(body, signed, data)


def _read(body: Body, signed: _Signed, raw: bytes) -> Certificate:
    try:
        subject, issuer = Subject.parse(body.subject), Subject.parse(body.issuer)
        uses = tuple(Use(use) for use in body.uses)
        key = VerifyingKey.from_bytes(body.key)
        kem_key = EncapsulationKey.from_bytes(body.kem_key) if body.kem_key else None
    except (InvalidInput, CryptoError) as error:
        raise InvalidCertificate("certificate", error.message) from error
    except ValueError as error:
        raise InvalidCertificate("certificate", str(error)) from error
    problems = {
        f"version {body.v} is not known": body.v != _VERSION,
        "the serial is not hexadecimal": len(body.serial) != 2 * SERIAL_BYTES or not _is_hex(body.serial),
        "the key is of another algorithm than it says": body.key_algorithm != key.algorithm,
        "the KEM key is of another algorithm than it says": body.kem_algorithm
        != (kem_key.algorithm if kem_key else ""),
        "the uses are not in order or not distinct": list(body.uses) != sorted(set(body.uses)),
        f"a {subject.kind.value} has no such use": not set(uses) <= set(USES[subject.kind]),
        "its epoch is not positive": body.epoch < 1,
        "its validity is empty or too long": not 0
        < body.not_after_ns - body.not_before_ns
        <= MAX_LIFETIME_NS + CLOCK_SKEW_NS,
        "a first epoch has no earlier key": signed.succession is not None and body.epoch == 1,
    }
    for problem, there in problems.items():
        if there:
            raise InvalidCertificate("certificate", problem)
    return Certificate(
        body, subject, issuer, frozenset(uses), key, kem_key, signed.body, signed.signature, signed.succession, raw
    )


def _is_hex(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Request:
    """What a certificate is to say; the issuer adds itself and signs."""

    subject: Subject
    key: VerifyingKey
    serial: str
    epoch: int
    not_before_ns: int
    not_after_ns: int
    uses: Collection[Use]
    kem_key: EncapsulationKey | None = None


def sign_certificate(request: Request, issuer: SigningKey, *, earlier: SigningKey | None = None) -> Certificate:
    """A certificate for ``request``. ``earlier`` is the subject's key of the epoch before, for a rotation."""
    kem = request.kem_key
    body = Body(
        serial=request.serial,
        subject=str(request.subject),
        issuer=str(request.subject.issuer),
        issuer_key=issuer.public.fingerprint,
        key_algorithm=request.key.algorithm,
        key=request.key.to_bytes(),
        kem_algorithm=kem.algorithm if kem else "",
        kem_key=kem.to_bytes() if kem else b"",
        epoch=request.epoch,
        not_before_ns=request.not_before_ns,
        not_after_ns=request.not_after_ns,
        uses=tuple(sorted(use.value for use in request.uses)),
        signature_algorithm=issuer.algorithm,
    )
    part = _encoder.encode(body)
    succession = None
    if earlier is not None:
        succession = Succession(
            key=earlier.public.fingerprint,
            signature_algorithm=earlier.algorithm,
            signature=earlier.sign(_SUCCESSION_DOMAIN + part),
        )
    signed = _Signed(body=part, signature=issuer.sign(_DOMAIN + part), succession=succession)
    return Certificate.from_bytes(_encoder.encode(signed))
