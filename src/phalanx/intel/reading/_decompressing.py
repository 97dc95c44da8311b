"""Bytes of packed streams as they were before, counted against what may come out of one file.

What is held is bounded: a dictionary of xz, a window of Zstandard, and what one step of either may become.
"""

import bz2
import io
import lzma
import zlib
from typing import Any, Final

import zstandard

from phalanx.core import LimitExceeded
from phalanx.intel._limits import MAX_UNPACK_MEMORY_BYTES, MAX_UNPACK_RATIO, MAX_UNPACKED_BYTES, MIN_BOMB_BYTES
from phalanx.intel.reading._as_lines import BLOCK_BYTES

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# Four bytes can become a block of 128 KiB, so this many at a time become 16 MiB at most.
_ZSTD_STEP_BYTES: Final = 512


class Stream(io.RawIOBase):
    """Bytes from elsewhere that may be looked at before they are taken, counted against what may come out."""

    def __init__(self, read: Any, budget: "Budget") -> None:
        super().__init__()
        self._read = read
        self._budget = budget
        self._ahead = b""

    def readable(self) -> bool:
        return True

    def peek(self, n: int) -> bytes:
        while len(self._ahead) < n:
            more = self._read(n - len(self._ahead))
            if not more:
                break
            self._budget.spend(len(more))
            self._ahead += more
        return self._ahead[:n]

    def read(self, n: int | None = -1) -> bytes:
        if n is None or n < 0:
            raise io.UnsupportedOperation("without a bound")
        if self._ahead:
            taken, self._ahead = self._ahead[:n], self._ahead[n:]
            return taken
        taken = self._read(n)
        self._budget.spend(len(taken))
        return bytes(taken)


class Budget:
    """What came out of one file so far, on all levels, beside what went in."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.packed_bytes = 0
        self._out_bytes = 0

    def spend(self, n: int) -> None:
        self._out_bytes += n
        most = min(MAX_UNPACKED_BYTES, max(MIN_BOMB_BYTES, self.packed_bytes * MAX_UNPACK_RATIO))
        if self._out_bytes > most:
            raise LimitExceeded(
                f"bytes unpacked from {self._name}", maximum=most, seen=self._out_bytes,
                hint="it looks like a decompression bomb; unpack it yourself if it is none",
            )  # fmt: skip


def decompressed(stream: Stream, head: bytes) -> Any:
    """What reads the plain bytes; None where ``head`` is of nothing that is packed."""
    if head.startswith(b"\x1f\x8b"):
        return _gzip(stream)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(stream).read
    if head.startswith(b"\xfd7zXZ\0"):
        return _xz(stream)
    if head.startswith(_ZSTD_MAGIC):
        return _zstd(stream)
    return None


def _gzip(stream: Stream) -> Any:
    """Members one behind the other; what follows the last and is none is no part of it, as gzip itself has it."""
    decoder, data = zlib.decompressobj(31), b""

    def read(n: int) -> bytes:
        nonlocal decoder, data
        while True:
            if decoder.eof:
                data = decoder.unused_data
                if len(data) < 2:
                    data += stream.read(2)
                if not data.startswith(b"\x1f\x8b"):
                    return b""
                decoder = zlib.decompressobj(31)
            data = data or stream.read(BLOCK_BYTES)
            if not data:
                raise EOFError("it ends too early")
            out = decoder.decompress(data, n)
            data = b"" if decoder.eof else decoder.unconsumed_tail
            if out:
                return out

    return read


def _xz(stream: Stream) -> Any:
    """With a bound on memory: a dictionary of its own choosing would be up to four GiB."""
    decoder = lzma.LZMADecompressor(memlimit=MAX_UNPACK_MEMORY_BYTES)

    def read(n: int) -> bytes:
        while not decoder.eof:
            data = stream.read(BLOCK_BYTES) if decoder.needs_input else b""
            if decoder.needs_input and not data:
                raise EOFError("it ends too early")
            if out := decoder.decompress(data, n):
                return out
        return b""

    return read


def _zstd(stream: Stream) -> Any:
    """Frames one behind the other; what follows the last and is none is no part of it."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_UNPACK_MEMORY_BYTES)
    decoder, data, out = unpacker.decompressobj(), b"", memoryview(b"")

    def read(n: int) -> bytes:
        nonlocal decoder, data, out
        while not out:
            if decoder.eof:
                data = decoder.unused_data
                data += stream.read(max(0, len(_ZSTD_MAGIC) - len(data)))
                if not data.startswith(_ZSTD_MAGIC):
                    return b""
                decoder = unpacker.decompressobj()
            data = data or stream.read(_ZSTD_STEP_BYTES)
            if not data:
                raise EOFError("it ends too early")
            out, data = memoryview(decoder.decompress(data)), b""
        taken, out = out[:n], out[n:]
        return bytes(taken)

    return read
