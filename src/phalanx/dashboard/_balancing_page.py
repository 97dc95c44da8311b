"""What the page of balancing shows: for each pool who is busy how much, how work is split, and why. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.balancing import KindView, PlacementView, PoolView, ResourceView
from phalanx.dashboard._limits import MAX_SHOWN_PLACEMENTS, MAX_SHOWN_RESOURCES

_LEVELS = 10


@dataclass(frozen=True, slots=True)
class Cell:
    """One share of the matrix. ``level`` is its shade, 0 to 10; ``expected`` what one operation takes there.

    ``unable`` says that none can go there, and none went.
    """

    placed: str
    planned: str
    level: int
    unable: bool
    expected: str


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of operation."""

    name: str
    arrivals: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class PoolPanel:
    """One pool. ``more`` counts resources that are not shown."""

    view: PoolView
    resources: tuple[ResourceView, ...]
    rows: tuple[Row, ...]
    placements: tuple[PlacementView, ...]
    more: int


def panel(view: PoolView, placements: Sequence[PlacementView]) -> PoolPanel:
    """The pool as the page shows it; kinds that nothing was seen of are left out."""
    shown = view.resources[:MAX_SHOWN_RESOURCES]
    seen = [kind for kind in view.kinds if sum(kind.placed) > 0 or sum(kind.planned) > 0]
    rows = tuple(_row(kind, len(shown)) for kind in (seen or view.kinds[:1]))
    return PoolPanel(view, shown, rows, tuple(placements[:MAX_SHOWN_PLACEMENTS]), len(view.resources) - len(shown))


def _row(kind: KindView, width: int) -> Row:
    cells = [
        Cell(
            placed=f"{placed:.0%}",
            planned=f"{planned:.0%}",
            level=min(_LEVELS, round(placed * _LEVELS)),
            unable=expected is None and not placed,
            expected="cannot" if expected is None else f"{_short(expected)}{'' if observations else ' declared'}",
        )
        for placed, planned, expected, observations in zip(
            kind.placed[:width], kind.planned[:width], kind.expected_s[:width], kind.observations[:width], strict=True
        )
    ]
    return Row(kind.name, f"{kind.arrivals_per_s:.3g}/s", tuple(cells))


def _short(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
