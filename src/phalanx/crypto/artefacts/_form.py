"""The form of an artefact's file: sealed chunks, each bound to its file and place.

    magic (4) ‖ version (1) ‖ { length (4) ‖ sealed chunk }

Every chunk but the last holds ``CHUNK_BYTES``; the last holds the rest, and may be empty only when
the content is. A chunk is bound to the file's name, its position and whether it is the last
(as in STREAM: Hoang, Reyhanitabar, Rogaway, Vizár 2015). So a file that was cut, lengthened,
reordered or put together from others does not open, and names the chunk. Each chunk names its own
key: one that ends in the middle of a file is followed by the next.
"""

from phalanx.crypto.artefacts._limits import CHUNK_BYTES
from phalanx.crypto.vault import Opener, Sealer

MAGIC = b"\xc1PhA"
VERSION = 1
HEAD = MAGIC + bytes((VERSION,))
LENGTH_BYTES = 4
# A sealed chunk is longer than its content by the header of its key, a nonce and a tag.
MAX_FRAME_BYTES = CHUNK_BYTES + 512
_DOMAIN = b"phalanx artefact chunk v1\x00"


def sealed_frame(sealer: Sealer, file: str, position: int, chunk: bytes, *, last: bool) -> bytes:
    """One chunk as it is written. Raises what a sealer does."""
    sealed = sealer.seal(chunk, _binding(file, position, last=last))
    return len(sealed).to_bytes(LENGTH_BYTES) + sealed


def opened_chunk(opener: Opener, file: str, position: int, sealed: bytes, *, last: bool) -> bytes:
    """The chunk again. Raises what an opener does."""
    return opener.open(sealed, _binding(file, position, last=last))


def chunks_of(size: int) -> int:
    """How many chunks content of ``size`` bytes has."""
    return max(1, -(-size // CHUNK_BYTES))


def _binding(file: str, position: int, *, last: bool) -> bytes:
    # The file's name is ASCII and has no zero byte; what follows has a fixed length.
    return b"".join((_DOMAIN, file.encode("ascii"), b"\x00", position.to_bytes(8), bytes((last,))))
