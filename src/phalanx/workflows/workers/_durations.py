"""How long calls of a function usually take, learned from its last ones."""

from collections import deque

from phalanx.workflows.workers._limits import MAX_TIMES, MIN_TIMES


class Durations:
    """By function. What was broken off or lost counts for nothing."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def note(self, name: str, seconds: float) -> None:
        self._times.setdefault(name, deque(maxlen=MAX_TIMES)).append(seconds)

    def seen(self, name: str) -> int:
        return len(self._times.get(name, ()))

    def quantile_s(self, name: str, share: float) -> float | None:
        """What ``share`` of the calls took at the most; ``None`` until there are enough."""
        times = self._times.get(name, ())
        if len(times) < MIN_TIMES:
            return None
        return sorted(times)[min(len(times) - 1, int(share * len(times)))]
