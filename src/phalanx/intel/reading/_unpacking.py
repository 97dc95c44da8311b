"""Files as lines: logs that are packed, binary or one document are made into one event a line, piece by piece.

Understood are gzip, bzip2, xz, Zstandard, zip and tar, each within the other to a small depth; event logs of Windows;
Zeek's own logs; JSON documents that hold a list of records; UTF-16 text. What is held is bounded, and so is what may
come out of a packed file, in all and for each byte that went in. A stream that turns out damaged or hostile ends with
``BadLine`` or ``LimitExceeded``; what was given out before counts.
"""

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

import zstandard

from phalanx.core import LimitExceeded
from phalanx.intel._errors import BadLine
from phalanx.intel._limits import MAX_PACKED_PARTS, MAX_TSV_HEADER_BYTES, MAX_UNPACK_DEPTH
from phalanx.intel.reading._as_lines import Part, log_part
from phalanx.intel.reading._decompressing import Budget, Stream, decompressed
from phalanx.intel.reading._unread import unread_line

_DAMAGED = (
    OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, tarfile.TarError, zipfile.BadZipFile,
    NotImplementedError,
)  # fmt: skip
_NOT_EVENTS = {
    b"\xd4\xc3\xb2\xa1": "a packet capture", b"\xa1\xb2\xc3\xd4": "a packet capture",
    b"\x0a\x0d\x0d\x0a": "a packet capture", b"\x4d\x3c\xb2\xa1": "a packet capture",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
}  # fmt: skip


def unpack(file: IO[bytes], name: str) -> Iterator[Part]:
    """The logs in a file, each with its lines. Raises ``BadLine`` for what is no log at all.

    What is wrong with a member of an archive is told in its place, and the next is read.
    """
    budget = Budget(name)

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
    yield from _parts(Stream(read, budget), name, budget, 0)


def _member(stream: Stream, name: str, budget: Budget, depth: int) -> Iterator[Part]:
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


def _parts(stream: Stream, name: str, budget: Budget, depth: int) -> Iterator[Part]:
    head = stream.peek(MAX_TSV_HEADER_BYTES)
    if depth > MAX_UNPACK_DEPTH:
        raise BadLine(f"{name} is packed more than {MAX_UNPACK_DEPTH} times")
    if what := _NOT_EVENTS.get(head[:4]):
        raise BadLine(f"{name} is {what}")
    if head.startswith(b"PK\x03\x04"):
        raise BadLine(f"{name} is a zip archive within another or in a pipe: unpack it first")
    try:
        if (unpacked := decompressed(stream, head)) is not None:
            inner = name.removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz").removesuffix(".zst")
            yield from _parts(Stream(unpacked, budget), inner, budget, depth + 1)
        elif head[257:262] == b"ustar":
            yield from _tar(stream, name, budget, depth)
        else:
            part = log_part(stream, head, name)
            yield Part(part.name, part.kind, part.reader, _guarded(part.lines, name))
    except _DAMAGED as error:
        raise BadLine(f"{name} is damaged: {error}") from error


def _guarded(lines: Iterator[list[bytes]], name: str) -> Iterator[list[bytes]]:
    try:
        yield from lines
    except _DAMAGED as error:
        raise BadLine(f"{name} is damaged: {error}") from error


def _zip(file: IO[bytes], name: str, budget: Budget) -> Iterator[Part]:
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
                    yield from _member(Stream(opened.read, budget), within, budget, 1)
    except _DAMAGED as error:
        raise BadLine(f"{name} is damaged: {error}") from error


def _tar(stream: Stream, name: str, budget: Budget, depth: int) -> Iterator[Part]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive, 1):
            _check_count(number, name)
            opened = archive.extractfile(member) if member.isfile() else None
            if opened is not None:
                yield from _member(Stream(opened.read, budget), f"{name}/{member.name}", budget, depth + 1)


def _check_count(n: int, name: str) -> None:
    if n > MAX_PACKED_PARTS:
        raise LimitExceeded(f"files in {name}", maximum=MAX_PACKED_PARTS, seen=n)
