"""How often a source is heard, learned from itself, and when its silence is one. Pure.

Gaps between deliveries are averaged with their mean deviation, newer ones counting more (as TCP
estimates round trips, RFC 6298): a source is quiet when it was silent for longer than the usual gap and
many deviations, and for longer than a floor that no ordinary hiccup reaches. It is told once, until it is
heard again. Only what comes live teaches a rhythm, and only over ``RHYTHM_SPAN_S``: recorded files that somebody
uploads, however many, have none. Memory is bounded: of too many sources the one heard longest ago is forgotten.
"""

from collections import OrderedDict
from dataclasses import dataclass

from phalanx.core import NS_PER_S
from phalanx.intel._limits import (
    LIVE_WITHIN_S,
    MAX_RHYTHMS,
    QUIET_DEVIATIONS,
    QUIET_FACTOR,
    QUIET_FLOOR_S,
    RHYTHM_SAMPLES,
    RHYTHM_SPAN_S,
    RHYTHM_WEIGHT,
)


@dataclass(slots=True)
class Rhythm:
    """One source: when it was last heard, its usual gap and how far gaps lie from it, over ``n`` gaps of ``span_s``."""

    last_ns: int
    n: int = 0
    span_s: float = 0.0
    gap_s: float = 0.0
    deviation_s: float = 0.0
    told: bool = False

    def heard(self, at_ns: int) -> None:
        if at_ns <= self.last_ns:
            return
        gap_s = (at_ns - self.last_ns) / NS_PER_S
        self.last_ns, self.told = at_ns, False
        self.n += 1
        self.span_s += gap_s
        if self.n == 1:
            self.gap_s, self.deviation_s = gap_s, gap_s / 2
            return
        self.deviation_s += RHYTHM_WEIGHT * (abs(gap_s - self.gap_s) - self.deviation_s)
        self.gap_s += RHYTHM_WEIGHT * (gap_s - self.gap_s)

    @property
    def known(self) -> bool:
        """Whether it was heard often and long enough to have a rhythm."""
        return self.n >= RHYTHM_SAMPLES and self.span_s >= RHYTHM_SPAN_S

    @property
    def limit_s(self) -> float:
        """Silence that is longer is one."""
        return max(QUIET_FLOOR_S, QUIET_FACTOR * self.gap_s + QUIET_DEVIATIONS * self.deviation_s)

    def silent_s(self, now_ns: int) -> float:
        return max(0.0, (now_ns - self.last_ns) / NS_PER_S)


class Lags:
    """Which deliveries come live, by how far the newest event of each lay behind the moment in which it came.

    What came soon after it happened is live. So is a source whose lag has stayed the same for ``RHYTHM_SPAN_S``,
    whatever it is: its clock is wrong, or its shipper waits. Files that somebody uploads are neither: their events go
    by faster than time does.
    """

    def __init__(self) -> None:
        self._since: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def are_live(self, source: str, at_ns: int, latest_ns: int) -> bool:
        """``latest_ns`` is when the newest event of a delivery at ``at_ns`` says that it happened."""
        # Nothing comes before it happens: what says so has a wrong clock, and no delivery is judged by it.
        lag_ns, near_ns = max(0, at_ns - latest_ns), LIVE_WITHIN_S * NS_PER_S
        if lag_ns <= near_ns:
            return True
        since = self._since.get(source)
        if since is None or abs(lag_ns - since[1]) > near_ns:
            since = self._since[source] = (at_ns, lag_ns)
            if len(self._since) > MAX_RHYTHMS:
                self._since.popitem(last=False)
        self._since.move_to_end(source)
        return at_ns - since[0] >= RHYTHM_SPAN_S * NS_PER_S


@dataclass(frozen=True, slots=True)
class Silence:
    """A source that went quiet."""

    source: str
    silent_s: float
    usual_s: float


class Rhythms:
    """All sources of a node."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, Rhythm] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def known(self) -> int:
        """How many have a rhythm."""
        return sum(one.known for one in self._sources.values())

    def heard(self, source: str, at_ns: int, *, live: bool) -> None:
        """A delivery. One that is not ``live`` ends a silence, and says nothing of how often the source is heard."""
        one = self._sources.get(source)
        if not live:
            if one is not None:
                one.told = False
                one.last_ns = max(one.last_ns, at_ns)
            return
        if one is None:
            self._sources[source] = Rhythm(at_ns)
        else:
            one.heard(at_ns)
        self._sources.move_to_end(source)
        if len(self._sources) > MAX_RHYTHMS:
            self._sources.popitem(last=False)

    def awake_since(self, now_ns: int) -> None:
        """Nobody listened until now: silence counts from here."""
        for one in self._sources.values():
            one.last_ns = max(one.last_ns, now_ns)

    def quiet(self, now_ns: int) -> list[Silence]:
        """The sources whose silence became one since this was last asked."""
        found = []
        for source, one in self._sources.items():
            silent_s = one.silent_s(now_ns)
            if one.known and not one.told and silent_s > one.limit_s:
                one.told = True
                found.append(Silence(source, silent_s, one.gap_s))
        return found
