"""How often agents of one role may fall before that becomes a problem of the role. Pure.

Restarting is right for what is rare and wrong for what is not: a role whose agents fall faster than ``most`` in
``within_s`` is degraded. It continues, more slowly (successors rest first), and people are told; after a stretch of
``within_s`` below the limit it has recovered.
"""

from collections import deque
from dataclasses import dataclass, field

from phalanx.core import NS_PER_S


@dataclass(slots=True)
class Intensity:
    """The falls of one role. ``degraded_by`` is the reason of the last one while the role is degraded."""

    most: int
    within_s: float
    degraded_by: str = ""
    _falls_ns: deque[int] = field(default_factory=deque)

    def fell(self, now_ns: int, reason: str) -> bool:
        """Count a fall. True when the role is degraded by it and was not before."""
        self._forget(now_ns)
        self._falls_ns.append(now_ns)
        if len(self._falls_ns) <= self.most:
            return False
        if len(self._falls_ns) > self.most + 1:
            self._falls_ns.popleft()
        was, self.degraded_by = self.degraded_by, reason or "unknown"
        return not was

    def degraded(self, now_ns: int) -> bool:
        """Whether the role is degraded now."""
        self._forget(now_ns)
        if len(self._falls_ns) <= self.most // 2:
            self.degraded_by = ""
        return bool(self.degraded_by)

    @property
    def recent(self) -> int:
        """Falls that still count."""
        return len(self._falls_ns)

    def _forget(self, now_ns: int) -> None:
        while self._falls_ns and now_ns - self._falls_ns[0] > self.within_s * NS_PER_S:
            self._falls_ns.popleft()
