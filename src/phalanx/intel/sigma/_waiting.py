"""How near correlations came to being complete, told for people. Pure."""

from collections.abc import Sequence

from phalanx.core import NS_PER_S, counted
from phalanx.intel.sigma._correlation import CorrelationRule, Kind, Seen, group_told


class Nearest:
    """Of each correlation, by name, the events that came nearest, and how many could not be counted."""

    def __init__(self) -> None:
        self._best: dict[str, tuple[int, str, Sequence[Seen]]] = {}
        self._lacking: dict[str, int] = {}
        self.completions: dict[str, int] = {}

    def completed(self, correlation: CorrelationRule) -> None:
        self.completions[correlation.name] = self.completions.get(correlation.name, 0) + 1

    def lacking(self, correlation: CorrelationRule) -> None:
        self._lacking[correlation.name] = self._lacking.get(correlation.name, 0) + 1

    def waiting(self, correlation: CorrelationRule, group: str, within: Sequence[Seen]) -> None:
        reached = _reached(correlation, within)
        if reached > self._best.get(correlation.name, (0,))[0]:
            self._best[correlation.name] = (reached, group, within)

    def told(self, correlation: CorrelationRule) -> str:
        """How often it was completed; or what it asks for, how near that came, and what could not be counted."""
        if n := self.completions.get(correlation.name, 0):
            return f"was completed {counted(n, 'time')}"
        seconds = correlation.timespan_ns / NS_PER_S
        text = f"was not completed: it asks for {_asked(correlation)} within {seconds:g} s"
        if correlation.name not in self._best:
            text += "; none came"
        else:
            reached, group, within = self._best[correlation.name]
            of = group_told(correlation, group)
            took_s = (within[-1].time_ns - within[0].time_ns) / NS_PER_S
            text += f"; at most {reached} came together, within {took_s:g} s{f' of {of}' if of else ''}"
        if n := self._lacking.get(correlation.name, 0):
            wanted = [*correlation.group_by, *([correlation.value_field] if correlation.value_field else [])]
            text += f"; {counted(n, 'event')} could not be counted, without {' or '.join(wanted)}"
        return text


def _asked(correlation: CorrelationRule) -> str:
    match correlation.kind:
        case Kind.EVENT_COUNT:
            return counted(correlation.count, "event")
        case Kind.VALUE_COUNT:
            return f"{counted(correlation.count, 'value')} of {correlation.value_field}"
        case Kind.TEMPORAL:
            return f"an event of each of {', '.join(correlation.rules)}"
        case Kind.TEMPORAL_ORDERED:
            return f"an event of each of {', '.join(correlation.rules)}, in this order"


def _reached(correlation: CorrelationRule, within: Sequence[Seen]) -> int:
    match correlation.kind:
        case Kind.EVENT_COUNT:
            return len(within)
        case Kind.VALUE_COUNT:
            return len({one.value for one in within})
        case Kind.TEMPORAL:
            return len({one.rule for one in within})
        case Kind.TEMPORAL_ORDERED:
            wanted = 0
            for one in within:
                wanted += one.rule == wanted
            return wanted
