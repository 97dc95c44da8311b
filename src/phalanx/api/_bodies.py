"""Request bodies, read within a bound.

The bound holds at every moment: a body is counted chunk by chunk as it arrives, and a compressed one is
decompressed no further than one byte beyond what is allowed.
"""

import zlib

from starlette.requests import Request

from phalanx.api._limits import MAX_BODY_BYTES, MAX_COMPRESSED_BYTES, MAX_GZIP_MEMBERS
from phalanx.api._problems import UnsupportedMedia
from phalanx.core import InvalidInput, LimitExceeded, Offload

_ENCODINGS = ("identity", "gzip")
# zlib's window size plus 16 means: a gzip header and trailer, nothing else.
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


async def read_body(request: Request, offload: Offload) -> bytes:
    """The whole body, decompressed. Raises ``LimitExceeded``, ``UnsupportedMedia``, ``InvalidInput``."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise UnsupportedMedia("content encoding", encoding, accepted=_ENCODINGS)
    if encoding == "identity":
        return await _read(request, "body bytes", MAX_BODY_BYTES)
    packed = await _read(request, "compressed body bytes", MAX_COMPRESSED_BYTES)
    return await offload.run(gunzip, packed, MAX_BODY_BYTES)


async def read_small_body(request: Request, maximum: int) -> bytes:
    """A body that is never compressed, within a separate bound: for those who need no token."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMedia("content encoding", encoding, accepted=("identity",))
    return await _read(request, "body bytes", maximum)


async def _read(request: Request, limit: str, maximum: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > maximum:
        raise LimitExceeded(limit, maximum=maximum, seen=int(announced), hint="send it in smaller requests")
    parts: list[bytes] = []
    seen = 0
    async for part in request.stream():
        seen += len(part)
        if seen > maximum:
            raise LimitExceeded(limit, maximum=maximum, seen=seen, hint="send it in smaller requests")
        parts.append(part)
    return b"".join(parts)


def gunzip(packed: bytes, maximum: int) -> bytes:
    """Decompress one gzip stream, possibly of several members, into at most ``maximum`` bytes."""
    parts: list[bytes] = []
    seen = 0
    for _ in range(MAX_GZIP_MEMBERS):
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            part = member.decompress(packed, maximum - seen + 1)
        except zlib.error as error:
            raise InvalidInput("body", f"is not gzip: {error}") from error
        seen += len(part)
        if seen > maximum:
            raise LimitExceeded("body bytes", maximum=maximum, seen=seen, hint="send it in smaller requests")
        if not member.eof:
            raise InvalidInput("body", "the gzip stream ends too early")
        parts.append(part)
        packed = member.unused_data
        if not packed:
            return b"".join(parts)
    raise LimitExceeded("gzip members", maximum=MAX_GZIP_MEMBERS, seen=MAX_GZIP_MEMBERS + 1)
