"""Signed lists of what an issuer has revoked, and when one list may take the place of another.

Invariants:

- a list is complete: everything its issuer revoked and that still matters. One list says it all,
  so a node that was away needs the newest and nothing between;
- numbers of one issuer only grow. An older list is refused (somebody hides revocations), and so
  is another list of the same number (its issuer, or whoever has its key, says two things);
- nothing is taken back: a newer list that misses an entry is refused, unless that entry only
  marked a rotation and its certificate has expired since;
- an issuer revokes what lies beneath its name, and nothing else.

The direct trust model of RFC 5280 §5 CRLs (complete, numbered), without deltas or distribution
points: lists travel over whatever two nodes share.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import msgspec

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.crypto import InvalidSignature, SigningKey, VerifyingKey
from phalanx.crypto.identity._errors import InvalidCertificate, ListForked, ListRolledBack
from phalanx.crypto.identity._limits import MAX_LIST_BYTES, MAX_REASON_CHARS, MAX_REVOCATIONS
from phalanx.crypto.identity._model import Subject

_DOMAIN = b"phalanx revocation list v1\x00"
_VERSION = 1


class Why(Enum):
    """Why a certificate is revoked. ``KEY_COMPROMISED`` holds for all time: nothing the key signed counts."""

    KEY_COMPROMISED = "key-compromised"
    SUPERSEDED = "superseded"
    CEASED = "ceased"


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One revoked certificate: from ``since_ns`` on it counts for nothing."""

    serial: str
    subject: str
    why: Why
    since_ns: int
    not_after_ns: int
    note: str = ""

    def __post_init__(self) -> None:
        if len(self.note) > MAX_REASON_CHARS:
            raise ValueError(f"the note has more than {MAX_REASON_CHARS} characters")

    @property
    def reason(self) -> str:
        return f"{self.why.value} ({self.note})" if self.note else self.why.value


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="revocations"):
    v: int = _VERSION
    issuer: str
    issuer_key: str
    number: int
    at_ns: int
    entries: tuple[Revocation, ...]
    signature_algorithm: str


class _Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    body: bytes
    signature: bytes


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_bodies = msgspec.msgpack.Decoder(_Body)
_signed = msgspec.msgpack.Decoder(_Signed)


@dataclass(frozen=True)
class RevocationList:
    """One issuer's list. Who signed it, and whether that may, is checked by ``require_signature_of``."""

    issuer: Subject
    issuer_key: str
    number: int
    at_ns: int
    entries: tuple[Revocation, ...]
    signature_algorithm: str
    part: bytes
    signature: bytes
    raw: bytes

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()

    def require_signature_of(self, key: VerifyingKey) -> None:
        """Raises ``InvalidSignature``."""
        if key.algorithm != self.signature_algorithm or key.fingerprint != self.issuer_key:
            raise InvalidSignature(self.signature_algorithm)
        key.verify(_DOMAIN + self.part, self.signature)

    def to_bytes(self) -> bytes:
        return self.raw

    @classmethod
    def from_bytes(cls, data: bytes) -> "RevocationList":
        """Raises ``InvalidCertificate``."""
        if len(data) > MAX_LIST_BYTES:
            raise InvalidCertificate("revocation list", f"it has {len(data)} bytes, more than {MAX_LIST_BYTES}")
        try:
            signed = _signed.decode(data)
            body = _bodies.decode(signed.body)
            issuer = Subject.parse(body.issuer)
            subjects = [Subject.parse(entry.subject) for entry in body.entries]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidCertificate("revocation list", str(error)) from error
        except InvalidInput as error:
            raise InvalidCertificate("revocation list", error.message) from error
        serials = [entry.serial for entry in body.entries]
        problems = {
            "it is not spelled the one way it can be": _encoder.encode(body) != signed.body
            or _encoder.encode(signed) != data,
            f"version {body.v} is not known": body.v != _VERSION,
            "its number is not positive": body.number < 1,
            "its entries are not in order or not distinct": serials != sorted(set(serials)),
            f"it has more than {MAX_REVOCATIONS} entries": len(serials) > MAX_REVOCATIONS,
            f"{issuer} revokes what does not lie beneath it": not all(issuer.governs(one) for one in subjects),
        }
        for problem, there in problems.items():
            if there:
                raise InvalidCertificate("revocation list", problem)
        return cls(
            issuer, body.issuer_key, body.number, body.at_ns, body.entries,
            body.signature_algorithm, signed.body, signed.signature, data,
        )  # fmt: skip


def sign_list(
    issuer: Subject, key: SigningKey, *, number: int, at_ns: int, entries: tuple[Revocation, ...]
) -> RevocationList:
    """A signed list. Raises ``LimitExceeded`` when it would be too long to carry."""
    if len(entries) > MAX_REVOCATIONS:
        raise LimitExceeded(f"revocations of {issuer}", maximum=MAX_REVOCATIONS, seen=len(entries))
    body = _Body(
        issuer=str(issuer),
        issuer_key=key.public.fingerprint,
        number=number,
        at_ns=at_ns,
        entries=tuple(sorted(entries, key=lambda entry: entry.serial)),
        signature_algorithm=key.algorithm,
    )
    part = _encoder.encode(body)
    return RevocationList.from_bytes(_encoder.encode(_Signed(body=part, signature=key.sign(_DOMAIN + part))))


def forgettable(entry: Revocation, at_ns: int) -> bool:
    """Whether a later list may leave ``entry`` out: it marked a rotation, and its certificate has expired."""
    return entry.why is Why.SUPERSEDED and entry.not_after_ns <= at_ns


def check_succession(known: RevocationList | None, offered: RevocationList) -> bool:
    """Whether ``offered`` is news after ``known``. Raises ``ListRolledBack`` or ``ListForked``."""
    if known is None:
        return True
    issuer = str(offered.issuer)
    if offered.number < known.number:
        raise ListRolledBack(issuer, offered.number, f"number {known.number} is known already")
    if offered.number == known.number:
        if offered.digest != known.digest:
            raise ListForked(issuer, offered.number, "another list of this number is known")
        return False
    kept = {entry.serial: entry for entry in offered.entries}
    for entry in known.entries:
        later = kept.get(entry.serial)
        if later is None and not forgettable(entry, offered.at_ns):
            raise ListForked(issuer, offered.number, f"it takes back the revocation of {entry.subject}")
        if later is not None and (later.since_ns > entry.since_ns or later.subject != entry.subject):
            raise ListForked(issuer, offered.number, f"it weakens the revocation of {entry.subject}")
    return True


class Listed:
    """A ``Standing`` from lists alone, for whoever checks a chain away from any node."""

    def __init__(self, *lists: RevocationList) -> None:
        entries = [entry for one in lists for entry in one.entries]
        # Two issuers may have revoked one certificate: the earlier date stands.
        latest_first = sorted(entries, key=lambda entry: -entry.since_ns)
        self._revoked = {(entry.subject, entry.serial): entry for entry in latest_first}

    def get(self, subject: Subject, serial: str) -> Revocation | None:
        return self._revoked.get((str(subject), serial))

    def revoked(self, subject: Subject, serial: str, at_ns: int) -> str:
        found = self.get(subject, serial)
        return found.reason if found is not None and found.since_ns <= at_ns else ""

    def epoch(self, subject: Subject, at_ns: int) -> int:  # noqa: ARG002 - the protocol's signature
        return 0
