"""Checkpoints (C2SP tlog-checkpoint): origin, size and root of the log, signed twice.

- Ed25519 over the note's text (signed-note, type 0x01);
- ML-DSA-44 over the ``cosigned_message`` of tlog-cosignature (type 0x06), which binds the
  signer's name, the time, the origin, the range ``[0, size)`` and the root.

Ours counts only when both hold. Lines of other keys are left to those who know them.
"""

import base64
import re
import struct
from dataclasses import dataclass

from phalanx.crypto import CryptoError, HybridSigner, PublicKey
from phalanx.ledger._errors import InvalidCheckpoint
from phalanx.ledger._merkle import HASH_BYTES
from phalanx.ledger._note import Note, NoteSignature, decode_base64, key_id, parse_note

ED25519_NOTE = 0x01
ML_DSA_44_COSIGNATURE = 0x06
_LABEL = b"subtree/v1\n\x00"
TIMESTAMP = struct.Struct(">Q")
_MAX_NAME_BYTES = 255
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed tree head. ``note`` is the whole signed text; the rest is what it says."""

    origin: str
    size: int
    root: str
    signed_at_s: int
    note: str


def origin_of(key: PublicKey) -> str:
    """The name of the log that is signed with a node's key."""
    return f"phalanx-ledger/{key.fingerprint[:16]}"


def sign_checkpoint(signer: HybridSigner, origin: str, size: int, root: bytes, signed_at_s: int) -> Checkpoint:
    """A checkpoint whose signer is named like its origin."""
    assert is_name(origin), origin
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    message = cosigned_message(origin, origin, size, root, signed_at_s)
    cosignature = TIMESTAMP.pack(signed_at_s) + signer.post_quantum.sign(message)
    classical_id, post_quantum_id = _key_ids(origin, signer.public)
    signatures = (
        NoteSignature(origin, classical_id, signer.classical.sign(text.encode())),
        NoteSignature(origin, post_quantum_id, cosignature),
    )
    return Checkpoint(origin, size, root.hex(), signed_at_s, str(Note(text, signatures)))


def verify_checkpoint(note: str, key: PublicKey) -> Checkpoint:
    """What a note says, once both signatures of ``key`` hold; raises ``InvalidCheckpoint``."""
    parsed = parse_note(note)
    origin, size, root = read_text(parsed.text)
    classical_id, post_quantum_id = _key_ids(origin, key)
    classical = parsed.signature_of(origin, classical_id)
    cosignature = parsed.signature_of(origin, post_quantum_id)
    if classical is None or cosignature is None:
        missing = "Ed25519" if classical is None else "ML-DSA-44"
        raise InvalidCheckpoint(f"the {missing} signature of the expected key is missing")
    if len(cosignature) <= TIMESTAMP.size:
        raise InvalidCheckpoint("the ML-DSA-44 signature is too short")
    (signed_at_s,) = TIMESTAMP.unpack_from(cosignature)
    try:
        key.classical.verify(parsed.text.encode(), classical)
        message = cosigned_message(origin, origin, size, root, signed_at_s)
        key.post_quantum.verify(message, cosignature[TIMESTAMP.size :])
    except CryptoError as error:
        raise InvalidCheckpoint(error.message) from error
    return Checkpoint(origin, size, root.hex(), signed_at_s, note)


def _key_ids(name: str, key: PublicKey) -> tuple[bytes, bytes]:
    return (
        key_id(name, ED25519_NOTE, key.classical.raw),
        key_id(name, ML_DSA_44_COSIGNATURE, key.post_quantum.raw),
    )


def cosigned_message(signer_name: str, origin: str, size: int, root: bytes, signed_at_s: int) -> bytes:
    """What a signature of type 0x06 signs (tlog-cosignature, ML-DSA-44 signed message)."""
    name, log = signer_name.encode(), origin.encode()
    return b"".join(
        (
            _LABEL,
            bytes([len(name)]) + name,
            TIMESTAMP.pack(signed_at_s),
            bytes([len(log)]) + log,
            TIMESTAMP.pack(0),
            TIMESTAMP.pack(size),
            root,
        )
    )


def read_text(text: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint's text; raises ``InvalidCheckpoint``."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise InvalidCheckpoint("its text is not three lines: origin, size and root")
    origin, size, encoded = lines[:3]
    if not is_name(origin):
        raise InvalidCheckpoint("its origin is not a name")
    if not _SIZE.fullmatch(size):
        raise InvalidCheckpoint("its size is not a number")
    root = decode_base64(encoded)
    if len(root) != HASH_BYTES:
        raise InvalidCheckpoint(f"its root has {len(root)} bytes, not {HASH_BYTES}")
    return origin, int(size), root


def is_name(origin: str) -> bool:
    """Whether it can name a log or a signer: not empty, neither white space nor a plus sign."""
    return 0 < len(origin.encode()) <= _MAX_NAME_BYTES and not re.search(r"[\s+]", origin)
