"""One log as lines, many at a time: text, event logs of Windows, JSON documents that hold a list of records, UTF-16."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from phalanx.core import KIB, MAX_EVENT_BYTES, LimitExceeded
from phalanx.intel._limits import MAX_DOCUMENT_BYTES
from phalanx.intel.reading._evtx import EVTX_CHUNK_BYTES, EVTX_HEADER_BYTES, EVTX_MAGIC, chunk_lines
from phalanx.intel.reading._unread import unread_line
from phalanx.intel.reading._zeek_tsv import TSV_MARK, tsv_reader

BLOCK_BYTES: Final = 256 * KIB
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


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, n: int, /) -> bytes: ...


class _Records(msgspec.Struct):
    """What CloudTrail puts its records in."""

    Records: list[msgspec.Raw]


def log_part(stream: Readable, head: bytes, name: str) -> Part:
    """What kind of log it is, told by how it begins."""
    if head.startswith(EVTX_MAGIC):
        return Part(name, "evtx", "windows", _evtx_lines(stream))
    if head.startswith(TSV_MARK) and (reader := tsv_reader(head)):
        return Part(name, "zeek-tsv", reader, cut_lines(stream.read))
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Part(name, "utf-16", "", cut_lines(_utf16(stream)))
    if _DOCUMENT.match(head):
        return Part(name, "document", "", _document_lines(stream, name))
    return Part(name, "lines", "", cut_lines(stream.read))


def _evtx_lines(stream: Readable) -> Iterator[list[bytes]]:
    _exactly(stream, EVTX_HEADER_BYTES)
    number = 0
    while chunk := _exactly(stream, EVTX_CHUNK_BYTES):
        yield list(chunk_lines(chunk, number))
        number += 1


def _exactly(stream: Readable, n: int) -> bytes:
    pieces = []
    while n and (piece := stream.read(n)):
        pieces.append(piece)
        n -= len(piece)
    return b"".join(pieces)


def _utf16(stream: Readable) -> Any:
    decoder = codecs.getincrementaldecoder("utf-16")("backslashreplace")

    def read(n: int) -> bytes:
        while data := stream.read(n):
            if text := decoder.decode(data):
                return text.encode("utf-8", "backslashreplace")
        return b""

    return read


def _document_lines(stream: Readable, name: str) -> Iterator[list[bytes]]:
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
