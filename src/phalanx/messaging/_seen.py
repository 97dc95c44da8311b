"""How envelopes of other processes ended, to know them again when they come again. Bounded: the oldest give way.

Half of them are forgotten at a time, instead of one for each new one: a dictionary that is emptied from its beginning
is slow to find its beginning. Names and counts are all that it holds, so that the garbage collector does not look
through it.
"""

from phalanx.messaging._kinds import Outcome

# How many took it, and who did not and why.
End = tuple[int, tuple[tuple[str, Outcome], ...]]


class Seen:
    """See the module; keeps between half of ``most`` and ``most``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[str, int | End] = {}
        self._old: dict[str, int | End] = {}

    def find(self, name: str) -> End | None:
        """The end of what came under ``name``."""
        end = self._young.get(name)
        if end is None:
            end = self._old.get(name)
        return (end, ()) if isinstance(end, int) else end

    def keep(self, name: str, end: End) -> None:
        """Remember the end of what came under ``name``."""
        if len(self._young) >= self._most // 2:
            self._old, self._young = self._young, {}
        self._young[name] = end if end[1] else end[0]
