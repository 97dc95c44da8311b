"""Signed notes (C2SP signed-note): a text, an empty line, and one line per signature.

A verifier ignores signatures of keys it does not know, so witnesses can add theirs later.
A key is named by its name and a 32-bit id made of name, signature type and public key.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from phalanx.ledger._errors import InvalidCheckpoint
from phalanx.ledger._limits import MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES

_KEY_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line, its meaning still unknown."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)

    def signature_of(self, name: str, key_id: bytes) -> bytes | None:
        """The signature that claims to be by this key."""
        for signature in self.signatures:
            if (signature.name, signature.key_id) == (name, key_id):
                return signature.signature
        return None


def key_id(name: str, signature_type: int, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([signature_type]) + public_key).digest()[:_KEY_ID_BYTES]


def parse_note(note: str) -> Note:
    """Raises ``InvalidCheckpoint``. Says nothing about whether a signature holds."""
    try:
        n_bytes = len(note.encode())
    except UnicodeEncodeError as error:
        raise InvalidCheckpoint("it is not text") from error
    if n_bytes > MAX_NOTE_BYTES:
        raise InvalidCheckpoint(f"it is longer than {MAX_NOTE_BYTES} bytes")
    if any(character < " " and character != "\n" for character in note):
        raise InvalidCheckpoint("it holds control characters")
    text, separator, block = note.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise InvalidCheckpoint("it is not a text, an empty line and signatures")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_NOTE_SIGNATURES:
        raise InvalidCheckpoint(f"it has more than {MAX_NOTE_SIGNATURES} signatures")
    return Note(text + "\n", tuple(_parse_line(line) for line in lines))


def decode_base64(text: str) -> bytes:
    """Standard base64 in its one canonical form, so that no two notes say the same."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidCheckpoint(f"base64 in it cannot be read: {error}") from error
    if base64.b64encode(raw).decode() != text:
        raise InvalidCheckpoint("base64 in it is not canonical")
    return raw


def _parse_line(line: str) -> NoteSignature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = decode_base64(encoded)
    if dash != "—" or not name or "+" in name or len(raw) <= _KEY_ID_BYTES:
        raise InvalidCheckpoint("a signature line cannot be read")
    return NoteSignature(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])
