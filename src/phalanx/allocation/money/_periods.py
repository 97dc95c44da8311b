"""Periods of budgets: days and months in UTC, or once and for all. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from phalanx.core import NS_PER_S


class Period(StrEnum):
    """How often a budget renews."""

    DAY = "day"
    MONTH = "month"
    ONCE = "once"

    def span(self, at_ns: int) -> "Span":
        """The period that ``at_ns`` is in."""
        if self is Period.ONCE:
            return Span("all", 0, 0)
        moment = datetime.fromtimestamp(at_ns // NS_PER_S, UTC)
        first = moment.replace(hour=0, minute=0, second=0)
        if self is Period.DAY:
            return Span(first.strftime("%Y-%m-%d"), _ns(first), _ns(first + timedelta(days=1)))
        first = first.replace(day=1)
        return Span(first.strftime("%Y-%m"), _ns(first), _ns((first + timedelta(days=31)).replace(day=1)))


@dataclass(frozen=True, slots=True)
class Span:
    """One period: its name, when it began and when the next begins (0: never)."""

    name: str
    start_ns: int
    end_ns: int

    def told(self) -> str:
        """When more comes, in words."""
        if not self.end_ns:
            return "never"
        return datetime.fromtimestamp(self.end_ns // NS_PER_S, UTC).strftime("on %Y-%m-%d at 00:00 UTC")


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS_PER_S
