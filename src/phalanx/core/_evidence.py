"""What rooms that may not import detection need from it: findings by id, and the events around one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from phalanx.core._events import Event
from phalanx.core._ids import EventId, TenantId
from phalanx.core._records import Finding


class FindingReader(Protocol):
    """Findings by their ids."""

    async def get(self, tenant: TenantId, finding: str) -> Finding:
        """Raises ``NotFound``."""
        ...


@dataclass(frozen=True, slots=True)
class Nearby:
    """Events that have what was looked for, in the order of their times; ``looked_at`` is not all there is."""

    events: Sequence[Event]
    looked_at: int


class Trail(Protocol):
    """Accepted events, as long as they are kept, looked through around one of them."""

    async def near(self, tenant: TenantId, event: EventId, words: Sequence[str], *, limit: int) -> Nearby:
        """At most ``limit`` events whose lines have one of the words, whatever the case of its letters.

        Of too many those of the chunks nearest to ``event`` are kept.
        """
        ...
