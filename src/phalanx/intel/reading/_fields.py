"""A decoded JSON object as flat fields, the shape columns are made of.

Nested objects become dotted names, as log shippers write them; lists become compact JSON
text, so that nothing is lost and ``contains`` still finds what is in them.
"""

from typing import Any, NamedTuple

import msgspec

from phalanx.core import MAX_EVENT_DEPTH, LogSource, Value, ns_from_iso
from phalanx.intel._errors import BadLine
from phalanx.intel._limits import MAX_EVENT_FIELDS

_NESTED = frozenset((dict, list))
_to_json = msgspec.json.Encoder()

# 9999-12-31T23:59:59Z: the last second the calendar and an identifier can hold.
_LAST_SECOND = 253_402_300_799


class ReadEvent(NamedTuple):
    """One line as a reader understood it."""

    log_source: LogSource
    time_ns: int
    fields: dict[str, Value]


def flatten(record: dict[str, Any]) -> dict[str, Value]:
    """The fields of ``record``. Raises ``BadLine`` past the bounds on depth and number of fields."""
    if len(record) > MAX_EVENT_FIELDS:
        raise BadLine(f"more than {MAX_EVENT_FIELDS} fields")
    if _NESTED.isdisjoint(map(type, record.values())):
        return record
    fields: dict[str, Value] = {}
    _descend(fields, record, "", 1)
    return fields


def _descend(fields: dict[str, Value], record: dict[str, Any], prefix: str, depth: int) -> None:
    if depth > MAX_EVENT_DEPTH:
        raise BadLine(f"nested deeper than {MAX_EVENT_DEPTH}")
    for name, value in record.items():
        kind = value.__class__
        if kind is dict:
            _descend(fields, value, f"{prefix}{name}.", depth + 1)
        elif kind is list:
            _check_depth(value, depth + 1)
            fields[prefix + name] = _to_json.encode(value).decode()
        else:
            fields[prefix + name] = value
    if len(fields) > MAX_EVENT_FIELDS:
        raise BadLine(f"more than {MAX_EVENT_FIELDS} fields")


def _check_depth(value: Any, depth: int) -> None:
    if depth > MAX_EVENT_DEPTH:
        raise BadLine(f"nested deeper than {MAX_EVENT_DEPTH}")
    nested = value.values() if isinstance(value, dict) else value
    for item in nested:
        if isinstance(item, dict | list):
            _check_depth(item, depth + 1)


def time_from_text(text: Any) -> int | None:
    """Nanoseconds of an ISO time, None when it is not one; what lies before 1970 is not one either."""
    if text.__class__ is not str:
        return None
    try:
        time_ns = ns_from_iso(text)
    except (ValueError, OverflowError):
        return None
    return time_ns if time_ns >= 0 else None


def time_from_epoch_s(seconds: Any) -> int | None:
    """Nanoseconds of UNIX seconds with a fraction, to the microsecond, which is what a float holds."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= _LAST_SECOND:
        return None
    return round(seconds * 1_000_000) * 1_000
