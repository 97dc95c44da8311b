"""Keys of logs and witnesses as they stand in settings: C2SP verifier keys (``name+id+base64``).

A key is a name, a signature type and a public key (signed-note, tlog-cosignature):

- 0x01 Ed25519 over the text of a log's note;
- 0x04 Ed25519 over ``cosignature/v1``, the time and that text;
- 0x06 ML-DSA-44 over the ``cosigned_message``, which binds the signer's name as well.

A log or witness may have several. It is taken at its word only where *all* of them signed, so
that whoever breaks one algorithm has gained nothing.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from phalanx.core import InvalidInput
from phalanx.crypto import ED25519, ML_DSA_44, CryptoError, HybridSigner, PublicKey, VerifyingKey
from phalanx.ledger._checkpoint import (
    ED25519_NOTE,
    ML_DSA_44_COSIGNATURE,
    TIMESTAMP,
    cosigned_message,
    is_name,
    read_text,
)
from phalanx.ledger._errors import InvalidCheckpoint
from phalanx.ledger._note import Note, NoteSignature, decode_base64, key_id, parse_note

ED25519_COSIGNATURE = 0x04
_ALGORITHMS = {ED25519_NOTE: ED25519, ED25519_COSIGNATURE: ED25519, ML_DSA_44_COSIGNATURE: ML_DSA_44}
_TIMED = (ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE)
_MAX_TIME_S = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Head:
    """What a checkpoint says, its signatures not looked at. ``text`` is what is signed."""

    origin: str
    size: int
    root: bytes
    text: str

    @classmethod
    def of(cls, note: Note) -> "Head":
        origin, size, root = read_text(note.text)
        return cls(origin, size, root, note.text)


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier key: who signs, in which way, with what. Its text is its vkey."""

    name: str
    signature_type: int
    key: VerifyingKey

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.signature_type, self.key.raw)

    def __str__(self) -> str:
        packed = base64.b64encode(bytes([self.signature_type]) + self.key.raw).decode()
        return f"{self.name}+{self.id.hex()}+{packed}"

    @classmethod
    def from_text(cls, text: str) -> "NoteKey":
        """Raises ``InvalidInput``."""
        name, _, rest = text.partition("+")
        identifier, _, encoded = rest.partition("+")
        try:
            packed = decode_base64(encoded)
            kind = packed[0] if packed else 0
            if kind not in _ALGORITHMS:
                raise InvalidInput("verifier key", f"its signature type {kind:#04x} is none that is known here")
            made = cls(name, kind, VerifyingKey(_ALGORITHMS[kind], packed[1:]))
        except (InvalidCheckpoint, CryptoError) as error:
            raise InvalidInput("verifier key", error.message) from error
        if not is_name(name) or made.id.hex() != identifier:
            raise InvalidInput("verifier key", "it is not `name+id+base64` with the id of this name and key")
        return made

    def verify(self, note: Note, head: Head) -> int | None:
        """The time this key says it signed ``head`` at, None for a type without; raises ``InvalidCheckpoint``."""
        found = note.signature_of(self.name, self.id)
        if found is None:
            raise InvalidCheckpoint(f"the {self.key.algorithm} signature of {self.name} is missing")
        signed_at_s = None
        if self.signature_type in _TIMED:
            if len(found) <= TIMESTAMP.size:
                raise InvalidCheckpoint(f"the {self.key.algorithm} signature of {self.name} is too short")
            (signed_at_s,) = TIMESTAMP.unpack_from(found)
            if signed_at_s > _MAX_TIME_S:
                raise InvalidCheckpoint(f"the {self.key.algorithm} signature of {self.name} names no time")
            found = found[TIMESTAMP.size :]
        try:
            self.key.verify(_message(self, head, signed_at_s or 0), found)
        except CryptoError as error:
            raise InvalidCheckpoint(f"{error.message} ({self.name})") from error
        return signed_at_s


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A log as others know it: its origin and the keys that sign its checkpoints."""

    origin: str
    keys: tuple[NoteKey, ...]

    @classmethod
    def of(cls, origin: str, key: PublicKey) -> "TrustedLog":
        """A log of ours: both halves of its node's key."""
        return cls(
            origin,
            (
                NoteKey(origin, ED25519_NOTE, key.classical),
                NoteKey(origin, ML_DSA_44_COSIGNATURE, key.post_quantum),
            ),
        )

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> "TrustedLog":
        """From its verifier keys; raises ``InvalidInput``."""
        keys = _read_keys(texts, (ED25519_NOTE, ML_DSA_44_COSIGNATURE))
        return cls(keys[0].name, keys)

    def read(self, note: str) -> Head:
        """What a note says, once all keys of the log signed it; raises ``InvalidCheckpoint``."""
        return self.read_timed(note)[0]

    def read_timed(self, note: str) -> tuple[Head, int]:
        """The same, and when the log says it signed (0 for keys of types without a time)."""
        parsed = parse_note(note)
        head = Head.of(parsed)
        if head.origin != self.origin:
            raise InvalidCheckpoint(f"it is of the log {head.origin}, not {self.origin}")
        times = [key.verify(parsed, head) or 0 for key in self.keys]
        return head, max(times)

    def own_lines(self, note: str) -> str:
        """The note with the log's own signatures and nobody else's: what is kept and passed on."""
        parsed = parse_note(note)
        ids = {(key.name, key.id) for key in self.keys}
        kept = tuple(one for one in parsed.signatures if (one.name, one.key_id) in ids)
        return str(Note(parsed.text, kept))


