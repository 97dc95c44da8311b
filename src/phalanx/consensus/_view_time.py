"""How long a view may take: the first as long as it was made for, each further one half as long again."""

from phalanx.consensus._limits import GROWTH


class ViewTime:
    """The time of one participant's present view, on its own clock. ``deadline_ns`` ends every view."""

    def __init__(self, first_ns: int, deadline_ns: int) -> None:
        self._first_ns = first_ns
        self._deadline_ns = deadline_ns
        self._ends_ns = 0
        self._reminded = False
        self.began_ns = 0

    def begin(self, view: int, now_ns: int) -> int:
        """``view`` begins; when to look again."""
        above, below = GROWTH
        self.began_ns = now_ns
        self._ends_ns = now_ns + self._first_ns * above ** (view - 1) // below ** (view - 1)
        self._reminded = False
        return min(self.half_ns, self._deadline_ns)

    def begin_asking(self, now_ns: int) -> int:
        """There is no further view; when to ask again."""
        self._ends_ns = now_ns + self._first_ns
        return self._ends_ns

    @property
    def half_ns(self) -> int:
        return (self.began_ns + self._ends_ns) // 2

    def is_over(self, now_ns: int) -> bool:
        return now_ns >= self._ends_ns

    def is_past_deadline(self, now_ns: int) -> bool:
        return now_ns >= self._deadline_ns

    def remind(self, now_ns: int) -> int | None:
        """Once in a view, when half of it is over: when to look again."""
        if self._reminded or now_ns < self.half_ns:
            return None
        self._reminded = True
        return min(self._ends_ns, self._deadline_ns)
