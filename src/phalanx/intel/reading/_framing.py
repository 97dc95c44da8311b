"""Syslog messages out of a stream of bytes: RFC 6587, octet-counted or ended by a newline or a NUL.

- ``auto`` looks at how each message begins: digits and a space are a count, anything else runs to the next newline, or
  to the next NUL, with which some senders end a message (Python's ``SysLogHandler`` does).
- A message is one line afterwards: what ends it is taken off, newlines within become ``#012`` as rsyslog writes them.
- A message longer than ``max_bytes`` is passed over as it comes; its beginning is kept in a line that no reader takes,
  so that it is seen in quarantine. Memory is bounded by ``max_bytes``, whatever is announced.
- A count that nobody can mean ends the stream (``is_broken``): where the next message begins is not known.
"""

from enum import Enum
from typing import Final

from phalanx.intel._limits import MAX_COUNT_DIGITS, MAX_CUT_HEAD_BYTES
from phalanx.intel.reading._unread import unread_line

FRAMINGS: Final = ("auto", "lines", "octets")

_SPACE = b" \t\r\n\0"


class _Within(Enum):
    """What the next bytes belong to."""

    NOTHING = 1
    COUNT = 2
    COUNTED = 3
    LINE = 4


class SyslogFrames:
    """One stream. ``feed`` it what comes, ``end`` it when nothing comes any more."""

    def __init__(self, *, max_bytes: int, framing: str = "auto") -> None:
        assert framing in FRAMINGS, framing
        assert max_bytes > MAX_CUT_HEAD_BYTES, max_bytes
        self._max_bytes = max_bytes
        self._framing = framing
        self._held = bytearray()
        self._within = _Within.NOTHING
        # Bytes of a counted message that are yet to come, and of a cut one that were passed over.
        self._to_come = 0
        self._passed = 0
        self._is_cut = False
        # Messages that were too long.
        self.cut = 0
        self.is_broken = False

    @property
    def held_bytes(self) -> int:
        """What is held of a message that is not whole."""
        return len(self._held)

    @property
    def is_within(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._within is not _Within.NOTHING

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole with ``data``."""
        lines: list[bytes] = []
        at = 0
        while at < len(data) and not self.is_broken:
            if self._within is _Within.NOTHING:
                at = self._begin(data, at, lines)
            elif self._within is _Within.COUNT:
                at = self._count(data, at)
            elif self._within is _Within.COUNTED:
                at = self._take_counted(data, at, lines)
            else:
                at = self._take_line(data, at, lines)
        return lines

    def end(self) -> list[bytes]:
        """What was begun and is not whole: the last line of a stream may lack its newline."""
        lines: list[bytes] = []
        if self._within is not _Within.NOTHING:
            self._emit(lines)
        return lines

    def _begin(self, data: bytes, at: int, lines: list[bytes]) -> int:
        while at < len(data) and data[at] in _SPACE:
            at += 1
        if at == len(data):
            return at
        counted = self._framing == "octets" or (self._framing == "auto" and data[at] in b"123456789")
        self._within = _Within.COUNT if counted else _Within.LINE
        return self._whole(data, at, lines)

    def _whole(self, data: bytes, at: int, lines: list[bytes]) -> int:
        """The message that begins here, when all of it is here; what is not goes the longer way, byte for byte."""
        if self._within is _Within.COUNT:
            space = data.find(b" ", at, at + MAX_COUNT_DIGITS + 1)
            count = data[at:space] if space > at else b""
            start, end = space + 1, space + 1 + int(count) if count.isdigit() else len(data) + 1
            behind = end
        else:
            start, end = at, _line_end(data, at)
            end = end if end >= 0 else len(data) + 1
            behind = end + 1
        if end > len(data) or end - start > self._max_bytes:
            return at
        if line := one_line(data[start:end]):
            lines.append(line)
        self._within = _Within.NOTHING
        return behind

    def _count(self, data: bytes, at: int) -> int:
        """Digits up to a space. In ``auto`` anything else means that it is a line after all."""
        while at < len(data):
            byte = data[at]
            if byte in b"0123456789" and len(self._held) < MAX_COUNT_DIGITS:
                self._held.append(byte)
                at += 1
            elif byte == 0x20 and self._held:
                self._to_come = int(self._held)
                self._held.clear()
                self._within = _Within.COUNTED if self._to_come else _Within.NOTHING
                return at + 1
            elif self._framing == "auto":
                self._within = _Within.LINE
                return at
            else:
                self.is_broken = True
                return at
        return at

    def _take_counted(self, data: bytes, at: int, lines: list[bytes]) -> int:
        taken = min(self._to_come, len(data) - at)
        self._hold(data, at, at + taken)
        self._to_come -= taken
        if self._to_come == 0:
            self._emit(lines)
        return at + taken

    def _take_line(self, data: bytes, at: int, lines: list[bytes]) -> int:
        last = _line_end(data, at)
        end = len(data) if last < 0 else last
        self._hold(data, at, end)
        if last < 0:
            return end
        self._emit(lines)
        return last + 1

    def _hold(self, data: bytes, start: int, end: int) -> None:
        if self._is_cut:
            self._passed += end - start
            return
        if len(self._held) + end - start <= self._max_bytes:
            self._held += data[start:end]
            return
        self._is_cut = True
        self.cut += 1
        size = len(self._held) + end - start
        if len(self._held) < MAX_CUT_HEAD_BYTES:
            self._held += data[start : start + MAX_CUT_HEAD_BYTES]
        del self._held[MAX_CUT_HEAD_BYTES:]
        self._passed = size - len(self._held)

    def _emit(self, lines: list[bytes]) -> None:
        line = one_line(bytes(self._held))
        if self._is_cut:
            size = len(self._held) + self._passed
            line = unread_line(f"{size} bytes, more than the {self._max_bytes} that a listener takes", line)
        if line:
            lines.append(line)
        self._held.clear()
        self._within = _Within.NOTHING
        self._to_come = self._passed = 0
        self._is_cut = False


def _line_end(data: bytes, at: int) -> int:
    """Where the line ends that begins at ``at``; -1 when it does not yet."""
    newline = data.find(b"\n", at)
    nul = data.find(b"\0", at, newline) if newline >= 0 else data.find(b"\0", at)
    return nul if nul >= 0 else newline


def one_line(message: bytes) -> bytes:
    """A message without what ends it, as one line."""
    message = message.rstrip(_SPACE)
    return message.replace(b"\n", b"#012") if b"\n" in message else message
