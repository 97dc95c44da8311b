"""Bytes with a name on them: how a single key or signature is written down.

``{"use", "algorithm", "bytes"}`` in MessagePack. ``use`` keeps a public key from passing for a
signature of the same length; ``algorithm`` is the catalogue's name.
"""

import msgspec

from phalanx.crypto._errors import InvalidKey


class _Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    use: str
    algorithm: str
    bytes: bytes


_decoder = msgspec.msgpack.Decoder(_Named)


def pack_named(use: str, algorithm: str, raw: bytes) -> bytes:
    return msgspec.msgpack.encode(_Named(use, algorithm, raw))


def unpack_named(use: str, data: bytes) -> tuple[str, bytes]:
    """Algorithm and bytes; raises ``InvalidKey`` for anything else, or for another use."""
    try:
        found = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidKey(use, str(error)) from error
    if found.use != use:
        raise InvalidKey(use, f"it is a {found.use}")
    return found.algorithm, found.bytes
