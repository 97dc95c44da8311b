"""When something is tried again. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from phalanx.core import Rng
from phalanx.intel.delivery._limits import FIRST_RETRY_S, LONGEST_ASKED_S, LONGEST_RETRY_S


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Doubling pauses with full jitter of their upper half; what the peer asks for is kept to, and not undercut."""

    first_s: float = FIRST_RETRY_S
    longest_s: float = LONGEST_RETRY_S
    longest_asked_s: float = LONGEST_ASKED_S

    def pause_s(self, attempt: int, asked_s: float | None, rng: Rng) -> float:
        """How long to wait after the ``attempt``-th failure in a row, the first being 0."""
        assert attempt >= 0, attempt
        full_s = min(self.first_s * 2.0 ** min(attempt, 32), self.longest_s)
        pause_s = full_s * rng.uniform(0.5, 1.0)
        if asked_s is None:
            return pause_s
        # Everybody was told the same moment; a little later than that, and not all at once.
        asked_s = min(max(asked_s, 0.0), self.longest_asked_s)
        return max(pause_s, asked_s + rng.uniform(0.0, min(1.0, 0.1 * asked_s)))


def retry_after_s(value: str, *, now_ns: int) -> float | None:
    """The header ``Retry-After``: seconds or a date; None for anything else."""
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    since = at - datetime.fromtimestamp(now_ns / 1e9, tz=UTC)
    return max(0.0, since.total_seconds())