@dataclass(frozen=True, slots=True)
class WitnessKeys:
    """A witness as logs and verifiers know it: its name and the keys it cosigns with."""

    name: str
    keys: tuple[NoteKey, ...]

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> "WitnessKeys":
        """From its verifier keys; raises ``InvalidInput``."""
        keys = _read_keys(texts, _TIMED)
        return cls(keys[0].name, keys)

    def verify(self, note: Note, head: Head) -> int:
        """The time of the cosignature, once all keys made theirs; raises ``InvalidCheckpoint``."""
        times = [key.verify(note, head) for key in self.keys]
        return min(time for time in times if time is not None)

    def own_lines(self, signatures: Iterable[NoteSignature]) -> tuple[NoteSignature, ...]:
        """Those of the lines that are by these keys, in the keys' order."""
        by_key = {(one.name, one.key_id): one for one in signatures}
        return tuple(by_key[key.name, key.id] for key in self.keys if (key.name, key.id) in by_key)


class Cosigner:
    """Makes cosignatures with a node's own key, under a name that no log has."""

    def __init__(self, signer: HybridSigner) -> None:
        self._signer = signer
        self.name = f"phalanx-witness/{signer.public.fingerprint[:16]}"
        self.keys = WitnessKeys(
            self.name,
            (
                NoteKey(self.name, ED25519_COSIGNATURE, signer.public.classical),
                NoteKey(self.name, ML_DSA_44_COSIGNATURE, signer.public.post_quantum),
            ),
        )

    def cosign(self, head: Head, at_s: int) -> tuple[NoteSignature, ...]:
        """Says that ``head`` is the largest consistent one seen at ``at_s``. Whether it is, is the caller's duty."""
        time = TIMESTAMP.pack(at_s)
        classical, post_quantum = self.keys.keys
        return (
            NoteSignature(self.name, classical.id, time + self._signer.classical.sign(_message(classical, head, at_s))),
            NoteSignature(
                self.name, post_quantum.id, time + self._signer.post_quantum.sign(_message(post_quantum, head, at_s))
            ),
        )


def _message(key: NoteKey, head: Head, signed_at_s: int) -> bytes:
    if key.signature_type == ED25519_NOTE:
        return head.text.encode()
    if key.signature_type == ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {signed_at_s}\n{head.text}".encode()
    return cosigned_message(key.name, head.origin, head.size, head.root, signed_at_s)


def _read_keys(texts: Sequence[str], types: Sequence[int]) -> tuple[NoteKey, ...]:
    keys = tuple(NoteKey.from_text(text) for text in texts)
    if not keys:
        raise InvalidInput("verifier key", "there is none")
    if len({key.name for key in keys}) > 1:
        raise InvalidInput("verifier key", f"they have different names: {', '.join(key.name for key in keys)}")
    if len({key.signature_type for key in keys}) < len(keys):
        raise InvalidInput("verifier key", f"{keys[0].name} has two of one type")
    for key in keys:
        if key.signature_type not in types:
            allowed = " or ".join(f"{one:#04x}" for one in types)
            raise InvalidInput("verifier key", f"{key.name} has type {key.signature_type:#04x}, not {allowed}")
    return keys
