"""Files as lines: logs that are packed, binary or one document are made into one event a line, piece by piece.

Understood are gzip, bzip2, xz, Zstandard, zip and tar, each within the other to a small depth; event logs of Windows;
Zeek's own logs; JSON documents that hold a list of records; UTF-16 text. What is held is bounded, and so is what may
come out of a packed file, in all and for each byte that went in. A stream that turns out damaged or hostile ends with
``BadLine`` or ``LimitExceeded``; what was given out before counts.
"""

import bz2
import codecs
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

import msgspec
import zstandard

from phalanx.core import KIB, MAX_EVENT_BYTES, LimitExceeded
from phalanx.intel._errors import BadLine
from phalanx.intel._limits import (
    MAX_DOCUMENT_BYTES,
    MAX_PACKED_PARTS,
    MAX_TSV_HEADER_BYTES,
    MAX_UNPACK_DEPTH,
    MAX_UNPACK_MEMORY_BYTES,
    MAX_UNPACK_RATIO,
    MAX_UNPACKED_BYTES,
    MIN_BOMB_BYTES,
)
from phalanx.intel.reading._evtx import EVTX_CHUNK_BYTES, EVTX_HEADER_BYTES, EVTX_MAGIC, chunk_lines
from phalanx.intel.reading._unread import unread_line
from phalanx.intel.reading._zeek_tsv import TSV_MARK, tsv_reader

BLOCK_BYTES: Final = 256 * KIB
_DAMAGED = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, tarfile.TarError, zipfile.BadZipFile,
    NotImplementedError,
)  # fmt: skip
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# Four bytes can become a block of 128 KiB, so this many at a time become 16 MiB at most.
_ZSTD_STEP_BYTES: Final = 512
_NOT_EVENTS = {
    b"\xd4\xc3\xb2\xa1": "a packet capture", b"\xa1\xb2\xc3\xd4": "a packet capture",
    b"\x0a\x0d\x0d\x0a": "a packet capture", b"\x4d\x3c\xb2\xa1": "a packet capture",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
}  # fmt: skip
_DOCUMENT = re.compile(rb'\s*(?:\[\s*[{\]]|\{\s*"Records"\s*:\s*\[)')


@dataclass(frozen=True, slots=True)
class Part:
    """One log of a file: its name there, how it is read (empty: as the reader says), and its lines, many at a time.

    ``kind`` is evtx, zeek-tsv, document, utf-16, lines, or refused: a member of an archive that is no log, told in one
    line that no reader takes. Its lines are to be taken before the next part is asked for.
    """

    name: str
    kind: str
    reader: str
    lines: Iterator[list[bytes]]


class _Records(msgspec.Struct):
    """What CloudTrail puts its records in."""

    Records: list[msgspec.Raw]


class _Stream(io.RawIOBase):
    """Bytes from elsewhere that may be looked at before they are taken, counted against what may come out."""

    def __init__(self, read: Any, budget: "_Budget") -> None:
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


class _Budget:
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


def unpack(file: IO[bytes], name: str) -> Iterator[Part]:
    """The logs in a file, each with its lines. Raises ``BadLine`` for what is no log at all.

    What is wrong with a member of an archive is told in its place, and the next is read.
    """
    budget = _Budget(name)

    def read(n: int) -> bytes:
        data = file.read(n)
        budget.packed_bytes += len(data)
        return data

    if file.seekable():
        start = file.tell()
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(start)
        if is_zip:
            budget.packed_bytes = file.seek(0, io.SEEK_END) - start
            file.seek(start)
            yield from _zip(file, name, budget)
            return
    yield from _parts(_Stream(read, budget), name, budget, 0)


def _member(stream: _Stream, name: str, budget: _Budget, depth: int) -> Iterator[Part]:
    """A member of an archive, whatever it is."""
    try:
        for part in _parts(stream, name, budget, depth):
            yield Part(part.name, part.kind, part.reader, _told(part.lines))
    except BadLine as bad:
        yield _refused(name, bad)


