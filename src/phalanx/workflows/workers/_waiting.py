"""Pieces that wait for a place: tenants take turns, and within a tenant the first comes first."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from phalanx.core import TenantId


class OfTenant(Protocol):
    """Something that a tenant wants."""

    @property
    def tenant(self) -> TenantId: ...


P = TypeVar("P", bound=OfTenant)


class WaitingLine(Generic[P]):
    """A tenant with a thousand pieces delays another one's next piece by one, not by a thousand."""

    def __init__(self) -> None:
        self._lines: OrderedDict[TenantId, deque[P]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __iter__(self) -> Iterator[P]:
        return (one for line in self._lines.values() for one in line)

    def add(self, piece: P, *, first: bool = False) -> None:
        line = self._lines.setdefault(piece.tenant, deque())
        line.appendleft(piece) if first else line.append(piece)

    def remove(self, piece: P) -> None:
        """Nothing happens to one that is not here."""
        line = self._lines.get(piece.tenant)
        if line is not None and piece in line:
            line.remove(piece)
            if not line:
                del self._lines[piece.tenant]

    def next(self, may: Callable[[P], bool]) -> P | None:
        """Take the first of the next tenant whose first one ``may``."""
        for tenant, line in self._lines.items():
            if may(line[0]):
                piece = line.popleft()
                del self._lines[tenant]
                if line:
                    self._lines[tenant] = line  # To the end: every other tenant comes first.
                return piece
        return None
