"""When a pool of processes is to be there, and a replay that tells what each rule comes to. Pure.

A process takes seconds to begin (it imports what it works with) and memory as long as it is there. One that is begun
when work comes makes that work wait; one that is kept for work that does not come is paid for nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phalanx.allocation.forecasts._limits import MAX_WORKERS, WARM_FROM


def processes_ahead(told: float, last: float, service_s: float, step_s: float, *, most: int) -> int:
    """How many to have ready for the next step; none where less work is told of than would be worth one.

    ``told`` is the forecast of arrivals in it, ``last`` what came in this one: what came last counts as well.
    """
    rate = max(told, last)
    if rate < WARM_FROM:
        return 0
    return max(1, min(most, MAX_WORKERS, round(rate * service_s / step_s + 0.5)))


@dataclass(frozen=True, slots=True)
class PoolRan:
    """What a rule came to. ``cold`` is the part of calls that waited for a process to begin."""

    wait_s_mean: float
    wait_s_p99: float
    cold: float
    process_s: float
    calls: int


def replay_pool(
    arrivals: Sequence[int], ahead: Callable[[int], int], *, step_s: float, start_s: float, service_s: float,
    most: int, idle_s: float,
) -> PoolRan:  # fmt: skip
    """So many calls come in each step, evenly. A call takes a free process, begins one while there are fewer than
    ``most``, or waits. All end once nothing was asked for ``idle_s``. ``ahead(step)``, which has seen that step and
    none after it, says how many there are to be in the next one.
    """
    pool = _Pool(start_s, service_s, most)
    waits: list[float] = []
    cold = 0
    asked_s = -idle_s
    for step, n in enumerate(arrivals):
        begin_s = step * step_s
        if step:
            wanted = ahead(step - 1)
            pool.have(wanted, begin_s)
            if wanted == 0 and begin_s - asked_s >= idle_s:
                pool.end(begin_s)
        for at in range(n):
            asked_s = begin_s + (at + 0.5) * step_s / n
            wait_s, began = pool.call(asked_s)
            waits.append(wait_s)
            cold += began
    pool.end(len(arrivals) * step_s)
    waits.sort()
    calls = len(waits)
    p99 = waits[min(calls - 1, int(0.99 * calls))] if calls else 0.0
    return PoolRan(sum(waits) / max(1, calls), p99, cold / max(1, calls), pool.spent_s, calls)


class _Pool:
    """When each process is free next, and for how long they were there."""

    def __init__(self, start_s: float, service_s: float, most: int) -> None:
        self._start_s, self._service_s, self._most = start_s, service_s, most
        self._free_s: list[float] = []
        self._since_s: list[float] = []
        self.spent_s = 0.0

    def have(self, wanted: int, now_s: float) -> None:
        for _ in range(min(wanted, self._most) - len(self._free_s)):
            self._free_s.append(now_s + self._start_s)
            self._since_s.append(now_s)

    def call(self, now_s: float) -> tuple[float, bool]:
        """How long it waits, and whether for a process that begins for it."""
        at = min(range(len(self._free_s)), key=self._free_s.__getitem__, default=-1)
        began = at < 0 or (self._free_s[at] > now_s and len(self._free_s) < self._most)
        if began:
            self.have(len(self._free_s) + 1, now_s)
            # Whichever is free first takes it: one that works may be done before another has begun.
            at = min(range(len(self._free_s)), key=self._free_s.__getitem__)
        wait_s = max(0.0, self._free_s[at] - now_s)
        self._free_s[at] = now_s + wait_s + self._service_s
        return wait_s, began

    def end(self, now_s: float) -> None:
        """All that is there ends, once it is done."""
        self.spent_s += sum(
            max(now_s, free_s) - since_s for free_s, since_s in zip(self._free_s, self._since_s, strict=True)
        )
        self._free_s, self._since_s = [], []
