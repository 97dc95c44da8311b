"""Dates as devices write them: RFC 3164's, those of CEF and LEEF, and Java patterns that a line brings with it.

Without a zone a time is read as UTC; without a year it is the latest such day up to the day after acceptance. A zone
that is a name and not UTC or GMT says nothing certain: such a time is no time.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from phalanx.core import NS_PER_S
from phalanx.intel._limits import MAX_DATE_CHARS, MEMO_VALUES
from phalanx.intel.reading._fields import time_from_text

MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
# ``Mar  2 2026 08:30:00.123 GMT+01:00``, of which year, fraction and zone may be left out.
_DATE = re.compile(
    r"(?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2})(?:,? (?P<year>\d{4}))? (?P<hour>\d\d):(?P<minute>\d\d):"
    r"(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?(?: (?P<zone>\S{1,16}))?",
    re.ASCII,
)
_ZONE = re.compile(r"(?:GMT|UTC)?(?:Z|(?P<sign>[+-])(?P<hours>\d\d?)(?::?(?P<minutes>\d\d))?)?", re.ASCII)
_RUN = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>.)", re.DOTALL)
# What a letter of a Java pattern stands for, by the letter and, for months, their number.
_LETTERS = {
    "y": r"(?P<year>\d{2}|\d{4})",
    "d": r"(?P<day>\d{1,2})",
    "H": r"(?P<hour>\d{1,2})",
    "h": r"(?P<hour>\d{1,2})",
    "m": r"(?P<minute>\d{1,2})",
    "s": r"(?P<second>\d{1,2})",
    "S": r"(?P<fraction>\d{1,9})",
    "a": r"(?P<half>[AaPp][Mm])",
    "z": r"(?P<zone>\S{1,16}?)",
    "Z": r"(?P<zone>\S{1,16}?)",
    "X": r"(?P<zone>\S{1,16}?)",
    # Named although nobody asks for it: a name that comes twice is refused, and with it a pattern that backtracks.
    "E": r"(?P<weekday>[A-Za-z]{2,9})",
}


def time_from_date(text: str, accepted_at_ns: int) -> int | None:
    """Nanoseconds of a date in words or in ISO form, None for any other."""
    if len(text) > MAX_DATE_CHARS:
        return None
    found = _DATE.fullmatch(text)
    return time_from_text(text) if found is None else _ns(found.groupdict(), accepted_at_ns)


def time_from_pattern(text: str, pattern: str, accepted_at_ns: int) -> int | None:
    """The same for a date in the form that a Java pattern such as ``yyyy-MM-dd HH:mm:ss.SSS z`` says."""
    if len(text) > MAX_DATE_CHARS or len(pattern) > MAX_DATE_CHARS:
        return None
    expression = _compiled(pattern)
    found = None if expression is None else expression.fullmatch(text)
    return None if found is None else _ns(found.groupdict(), accepted_at_ns)


@lru_cache(maxsize=MEMO_VALUES)
def midnight_s(month: int, day: int, accepted_day: int) -> int | None:
    """UNIX seconds of the latest such date up to the day after ``accepted_day``."""
    latest = datetime.fromtimestamp((accepted_day + 1) * 86_400, UTC)
    # The 29th of February may lie eight years back: 1900 and 2100 are no leap years.
    for year in range(latest.year, latest.year - 9, -1):
        try:
            date = datetime(year, month, day, tzinfo=UTC)
        except ValueError:
            continue
        if date <= latest:
            return max(0, int(date.timestamp()))
    return None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    parts: list[str] = []
    for run in _RUN.finditer(pattern):
        letters = run["letters"]
        if letters is None:
            parts.append(re.escape(run["quoted"] if run["quoted"] is not None else run["other"]))
        elif letters[0] in "ML":
            parts.append(r"(?P<month>[A-Za-z]{3,9})" if len(letters) > 2 else r"(?P<month>\d{1,2})")
        elif letters[0] in _LETTERS:
            parts.append(_LETTERS[letters[0]])
        else:
            return None
    try:
        return re.compile("".join(parts), re.ASCII)
    except re.error:
        # A part that comes twice.
        return None


def _ns(parts: Mapping[str, str | None], accepted_at_ns: int) -> int | None:
    offset_s = _offset_s(parts.get("zone"))
    month, day = _month(parts.get("month")), parts.get("day")
    if offset_s is None or month is None or day is None:
        return None
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    if hour > 23 or minute > 59 or second > 60:
        return None
    midnight = _midnight(parts.get("year"), month, int(day), accepted_at_ns)
    if midnight is None:
        return None
    seconds = midnight + hour * 3_600 + minute * 60 + second - offset_s
    fraction = parts.get("fraction") or ""
    return seconds * NS_PER_S + int(fraction.ljust(9, "0")) if seconds >= 0 else None


def _midnight(year: str | None, month: int, day: int, accepted_at_ns: int) -> int | None:
    if year is None:
        return midnight_s(month, day, accepted_at_ns // NS_PER_S // 86_400)
    try:
        return int(datetime(int(year) + (2_000 if len(year) == 2 else 0), month, day, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _month(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if text.isdigit() else MONTHS.get(text[:3].title())


def _offset_s(zone: str | None) -> int | None:
    if zone is None:
        return 0
    found = _ZONE.fullmatch(zone)
    if found is None or not zone:
        return None
    if found["sign"] is None:
        return 0
    offset_s = int(found["hours"]) * 3_600 + int(found["minutes"] or 0) * 60
    return -offset_s if found["sign"] == "-" else offset_s
