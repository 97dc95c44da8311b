"""Units. Time is integer nanoseconds everywhere inside; names end in their unit."""

from datetime import UTC, datetime, timedelta

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def ns_from_s(seconds: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(seconds * NS_PER_S)


def iso_from_ns(wall_ns: int) -> str:
    """Wall time as RFC 3339 in UTC with microseconds, e.g. ``2026-01-02T03:04:05.000006Z``.

    A time that RFC 3339 cannot write (a hostile source may claim any) becomes the nearest it can.
    """
    microseconds = min(max(wall_ns // NS_PER_US, _FIRST_US), _LAST_US)
    stamp = _EPOCH + timedelta(microseconds=microseconds)
    return stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")


def ns_from_iso(text: str) -> int:
    """RFC 3339 to wall nanoseconds; a time without an offset is taken as UTC.

    Raises ValueError on anything else. Digits beyond the microsecond are dropped.
    """
    stamp = datetime.fromisoformat(text)
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    delta = stamp - _EPOCH
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * NS_PER_US
