"""When to send again and by which path: what a link learned of the ways to its other end. No I/O, no clock."""

from phalanx.core import ns_from_s
from phalanx.messaging._limits import FIRST_RETRY_S, MAX_RETRY_S, MIN_RETRY_S, STRIKE_FORGOTTEN_S

_FIRST_RETRY_NS, _MIN_RETRY_NS, _MAX_RETRY_NS = map(ns_from_s, (FIRST_RETRY_S, MIN_RETRY_S, MAX_RETRY_S))
_STRIKE_FORGOTTEN_NS = ns_from_s(STRIKE_FORGOTTEN_S)
_MAX_PATIENCE = 8


class Pace:
    """See the module. All times are monotonic nanoseconds that the caller passes in."""

    def __init__(self, paths: int) -> None:
        self.paths = paths
        self.round_trip_ns = 0
        self.patience = 0  # how often the wait was doubled since a round trip was last measured
        self._spread_ns = 0
        self._patient_until_ns = 0
        self._strikes = [0] * paths
        self._struck_ns = [0] * paths

    def wait_ns(self, doublings: int) -> int:
        """How long to wait for an answer: round trip and spread, but never next to nothing, doubled so often."""
        first_ns = _FIRST_RETRY_NS
        if self.round_trip_ns:
            first_ns = self.round_trip_ns + max(_MIN_RETRY_NS, 4 * self._spread_ns)
        return min(first_ns << doublings, _MAX_RETRY_NS)

    def measured(self, took_ns: int) -> None:
        """Smoothed round trip and its spread, after RFC 6298."""
        self.patience = 0
        if not self.round_trip_ns:
            self.round_trip_ns, self._spread_ns = max(1, took_ns), took_ns // 2
            return
        self._spread_ns += (abs(took_ns - self.round_trip_ns) - self._spread_ns) // 4
        self.round_trip_ns = max(1, self.round_trip_ns + (took_ns - self.round_trip_ns) // 8)

    def be_patient(self, now_ns: int) -> None:
        """Wait longer with whatever is sent next, until a round trip was measured again.

        A way that became slower than the wait answers every sending after its retry, when nothing can be measured:
        without this everything would be sent twice for as long as it stays slow, which makes it slower still.
        """
        if now_ns >= self._patient_until_ns:
            self.patience = min(self.patience + 1, _MAX_PATIENCE)
            self._patient_until_ns = now_ns + self.wait_ns(self.patience)

    @property
    def is_struck(self) -> bool:
        """Whether some path lost something lately."""
        return any(self._strikes)

    def strike(self, path: int, now_ns: int) -> None:
        """What went by ``path`` was not answered."""
        self._strikes[path] += 1
        self._struck_ns[path] = now_ns

    def answered(self, path: int) -> None:
        """What went by ``path`` alone has arrived."""
        self._strikes[path] = 0

    def best_path(self, now_ns: int) -> int:
        """The path that lost the least lately."""
        if self.paths == 1 or not any(self._strikes):
            return 0
        for path in range(self.paths):
            if self._strikes[path] and now_ns - self._struck_ns[path] > _STRIKE_FORGOTTEN_NS:
                self._strikes[path] = 0
        return self._strikes.index(min(self._strikes))
