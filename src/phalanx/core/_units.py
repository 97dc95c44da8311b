"""Units. Time is integer nanoseconds everywhere inside; names end in their unit."""

from datetime import UTC, datetime

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


def ns_from_s(seconds: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(seconds * NS_PER_S)


def iso_from_ns(wall_ns: int) -> str:
    """Wall time as RFC 3339 in UTC with microseconds, e.g. ``2026-01-02T03:04:05.000006Z``."""
    seconds, rest_ns = divmod(wall_ns, NS_PER_S)
    stamp = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // NS_PER_US)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ns_from_iso(text: str) -> int:
    """RFC 3339 to wall nanoseconds; a time without an offset is taken as UTC.

    Raises ValueError on anything else. Digits beyond the microsecond are dropped.
    """
    stamp = datetime.fromisoformat(text)
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    delta = stamp - datetime(1970, 1, 1, tzinfo=UTC)
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * NS_PER_US
