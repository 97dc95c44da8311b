"""Where log records go: lines for people, or JSON lines for machines.

Field values may be written by an attacker (a user name, a command line), so both sinks
escape control characters: a logged value cannot forge a second line or move the cursor.
A stream that is full or closed loses the line, counted, and never stops the node.
"""

import json
from typing import Any, Protocol

import msgspec

from phalanx.core import iso_from_ns
from phalanx.telemetry._limits import MAX_LOG_VALUE_CHARS
from phalanx.telemetry._log import Level, LogRecord

_PLAIN = msgspec.json.Encoder()
_COLORS = {Level.DEBUG: "\x1b[2m", Level.INFO: "\x1b[36m", Level.WARNING: "\x1b[33m", Level.ERROR: "\x1b[31m"}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_MAX_DEPTH = 4


class TextStream(Protocol):
    """The little of a text file that a sink needs."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class _StreamSink:
    __slots__ = ("_stream", "lost")

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self.lost = 0

    def _write_line(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed, or cannot encode
            self.lost += 1


class HumanSink(_StreamSink):
    """``2026-01-02T03:04:05.000006Z info     chunk accepted  events=12 tenant=default``."""

    __slots__ = ("_color",)

    def __init__(self, stream: TextStream, *, color: bool = False) -> None:
        super().__init__(stream)
        self._color = color

    def __call__(self, record: LogRecord, /) -> None:
        pairs = " ".join(f"{name}={_readable(value)}" for name, value in record.fields.items())
        level = f"{record.level.name.lower():<8}"
        stamp, event = iso_from_ns(record.at_ns), _shown(record.event)
        if self._color:
            stamp, level = f"{_DIM}{stamp}{_RESET}", f"{_COLORS[record.level]}{level}{_RESET}"
            pairs = f"{_DIM}{pairs}{_RESET}" if pairs else ""
        self._write_line(f"{stamp} {level} {event}" + (f"  {pairs}" if pairs else ""))


class JsonSink(_StreamSink):
    """One JSON object a line: ``at``, ``level``, ``event``, then the fields under their own names.

    A field that carries one of those three names is written with ``_`` after it.
    """

    __slots__ = ()

    def __call__(self, record: LogRecord, /) -> None:
        line: dict[str, Any] = {
            "at": iso_from_ns(record.at_ns),
            "level": record.level.name.lower(),
            "event": _cut(record.event),
        }
        for name, value in record.fields.items():
            line[f"{name}_" if name in line else name] = _bounded(value)
        self._write_line(_ascii_controls(_PLAIN.encode(line).decode()))


def _ascii_controls(text: str) -> str:
    """JSON with those controls escaped that JSON itself allows in a string: C1, separators, bidirectional marks."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _readable(value: Any) -> str:
    value = _bounded(value)
    if not isinstance(value, str):
        return _shown(_PLAIN.encode(value).decode())
    if value and value.isprintable() and not set(value) & set(' "='):
        return value
    return '"' + _shown(value).replace('"', '\\"') + '"'


def _shown(text: str) -> str:
    """The text with everything a terminal might act on escaped: controls, also C1, and bidirectional marks."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _bounded(value: Any, depth: int = 0) -> Any:
    """The value as JSON can write it, strings cut at the bound."""
    if value is None or isinstance(value, bool | int | float):
        return _number(value)
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, BaseException):
        return _cut(f"{type(value).__name__}: {value}")
    if depth < _MAX_DEPTH and isinstance(value, dict):
        return {_cut(str(key)): _bounded(item, depth + 1) for key, item in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple):
        return [_bounded(item, depth + 1) for item in value]
    return _cut(str(value))


def _number(value: Any) -> Any:
    # An Enum that is also an int is written as its number; beyond 64 bits JSON readers disagree.
    return str(value) if type(value) is int and value.bit_length() > 63 else value


def _cut(text: str) -> str:
    # Lone surrogates come from bytes that were not UTF-8 and cannot be encoded again.
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= MAX_LOG_VALUE_CHARS:
        return text
    return f"{text[:MAX_LOG_VALUE_CHARS]}… ({len(text)} characters)"
