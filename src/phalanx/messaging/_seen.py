"""How envelopes of other processes ended, to know them again when they come again. Bounded: the oldest give way.

Each incarnation of a process numbers what it sends, so that a number within its stream is all that is kept of most.
Half of what is kept is forgotten at a time, instead of one for each new one: a dictionary that is emptied from its
beginning is slow to find its beginning.
"""

from typing import Generic, TypeVar

from phalanx.messaging._kinds import Outcome

# How many took it, and who did not and why.
End = tuple[int, tuple[tuple[str, Outcome], ...]]
Here = TypeVar("Here")


class Stream(Generic[Here]):
    """What came from one incarnation of one process; in ``open`` what has no end yet."""

    __slots__ = ("_old", "_seen", "_young", "name", "open")

    def __init__(self, seen: "Seen[Here]", name: tuple[str, str]) -> None:
        self.name = name
        self.open: dict[int, Here] = {}
        self._seen = seen
        self._young: dict[int, int | End] = {}
        self._old: dict[int, int | End] = {}

    @property
    def n_young(self) -> int:
        return len(self._young)

    def knows(self, number: int) -> bool:
        """Whether something came under ``number`` before."""
        return number in self._young or number in self.open or number in self._old

    def find(self, number: int) -> End | None:
        """The end of what came under ``number``."""
        end = self._young.get(number)
        if end is None:
            end = self._old.get(number)
        return (end, ()) if isinstance(end, int) else end

    def begin(self, number: int, here: Here) -> None:
        """Something came under ``number``."""
        if not self.open:
            self._seen.enter(self)
        self.open[number] = here
        self._seen.n_open += 1

    def end(self, number: int, end: End) -> None:
        """What came under ``number`` has its end."""
        del self.open[number]
        self._seen.n_open -= 1
        self.keep(number, end if end[1] else end[0])

    def keep(self, number: int, end: int | End) -> None:
        """Remember how it ended, or how many took it when nobody else was to."""
        if not self._young:
            self._seen.enter(self)
        self._young[number] = end

    def grow_old(self) -> bool:
        """Forget the older half; whether nothing is left."""
        self._old, self._young = self._young, {}
        return not (self._old or self.open)


class Seen(Generic[Here]):
    """See the module; keeps between half of ``most`` and ``most``, and what one frame brings.

    ``n_open`` counts what has no end yet.
    """

    def __init__(self, most: int) -> None:
        self.n_open = 0
        self._most = most
        self._streams: dict[tuple[str, str], Stream[Here]] = {}

    def stream(self, source: str, origin: str) -> Stream[Here]:
        """The stream of an incarnation of ``source``. To be asked for anew after anything else came in."""
        name = source, origin
        found = self._streams.get(name)
        return Stream(self, name) if found is None else found

    def enter(self, stream: Stream[Here]) -> None:
        """Something is to be remembered of a stream."""
        self._streams[stream.name] = stream

    def tidy(self) -> None:
        """Forget the older half if the younger has become as much. To be called after every frame."""
        if sum(one.n_young for one in self._streams.values()) >= self._most // 2:
            self._streams = {name: one for name, one in self._streams.items() if not one.grow_old()}
