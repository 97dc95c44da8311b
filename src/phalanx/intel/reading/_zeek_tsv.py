"""Zeek's own logs: values parted by tabs, named by lines that begin with ``#``.

A line of such a log says nothing without the header of its file, so the header is part of the reader's name
(``zeek-tsv;…``): who cuts a file into chunks names it with each. The intake does so for a chunk that has its header,
the file source and ``phalanx events send`` for all that follows one. Lines of the header are no events and no mistakes.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from phalanx.core import InvalidInput
from phalanx.intel._errors import BadLine, NoEvent
from phalanx.intel._limits import MAX_EVENT_FIELDS, MAX_READER_CHARS, MAX_TSV_HEADER_BYTES
from phalanx.intel.reading._fields import ReadEvent
from phalanx.intel.reading._zeek import read_zeek

TSV_PREFIX: Final = "zeek-tsv;"
TSV_MARK: Final = b"#separator"

_NAME = re.compile(r"[A-Za-z0-9_.$-]{1,128}")
_PATH = re.compile(r"[A-Za-z0-9_.-]{0,128}")
_TYPE = re.compile(r"[a-z0-9_]{1,32}(?:\[[a-z0-9_]{1,32}\])?")
_ESCAPE = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_CODE = re.compile(r"x[0-9a-f]{2}")


class _Log(NamedTuple):
    """What the header of a log says."""

    path: str
    separator: bytes
    inner: bytes
    empty: bytes
    unset: bytes
    fields: tuple[tuple[str, str], ...]


def tsv_reader(beginning: bytes) -> str:
    """The name of the reader for the log that begins so; empty when it is none, or has two headers that differ."""
    if not beginning.startswith(TSV_MARK):
        return ""
    separator, told = b"\t", dict[str, list[bytes]]()
    for line in beginning[:MAX_TSV_HEADER_BYTES].split(b"\n"):
        line = line.rstrip(b"\r")  # noqa: PLW2901
        if line.startswith(TSV_MARK):
            separator = _unescaped(line[len(TSV_MARK) :].strip())
            continue
        if not line.startswith(b"#"):
            break
        name, *values = line[1:].split(separator)
        told[name.decode("ascii", "replace")] = values
    if "fields" not in told or len(separator) != 1:
        return ""
    fields = b"\n#fields" + separator + separator.join(told["fields"])
    if beginning.count(b"\n#fields") != len(re.findall(re.escape(fields) + rb"\r?(?=\n|$)", beginning)):
        return ""
    return _named(told, separator)


def _named(told: dict[str, list[bytes]], separator: bytes) -> str:
    names = [name.decode("utf-8", "replace") for name in told["fields"]]
    types = [one.decode("ascii", "replace") for one in told.get("types", [])]
    types += ["string"] * (len(names) - len(types))
    parts = [
        _text(told.get("path")), f"x{separator[0]:02x}", _hex(told.get("set_separator"), b","),
        _hex(told.get("empty_field"), b"(empty)"), _hex(told.get("unset_field"), b"-"),
        ",".join(f"{name}:{kind}" for name, kind in zip(names, types, strict=False)),
    ]  # fmt: skip
    reader = TSV_PREFIX + ";".join(parts)
    try:
        _log(reader)
    except InvalidInput:
        return ""
    return reader


def check_tsv_reader(reader: str) -> None:
    """Raises ``InvalidInput`` unless a header is told in the name."""
    _log(reader)


def tsv_reading(reader: str) -> Callable[[bytes, int], tuple[str, ReadEvent]]:
    """What reads a line of the log that the reader's name tells of."""
    log = _log(reader)
    return lambda line, _: ("zeek", _read(log, line))


def _read(log: _Log, line: bytes) -> ReadEvent:
    if line.startswith(b"#"):
        raise NoEvent("a line of the header")
    values = line.rstrip(b"\r").split(log.separator)
    if len(values) != len(log.fields):
        raise BadLine(f"{len(values)} values where the header names {len(log.fields)} fields")
    record: dict[str, Any] = {"_path": log.path} if log.path else {}
    for (name, kind), value in zip(log.fields, values, strict=True):
        if value != log.unset:
            record[name] = _value(log, kind, value)
    return read_zeek(record)


def _value(log: _Log, kind: str, value: bytes) -> Any:
    if kind.endswith("]"):
        inner = kind[kind.index("[") + 1 : -1]
        return [] if value == log.empty else [_value(log, inner, one) for one in value.split(log.inner)]
    if value == log.empty:
        return ""
    try:
        if kind in ("count", "int", "port"):
            return int(value)
        if kind in ("time", "double", "interval"):
            return float(value)
    except ValueError:
        raise BadLine(f"{value[:40]!r} is no {kind}") from None
    if kind == "bool":
        return value == b"T"
    return _unescaped(value).decode("utf-8", "backslashreplace")


@lru_cache(maxsize=256)
def _log(reader: str) -> _Log:
    parts = reader.removeprefix(TSV_PREFIX).split(";")
    if not reader.startswith(TSV_PREFIX) or len(parts) != 6 or len(reader) > MAX_READER_CHARS:
        raise InvalidInput("reader", "it does not tell the header of a Zeek log")
    path, separator, inner, empty, unset, named = parts
    fields = tuple((name, kind) for name, _, kind in (one.partition(":") for one in named.split(",")))
    if not (
        _PATH.fullmatch(path)
        and _CODE.fullmatch(separator)
        and 0 < len(fields) <= MAX_EVENT_FIELDS
        and all(_NAME.fullmatch(name) and _TYPE.fullmatch(kind) for name, kind in fields)
    ):
        raise InvalidInput("reader", "it does not tell the header of a Zeek log")
    try:
        codes = [bytes.fromhex(text) for text in (separator[1:], inner, empty, unset)]
    except ValueError:
        raise InvalidInput("reader", "it does not tell the header of a Zeek log") from None
    if not codes[1]:
        raise InvalidInput("reader", "it does not tell the header of a Zeek log")
    return _Log(path, codes[0], codes[1], codes[2], codes[3], fields)


def _unescaped(value: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), value) if b"\\x" in value else value


def _text(values: Sequence[bytes] | None) -> str:
    return values[0].decode("ascii", "replace") if values else ""


def _hex(values: Sequence[bytes] | None, otherwise: bytes) -> str:
    return (values[0] if values else otherwise).hex()
