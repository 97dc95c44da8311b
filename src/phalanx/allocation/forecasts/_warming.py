"""How many workers to have ready when starting one takes a while, and a replay that tells what that was worth. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phalanx.allocation.forecasts._limits import MAX_WORKERS


def workers_for(
    per_step: float, backlog: float, service_steps: float, *, margin: float = 1.2, clear_in: float = 6.0
) -> int:
    """For so many arrivals a step that take ``service_steps`` each, with what waits done within ``clear_in`` steps."""
    wanted = margin * per_step * service_steps + backlog * service_steps / clear_in
    return min(MAX_WORKERS, max(0, math.ceil(wanted - 1e-9)))


def rate_ahead(last: float, told: float) -> float:
    """What to be ready for: what is told, and never less than what came last. Warming only adds to reacting."""
    return max(last, told)


@dataclass(frozen=True, slots=True)
class Warmed:
    """What a rule came to: how long work waited, and how many worker-steps were kept for that."""

    wait_steps_mean: float
    wait_steps_p99: float
    worker_steps: int
    served: int


def replay_warming(
    arrivals: Sequence[int], wanted: Callable[[int, int], int], *, lead: int, service_steps: int = 1, least: int = 1
) -> Warmed:
    """Work arrives by the step; a worker that is wanted works ``lead`` steps later, and leaves when it is not wanted.

    ``wanted(step, backlog)`` says how many there should be ``lead`` steps from ``step`` on; it sees nothing of later.
    ``least`` are always kept: a floor.
    """
    queue: list[list[int]] = []  # of those that wait: [arrived, how many]
    head = 0
    busy_until: list[int] = []
    waits: dict[int, int] = {}
    coming = [least] * lead
    worker_steps = served = backlog = 0
    step = 0
    while step < len(arrivals) or backlog:
        if step < len(arrivals) and arrivals[step]:
            queue.append([step, arrivals[step]])
            backlog += arrivals[step]
        coming.append(max(least, wanted(min(step, len(arrivals) - 1), backlog)))
        here = coming[step]
        busy_until = [end for end in busy_until if end > step]
        free = max(0, here - len(busy_until))
        worker_steps += max(here, len(busy_until))
        while free and backlog:
            arrived, count = queue[head]
            taken = min(free, count)
            waits[step - arrived] = waits.get(step - arrived, 0) + taken
            busy_until += [step + service_steps] * taken
            served, backlog, free = served + taken, backlog - taken, free - taken
            queue[head][1] -= taken
            if not queue[head][1]:
                head += 1
        step += 1
    total = sum(wait * count for wait, count in waits.items())
    return Warmed(total / max(1, served), _upper(waits, served, 0.99), worker_steps, served)


def _upper(waits: dict[int, int], served: int, part: float) -> float:
    reached = 0
    for wait in sorted(waits):
        reached += waits[wait]
        if reached >= part * served:
            return float(wait)
    return 0.0
