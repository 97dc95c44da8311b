"""Who looks at segments: a file that is let go of stays for those who began before, and for nobody else.

Otherwise files would stay for as long as somebody always looks, and disks would fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.intel.archive._model import Segment
from phalanx.intel.archive._segment import PieceShard


@dataclass(frozen=True, slots=True)
class Looked:
    """Everything of a tenant as it was when somebody began to look."""

    segments: list[Segment]
    shards: list[PieceShard]
    turn: int


class Looking:
    """Counts who began to look, and when what was let go of is nobody's any more."""

    def __init__(self) -> None:
        self._turn = 0
        self._open: set[int] = set()
        # What was let go of, each with the last turn that may look at it.
        self._doomed: list[tuple[int, Segment]] = []

    def begin(self, segments: list[Segment], shards: list[PieceShard]) -> Looked:
        self._turn += 1
        self._open.add(self._turn)
        return Looked(segments, shards, self._turn)

    def end(self, looked: Looked) -> None:
        self._open.discard(looked.turn)

    def let_go(self, segments: Sequence[Segment]) -> None:
        self._doomed += [(self._turn, one) for one in segments]

    def nobodys(self) -> list[Segment]:
        """What was let go of that nobody looks at."""
        first = min(self._open, default=self._turn + 1)
        return [one for turn, one in self._doomed if turn < first]

    def removed(self, segment: Segment) -> None:
        self._doomed = [(turn, one) for turn, one in self._doomed if one is not segment]

    def files(self) -> set[str]:
        """The files of what was let go of and not removed yet."""
        return {one.file for _, one in self._doomed}
