"""CEF (ArcSight, version 0 and 1) and LEEF (QRadar, 1.0 and 2.0): a header of bars, then names and values.

- ``CEF:0|vendor|product|version|class|name|severity|src=10.0.0.1 msg=two words``: a value ends where the next
  name begins; ``\\\\``, ``\\=``, ``\\n`` and ``\\r`` are escapes there, ``\\\\`` and ``\\|`` in the header.
- ``LEEF:1.0|vendor|product|version|event|src=10.0.0.1<TAB>dst=…``; 2.0 names its separator in one more part of the
  header, as a character or as ``x09`` or ``0x09``.

Both may stand behind a syslog header, whose host and time count then. The time is the event's own (``rt``, ``end``,
``start``, ``devTime``) when it is in milliseconds since 1970 or a date (of the form in ``devTimeFormat``), or else the
header's, or else that of acceptance. Of a name that comes twice the last value is kept. A pair with the name of a part
of a header is kept as ``extension.NAME``, and what is no pair under ``unnamed``.
"""

import re
from itertools import islice

from phalanx.core import NS_PER_MS, LogSource, Value
from phalanx.intel._errors import BadLine
from phalanx.intel._limits import MAX_EVENT_FIELDS, MAX_HEADER_SEARCH_BYTES
from phalanx.intel.reading._dates import time_from_date, time_from_pattern
from phalanx.intel.reading._fields import ReadEvent
from phalanx.intel.reading._syslog import read_syslog

_MARKS = {"cef": b"CEF:", "leef": b"LEEF:"}
_CEF_HEADER = ("cef.version", "vendor", "product", "product_version", "class", "name", "severity")
_LEEF_HEADER = ("leef.version", "vendor", "product", "product_version", "class")
_OF_HEADERS = frozenset((*_CEF_HEADER, *_LEEF_HEADER, "hostname", "facility", "syslog.severity"))
_VERSIONS = {"cef": frozenset(("0", "1", "0.1", "1.0")), "leef": frozenset(("1", "1.0", "2", "2.0"))}
_UNNAMED = "unnamed"
_MAX_NAME_CHARS = 128
_BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")
_CEF_NAME = re.compile(r"(?:^|(?<= ))([A-Za-z0-9_.\[\]-]{1,128})=")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "r": "\r"}
_DEFAULT_SEPARATOR = "\t"
# Whole milliseconds of the years 1970 to 9999, with the leading digits that tell them from a date.
_MILLISECONDS = re.compile(r"\d{11,15}")


def headed(line: bytes) -> str:
    """The reader for a line that has one of the marks near its beginning, empty when none has."""
    for name, mark in _MARKS.items():
        at = line.find(mark, 0, MAX_HEADER_SEARCH_BYTES)
        if at == 0 or (at > 0 and line[at - 1 : at] in (b" ", b">", b"\xbf")):
            return name
    return ""


def read_cef(line: bytes, accepted_at_ns: int) -> ReadEvent:
    """Raises ``BadLine`` when the header is not whole."""
    body, header, time_ns = _split(line, "cef", accepted_at_ns)
    parts = _bars(body, len(_CEF_HEADER))
    _check_version("cef", parts[0])
    fields: dict[str, Value] = dict(header)
    fields |= {name: _unescaped(part) for name, part in zip(_CEF_HEADER, parts, strict=False)}
    rest = parts[-1]
    names = list(islice(_CEF_NAME.finditer(rest), MAX_EVENT_FIELDS + 1))
    if len(names) > MAX_EVENT_FIELDS:
        raise BadLine(f"more than {MAX_EVENT_FIELDS} fields")
    if before := rest[: names[0].start() if names else len(rest)].strip():
        _add(fields, _UNNAMED, _unescaped(before))
    for at, name in enumerate(names):
        end = names[at + 1].start() if at + 1 < len(names) else len(rest)
        _add(fields, name[1], _unescaped(rest[name.end() : end].rstrip(" ")))
    at_ns = _time(fields, ("rt", "end", "start"), time_ns, accepted_at_ns)
    return ReadEvent(_log_source("cef", fields), at_ns, fields)