def _told(lines: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    try:
        yield from lines
    except BadLine as bad:
        yield [unread_line(bad.reason, b"")]


def _refused(name: str, bad: BadLine) -> Part:
    return Part(name, "refused", "", iter([[unread_line(bad.reason, b"")]]))


def _parts(stream: _Stream, name: str, budget: _Budget, depth: int) -> Iterator[Part]:
    head = stream.peek(MAX_TSV_HEADER_BYTES)
    if depth > MAX_UNPACK_DEPTH:
        raise BadLine(f"{name} is packed more than {MAX_UNPACK_DEPTH} times")
    if what := _NOT_EVENTS.get(head[:4]):
        raise BadLine(f"{name} is {what}")
    if head.startswith(b"PK\x03\x04"):
        raise BadLine(f"{name} is a zip archive within another or in a pipe: unpack it first")
    try:
        if (unpacked := _unpacked(stream, head)) is not None:
            inner = name.removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz").removesuffix(".zst")
            yield from _parts(_Stream(unpacked, budget), inner, budget, depth + 1)
        elif head[257:262] == b"ustar":
            yield from _tar(stream, name, budget, depth)
        else:
            part = _log(stream, head, name)
            yield Part(part.name, part.kind, part.reader, _guarded(part.lines, name))
    except _DAMAGED as error:
        raise BadLine(f"{name} is damaged: {error}") from error


def _guarded(lines: Iterator[list[bytes]], name: str) -> Iterator[list[bytes]]:
    try:
        yield from lines
    except _DAMAGED as error:
        raise BadLine(f"{name} is damaged: {error}") from error


def _unpacked(stream: _Stream, head: bytes) -> Any:
    if head.startswith(b"\x1f\x8b"):
        return _gzip(stream)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(stream).read
    if head.startswith(b"\xfd7zXZ\0"):
        return _xz(stream)
    if head.startswith(_ZSTD_MAGIC):
        return _zstd(stream)
    return None


def _gzip(stream: _Stream) -> Any:
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


def _xz(stream: _Stream) -> Any:
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


def _zstd(stream: _Stream) -> Any:
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


def _zip(file: IO[bytes], name: str, budget: _Budget) -> Iterator[Part]:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [one for one in archive.infolist() if not one.is_dir()]
            _check_count(len(entries), name)
            for entry in entries:
                within = f"{name}/{entry.filename}"
                try:
                    if entry.flag_bits & 0x1:
                        raise BadLine(f"{within} is encrypted")
                    opened = archive.open(entry)
                except (BadLine, *_DAMAGED) as error:
                    yield _refused(within, error if isinstance(error, BadLine) else BadLine(f"{within}: {error}"))
                    continue
                with opened:
                    yield from _member(_Stream(opened.read, budget), within, budget, 1)
    except _DAMAGED as error:
        raise BadLine(f"{name} is damaged: {error}") from error


def _tar(stream: _Stream, name: str, budget: _Budget, depth: int) -> Iterator[Part]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive, 1):
            _check_count(number, name)
            opened = archive.extractfile(member) if member.isfile() else None
            if opened is not None:
                yield from _member(_Stream(opened.read, budget), f"{name}/{member.name}", budget, depth + 1)


def _check_count(n: int, name: str) -> None:
    if n > MAX_PACKED_PARTS:
        raise LimitExceeded(f"files in {name}", maximum=MAX_PACKED_PARTS, seen=n)


def _log(stream: _Stream, head: bytes, name: str) -> Part:
    if head.startswith(EVTX_MAGIC):
        return Part(name, "evtx", "windows", _evtx_lines(stream))
    if head.startswith(TSV_MARK) and (reader := tsv_reader(head)):
        return Part(name, "zeek-tsv", reader, cut_lines(stream.read))
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Part(name, "utf-16", "", cut_lines(_utf16(stream)))
    if _DOCUMENT.match(head):
        return Part(name, "document", "", _document_lines(stream, name))
    return Part(name, "lines", "", cut_lines(stream.read))


def _evtx_lines(stream: _Stream) -> Iterator[list[bytes]]:
    _exactly(stream, EVTX_HEADER_BYTES)
    number = 0
    while chunk := _exactly(stream, EVTX_CHUNK_BYTES):
        yield list(chunk_lines(chunk, number))
        number += 1


def _exactly(stream: _Stream, n: int) -> bytes:
    pieces = []
    while n and (piece := stream.read(n)):
        pieces.append(piece)
        n -= len(piece)
    return b"".join(pieces)


def _utf16(stream: _Stream) -> Any:
    decoder = codecs.getincrementaldecoder("utf-16")("backslashreplace")

    def read(n: int) -> bytes:
        while data := stream.read(n):
            if text := decoder.decode(data):
                return text.encode("utf-8", "backslashreplace")
        return b""

    return read


def _document_lines(stream: _Stream, name: str) -> Iterator[list[bytes]]:
    """Each record of the document, as compact JSON where it has newlines of its own."""
    data = _exactly(stream, MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise LimitExceeded(
            f"bytes of {name}, one JSON document", maximum=MAX_DOCUMENT_BYTES, seen=len(data),
            hint="make it one record a line, for example with jq -c '.[]'",
        )  # fmt: skip
    try:
        if data.lstrip().startswith(b"["):
            records = msgspec.json.decode(data, type=list[msgspec.Raw])
        else:
            records = msgspec.json.decode(data, type=_Records).Records
        lines = [bytes(one) if b"\n" not in bytes(one) else _compact(bytes(one)) for one in records]
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError):
        # Not the document that it looked like: its lines are judged one by one.
        yield from cut_lines(io.BytesIO(data).read)
        return
    yield lines


def _compact(record: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(record))


def cut_lines(read: Any) -> Iterator[list[bytes]]:
    """Whole lines, as many as a block has; of one that is too long, how it begins and why it is not there."""
    held, passed, is_first = b"", 0, True
    while block := read(BLOCK_BYTES):
        if is_first:
            block, is_first = block.removeprefix(codecs.BOM_UTF8), False
        *whole, rest = block.split(b"\n")
        if whole:
            whole[0] = held + whole[0]
            if passed:
                whole[0] = _too_long(whole[0], passed + len(whole[0]) - len(held))
            held, passed = b"", 0
            yield [_bounded(line) for line in whole if line.strip()]
        held, passed = (held + rest, passed) if not passed else (held, passed + len(rest))
        if len(held) > MAX_EVENT_BYTES and not passed:
            held, passed = held[:KIB], len(held)
    if held.strip():
        yield [_bounded(held) if not passed else _too_long(held, passed)]


def _bounded(line: bytes) -> bytes:
    return line.removesuffix(b"\r") if len(line) <= MAX_EVENT_BYTES else _too_long(line, len(line))


def _too_long(line: bytes, size: int) -> bytes:
    return unread_line(f"{size} bytes, longer than the {MAX_EVENT_BYTES} that an event may have", line)
