"""Numbers with their words."""


def counted(n: int, one: str, many: str = "") -> str:
    """``1 event``, ``2 events``; ``many`` where an ``s`` does not make it."""
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


# From so many seconds on the next larger unit is used: a person reads 36 hours, and 5 days rather than 120 hours.
_SPANS = (
    (2 * 365 * 86_400.0, 365 * 86_400.0, "year"),
    (2 * 86_400.0, 86_400.0, "day"),
    (2 * 3_600.0, 3_600.0, "hour"),
    (120.0, 60.0, "minute"),
)


def how_long(seconds: float) -> str:
    """A length of time as a person says it: ``45 s``, ``12 minutes``, ``5 hours``, ``56 days``, ``7 years``."""
    for least_s, unit_s, name in _SPANS:
        # Rounded first: 119.8 s are two minutes and not 120 s.
        if round(seconds) >= least_s:
            return counted(int(seconds / unit_s + 0.5), name)
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def per_second(rate: float) -> str:
    """A rate as a person reads it: ``0.25``, ``41``, ``12,345``."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