def read_leef(line: bytes, accepted_at_ns: int) -> ReadEvent:
    """Raises ``BadLine`` when the header is not whole."""
    body, header, time_ns = _split(line, "leef", accepted_at_ns)
    is_second = body.lstrip().startswith("2")
    parts = _bars(body, len(_LEEF_HEADER) + is_second)
    _check_version("leef", parts[0])
    fields: dict[str, Value] = dict(header)
    fields |= {name: _unescaped(part) for name, part in zip(_LEEF_HEADER, parts, strict=False)}
    separator = _separator(parts[5]) if is_second else _DEFAULT_SEPARATOR
    pairs = parts[-1].split(separator)
    if len(pairs) > MAX_EVENT_FIELDS:
        raise BadLine(f"more than {MAX_EVENT_FIELDS} fields")
    unnamed = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if equals and 0 < len(name) <= _MAX_NAME_CHARS:
            _add(fields, name, value)
        elif pair.strip():
            unnamed.append(pair)
    if unnamed:
        _add(fields, _UNNAMED, separator.join(unnamed))
    return ReadEvent(_log_source("leef", fields), _time(fields, ("devTime",), time_ns, accepted_at_ns), fields)


def _check_version(name: str, version: str) -> None:
    if version.strip() not in _VERSIONS[name]:
        known = ", ".join(sorted(_VERSIONS[name]))
        raise BadLine(f"version {version.strip()[:20]!r} of {name.upper()} is not known; known are {known}")


def _split(line: bytes, name: str, accepted_at_ns: int) -> tuple[str, dict[str, Value], int]:
    """What follows the mark, the fields of a syslog header before it, and the time so far."""
    mark = _MARKS[name]
    at = line.find(mark, 0, MAX_HEADER_SEARCH_BYTES)
    if at < 0:
        raise BadLine(f"no {mark.decode()} near the beginning of the line")
    before, body = line[:at], line[at + len(mark) :].decode("utf-8", "backslashreplace")
    if not before.strip(b" \xef\xbb\xbf"):
        return body, {}, accepted_at_ns
    read = read_syslog(before.rstrip(b"\xef\xbb\xbf") + b"-: ", accepted_at_ns)
    kept = {key: value for key, value in read.fields.items() if key in ("hostname", "facility", "severity")}
    if "severity" in kept:
        kept["syslog.severity"] = kept.pop("severity")
    return body, kept, read.time_ns


def _bars(body: str, wanted: int) -> list[str]:
    """The parts of the header, and all that comes after it."""
    parts: list[str] = []
    start = 0
    while len(parts) < wanted:
        bar = _BAR.search(body, start)
        if bar is None:
            raise BadLine(f"the header ends after {len(parts)} of {wanted} parts")
        parts.append(body[start : bar.end() - 1])
        start = bar.end()
    return [*parts, body[start:]]


def _add(fields: dict[str, Value], name: str, value: str) -> None:
    """A pair of the event's own; what a header said stays as it was, whatever a pair calls itself."""
    fields[f"extension.{name}" if name in _OF_HEADERS else name] = value


def _separator(named: str) -> str:
    text = named.strip()
    digits = text.removeprefix("0").removeprefix("x").removeprefix("X") if text[:1] in ("0", "x", "X") else ""
    if digits and re.fullmatch(r"[0-9A-Fa-f]{1,4}", digits):
        code = int(digits, 16)
        if 0xD800 <= code <= 0xDFFF:
            raise BadLine(f"{text!r} is half of a character, and no separator")
        return chr(code)
    if len(text) > 1:
        raise BadLine(f"{text[:20]!r} is not a separator: one character, or its code such as x09")
    return text or _DEFAULT_SEPARATOR


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _MEANT.get(found[1], found[1]), text) if "\\" in text else text


def _log_source(product: str, fields: dict[str, Value]) -> LogSource:
    """Who talks to whom is a firewall's or a proxy's; vendors and products are the sender's words, and no source."""
    return LogSource(product, "firewall" if "src" in fields and "dst" in fields else "", "")


def _time(fields: dict[str, Value], names: tuple[str, ...], otherwise_ns: int, accepted_at_ns: int) -> int:
    for name in names:
        text = str(fields.get(name, ""))
        if _MILLISECONDS.fullmatch(text):
            return min(int(text), 253_402_300_799_999) * NS_PER_MS
        pattern = str(fields.get(f"{name}Format", ""))
        time_ns = time_from_pattern(text, pattern, accepted_at_ns) if pattern else None
        if time_ns is None and text:
            time_ns = time_from_date(text, accepted_at_ns)
        if time_ns is not None:
            return time_ns
    return otherwise_ns
