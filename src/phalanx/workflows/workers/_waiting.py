"""Pieces that wait for a place: tenants take turns, and within a tenant the heaviest comes first.

A piece weighs the time that its run still takes, plus the time it has waited: others overtake it for no longer than
their rests are longer than its own.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from phalanx.core import TenantId


class OfTenant(Protocol):
    """Something that a tenant wants."""

    @property
    def tenant(self) -> TenantId: ...

    @property
    def weight(self) -> float: ...


P = TypeVar("P", bound=OfTenant)


class WaitingLine(Generic[P]):
    """A tenant with a thousand pieces delays another one's next piece by one, not by a thousand."""

    def __init__(self) -> None:
        self._lines: OrderedDict[TenantId, list[P]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __iter__(self) -> Iterator[P]:
        return (one for line in self._lines.values() for one in line)

    def add(self, piece: P) -> None:
        self._lines.setdefault(piece.tenant, []).append(piece)

    def remove(self, piece: P) -> None:
        """Nothing happens to one that is not here."""
        line = self._lines.get(piece.tenant)
        if line is not None and piece in line:
            line.remove(piece)
            if not line:
                del self._lines[piece.tenant]

    def next(self, may: Callable[[P], bool]) -> P | None:
        """Take what weighs most of the next tenant for whose heaviest there is room."""
        for tenant, line in self._lines.items():
            piece = max(line, key=_weight)
            if may(piece):
                line.remove(piece)
                del self._lines[tenant]
                if line:
                    self._lines[tenant] = line  # To the end: every other tenant comes first.
                return piece
        return None


def _weight(piece: OfTenant) -> float:
    return piece.weight
