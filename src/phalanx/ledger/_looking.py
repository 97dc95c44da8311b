"""Looking through the ledger for entries of one kind: so many of it at a time, as each has to be read and opened."""

from collections.abc import Callable
from dataclasses import dataclass

from phalanx.core import MAX_PAGE_ROWS, AuditEntry
from phalanx.ledger._ledger import Ledger
from phalanx.ledger._limits import LOOK_ENTRIES, LOOK_PART_ENTRIES
from phalanx.ledger._record import LedgerEntry


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are asked for: whose case, action and actor begin so. Empty: any."""

    case: str = ""
    action: str = ""
    actor: str = ""

    def meant(self, entry: AuditEntry) -> bool:
        """Whether it is one of them."""
        return (
            entry.case.startswith(self.case)
            and entry.action.startswith(self.action)
            and entry.actor.startswith(self.actor)
        )


async def look_through(
    ledger: Ledger, wanted: Callable[[AuditEntry], bool], *, start: int, newest: bool, limit: int
) -> tuple[list[LedgerEntry], int | None]:
    """Entries that are wanted, and where to go on; None at the end.

    From the index ``start`` on, or with ``newest`` those before it, the newest first. ``LOOK_ENTRIES`` are looked
    through at most, so there may be fewer than ``limit`` before the end.
    """
    found: list[LedgerEntry] = []
    at, left = min(max(start, 0), ledger.size), LOOK_ENTRIES
    end = 0 if newest else ledger.size
    while at != end and left > 0 and len(found) < limit:
        n = min(max(limit, LOOK_PART_ENTRIES), MAX_PAGE_ROWS, left, at if newest else end - at)
        part = await ledger.entries((at - n if newest else at) - 1, n)
        for one in reversed(part) if newest else part:
            if len(found) == limit:
                break
            at, left = one.index if newest else one.index + 1, left - 1
            if wanted(one.entry):
                found.append(one)
    return found, None if at == end else at
