"""What may run next: the legal orders of an asyncio program, one of which the seed picks.

1. A task's steps follow one another (asyncio keeps at most one of them pending).
2. Callbacks that are not task steps (timers, done callbacks, ``call_soon``) keep their order.
3. A task step never overtakes a callback scheduled before it: whoever awaits a future finds
   that the done callbacks registered earlier have run.
4. Apart from that, a pending task step may wait while any other one, or the next callback,
   goes first. asyncio promises no order between tasks, and a correct program needs none.

asyncio's own locks, queues, groups and timeouts stay correct under these orders: what they
hand over travels in futures, and they look again when they wake.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, NamedTuple


class Ready(NamedTuple):
    """A callback that may run, with the handle that can still cancel it.

    ``step_of`` is the serial number of the task whose step it is, and 0 for any other callback.
    """

    handle: asyncio.Handle
    callback: Callable[..., object]
    args: tuple[Any, ...]
    context: Context
    step_of: int


class RunQueue:
    """Pending callbacks under the four rules; every operation takes constant time."""

    __slots__ = ("_held", "_random", "_steps")

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._steps: list[Ready] = []  # task steps with no pending callback before them
        self._held: deque[Ready] = deque()  # all the rest in order; the first is a callback

    def __bool__(self) -> bool:
        return bool(self._steps or self._held)

    def add(self, ready: Ready) -> None:
        if not self._held and ready.step_of:
            self._steps.append(ready)
        else:
            self._held.append(ready)

    def take(self) -> Ready:
        """Remove and return what runs next."""
        steps, held = self._steps, self._held
        n = len(steps) + (1 if held else 0)
        index = int(self._random() * n) if n > 1 else 0
        if index < len(steps):
            steps[index], steps[-1] = steps[-1], steps[index]
            return steps.pop()
        ready = held.popleft()
        while held and held[0].step_of:
            steps.append(held.popleft())
        return ready
