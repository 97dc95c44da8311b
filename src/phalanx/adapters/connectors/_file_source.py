"""A source that follows a file, as ``tail -F`` does, without losing or doubling a line when it is rotated.

A position names the file by its inode and by a fingerprint of how it begins, so that a file that was moved aside is
found again beside the one that took its place, and one that was emptied and written anew is not taken for the old
one. Only whole lines are read; the last one of a file that was rotated away counts as whole. A Zeek log is read as the
header at its beginning says.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from phalanx.adapters._limits import MAX_CONNECTOR_CALLS, MAX_TAIL_LINE_BYTES
from phalanx.adapters._system import ThreadOffload
from phalanx.core import KIB, InvalidInput, Unavailable
from phalanx.intel.delivery import ConnectorContext, Drawn, PositionGone, SourceManifest
from phalanx.intel.reading import TSV_MARK, tsv_reader

_PRINT_BYTES = 256
_HEADER_BYTES = 16 * KIB
_LOOK_S = 0.5
# How soon a file that was not there is looked for again.
_ABSENT_S = 2.0


@dataclass(frozen=True, slots=True)
class _At:
    """How far a file was read. ``begins`` is the digest of its first ``begins_bytes`` bytes."""

    inode: int
    offset: int
    begins: str
    begins_bytes: int


class FileSource:
    """Follows one path. ``rereads``: what stands in a log file between two offsets does not change."""

    manifest = SourceManifest(product="file", rereads=True, waiting_unit="bytes", longest_retry_s=_ABSENT_S)

    def __init__(self, context: ConnectorContext) -> None:
        self._name = context.name
        self._path = Path(context.option("path"))
        self._from_end = context.chosen("start", "beginning", ("beginning", "end")) == "end"
        self._clock = context.clock
        self._threads = ThreadOffload(1, max_waiting=MAX_CONNECTOR_CALLS)

    async def draw(self, position: str, *, until: str, max_bytes: int, within_s: float) -> Drawn:
        found = await self._threads.run(self._read, position, until, max_bytes)
        if not found.lines:
            await self._clock.sleep(min(within_s, _LOOK_S))
        return found

    def check(self, position: str) -> None:
        _place(position)

    async def settle(self, position: str) -> None:
        """Nothing: the file stays as it is."""

    async def close(self) -> None:
        self._threads.close()

    def _read(self, position: str, until: str, max_bytes: int) -> Drawn:
        at = _place(position) if position else None
        end = _place(until) if until else None
        try:
            if at is None:
                return self._first(end, max_bytes)
            file = self._find(at)
            if file is None:
                raise PositionGone(self._name, f"{self._path} was replaced, and the old file is nowhere beside it")
            drawn, is_done = self._from(file, at, end, max_bytes, rotated=not _same(file, self._path))
            if is_done and not drawn.lines and end is None:
                return self._newer(at, drawn)
        except OSError as error:
            raise Unavailable(str(self._path), error.strerror or str(error)) from error
        return drawn

    def _first(self, end: _At | None, max_bytes: int) -> Drawn:
        stat = self._path.stat()
        if end is None and self._from_end:
            return Drawn(b"", _position(self._path, stat.st_ino, stat.st_size), 0)
        at = _At(stat.st_ino if end is None else end.inode, 0, "", 0)
        file = self._path if end is None else self._find(end)
        if file is None:
            raise PositionGone(self._name, f"{self._path} was replaced")
        return self._from(file, at, end, max_bytes, rotated=not _same(file, self._path))[0]

    def _from(self, file: Path, at: _At, end: _At | None, max_bytes: int, *, rotated: bool) -> tuple[Drawn, bool]:
        """What follows ``at`` in ``file``, and whether the file is read to its end and will not grow."""
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            reader = _reader_of(opened)
            opened.seek(at.offset)
            want = end.offset - at.offset if end is not None else max_bytes
            data = opened.read(want)
        if end is not None:
            if len(data) < want:
                raise PositionGone(self._name, f"{file} is shorter than it was")
            return Drawn(data, json.dumps(asdict(end)), size - end.offset, reader=reader), False
        whole = data.rfind(b"\n") + 1
        at_end = at.offset + len(data) >= size
        if (rotated and at_end) or (not whole and len(data) >= min(max_bytes, MAX_TAIL_LINE_BYTES)):
            # Nobody writes to it any more, or a line that is longer than any may be: the intake judges it.
            whole = len(data)
        position = _position(file, at.inode, at.offset + whole) if whole else json.dumps(asdict(at))
        left = max(0, size - at.offset - whole)
        return Drawn(data[:whole], position, left, reader=reader), rotated and at_end and not whole

    def _newer(self, at: _At, drawn: Drawn) -> Drawn:
        """The file that took the place of one that is read to its end; several may have, in between."""
        behind = _beside(self._path, newer_than=at.inode)
        if not behind:
            return drawn
        stat = behind[0].stat()
        return Drawn(b"", _position(behind[0], stat.st_ino, 0), stat.st_size)

    def _find(self, at: _At) -> Path | None:
        """The file that the position is in, by inode and beginning."""
        for file in [self._path, *_rotated(self._path)]:
            try:
                stat = file.stat()
                if (
                    stat.st_ino == at.inode
                    and stat.st_size >= at.offset
                    and _begins(file, at.begins_bytes) == at.begins
                ):
                    return file
            except FileNotFoundError:
                continue
        return None


def _place(position: str) -> _At:
    try:
        at = msgspec.json.decode(position, type=_At)
    except msgspec.MsgspecError as error:
        raise InvalidInput("position", f"is no place in a file: {error}") from error
    if min(at.inode, at.offset, at.begins_bytes) < 0:
        raise InvalidInput("position", "is no place in a file: a number in it is negative")
    return at


def _reader_of(file: BinaryIO) -> str:
    """The reader that the header of a Zeek log asks for, wherever in the file the lines stand."""
    return tsv_reader(file.read(_HEADER_BYTES)) if file.read(len(TSV_MARK)) == TSV_MARK and file.seek(0) == 0 else ""


def _rotated(path: Path) -> list[Path]:
    """Files beside it that are named after it, oldest first. What is compressed is read no more."""
    found = [one for one in path.parent.glob(f"{path.name}[.-]*") if one.suffix not in {".gz", ".xz", ".bz2", ".zst"}]
    return sorted(found, key=lambda one: one.stat().st_mtime_ns)


def _beside(path: Path, *, newer_than: int) -> list[Path]:
    """The files that came after the one with this inode, oldest first; the path itself is the last."""
    files = [*_rotated(path), *([path] if path.exists() else [])]
    places = [place for place, file in enumerate(files) if file.stat().st_ino == newer_than]
    return files[places[-1] + 1 :] if places else files[-1:]


def _same(file: Path, other: Path) -> bool:
    return other.exists() and file.stat().st_ino == other.stat().st_ino


def _position(file: Path, inode: int, offset: int) -> str:
    n = min(offset, _PRINT_BYTES)
    return json.dumps(asdict(_At(inode, offset, _begins(file, n), n)))


def _begins(file: Path, n: int) -> str:
    if not n:
        return ""
    with file.open("rb") as opened:
        return hashlib.sha256(opened.read(n)).hexdigest()[:16]


def file_source(context: ConnectorContext) -> FileSource:
    """Plug-in ``file``. ``path``; ``start`` is beginning or end, for the first time."""
    context.only("path", "start")
    return FileSource(context)
