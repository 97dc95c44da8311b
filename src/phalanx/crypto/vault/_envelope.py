"""The form of sealed bytes: they say which algorithm and key they need, and hold to where they belong.

    magic (4) ‖ version (1) ‖ length of the name (1) ‖ algorithm ‖ key id (16) ‖ nonce (12) ‖ ciphertext and tag

What is authenticated besides the plaintext is everything before the nonce, tenant, purpose and
the caller's own bytes, each with its length but for the last. So sealed bytes open only where
they were sealed for. The first byte of the magic is one that no MessagePack record begins with.
"""

from dataclasses import dataclass

from phalanx.core import TenantId
from phalanx.crypto import NONCE_BYTES, TAG_BYTES
from phalanx.crypto.vault._errors import NotSealed
from phalanx.crypto.vault._model import framed

MAGIC = b"\xc1PhV"
VERSION = 1

_ID_BYTES = 16
_FIXED_BYTES = len(MAGIC) + 2


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sealed bytes taken apart. ``header`` is everything before the nonce."""

    header: bytes
    algorithm: str
    key_id: str
    nonce: bytes
    ciphertext: bytes


def looks_sealed(data: bytes) -> bool:
    """Whether bytes begin as sealed ones do. What does is opened, never taken for plain."""
    return data.startswith(MAGIC)


def header_of(algorithm: str, key_id: str) -> bytes:
    """The beginning of everything sealed under one key."""
    name = algorithm.encode("ascii")
    return MAGIC + bytes((VERSION, len(name))) + name + bytes.fromhex(key_id.replace("-", ""))


def binding_of(tenant: TenantId, purpose: str) -> bytes:
    """What is authenticated between the header and the caller's own bytes."""
    return framed(tenant) + framed(purpose)


def parse(data: bytes) -> Envelope:
    """Raises ``NotSealed`` for bytes that no sealer wrote."""
    if not looks_sealed(data):
        raise NotSealed("they do not begin as sealed bytes do")
    if len(data) < _FIXED_BYTES or data[len(MAGIC)] != VERSION:
        raise NotSealed("their version is not known here; a newer Phalanx may have written them")
    name_end = _FIXED_BYTES + data[_FIXED_BYTES - 1]
    header_end = name_end + _ID_BYTES
    body = header_end + NONCE_BYTES
    if len(data) < body + TAG_BYTES:
        raise NotSealed("they end too early")
    try:
        algorithm = data[_FIXED_BYTES:name_end].decode("ascii")
    except UnicodeDecodeError as error:
        raise NotSealed("the algorithm's name is not ASCII") from error
    raw = data[name_end:header_end].hex()
    key_id = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
    return Envelope(data[:header_end], algorithm, key_id, data[header_end:body], data[body:])
