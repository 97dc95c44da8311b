"""Which waiting job a device does next. Pure: jobs go in, and each time a device is free one comes out.

Rules, in this order. An emergency goes first, wherever it fits. A job that can no longer meet its deadline is not
begun: its time would be wasted, and it is handed back as missed. Of the others, one that few devices can do goes before
one that many can; within that, the one that has to begin earliest.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phalanx.allocation._limits import MAX_WAITING_JOBS
from phalanx.core import InvalidInput, LimitExceeded


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job: how long it takes on each device that is good enough for it, and until when it must be done."""

    id: str
    took_s: Mapping[str, float]
    arrived_s: float
    deadline_s: float = math.inf
    emergency: bool = False

    def __post_init__(self) -> None:
        if not self.took_s:
            raise InvalidInput("job", f"{self.id} can be done nowhere")


class Dispatcher:
    """Queues of jobs by which devices can do them; bounded."""

    def __init__(self, devices: Sequence[str]) -> None:
        self.devices = tuple(devices)
        # One heap for each set of devices, narrow sets first: few sets, many jobs.
        self._queues: dict[frozenset[str], list[tuple[float, int, Waiting]]] = {}
        self._emergencies: list[tuple[float, int, Waiting]] = []
        self._count = 0
        self._waiting = 0

    @property
    def waiting(self) -> int:
        return self._waiting

    def add(self, job: Waiting) -> None:
        """Let it wait. Raises ``LimitExceeded``."""
        if self._waiting >= MAX_WAITING_JOBS:
            raise LimitExceeded("waiting jobs", maximum=MAX_WAITING_JOBS, seen=self._waiting + 1)
        queue = self._emergencies if job.emergency else self._queues.setdefault(frozenset(job.took_s), [])
        self._count += 1
        self._waiting += 1
        # Latest time to begin on the slowest device: who has least room first.
        heapq.heappush(queue, (job.deadline_s - max(job.took_s.values()), self._count, job))

    def next(self, device: str, now_s: float) -> tuple[Waiting | None, list[Waiting]]:
        """The job for a device that is free now, and those that turned out to have missed their deadline."""
        missed: list[Waiting] = []
        job = self._first(self._emergencies, device, now_s, missed)
        if job is None:
            fitting = sorted(
                (kind for kind in self._queues if device in kind), key=lambda kind: (len(kind), sorted(kind))
            )
            for kind in fitting:
                job = self._first(self._queues[kind], device, now_s, missed)
                if job is not None:
                    break
        return job, missed

    def _first(
        self, queue: list[tuple[float, int, Waiting]], device: str, now_s: float, missed: list[Waiting]
    ) -> Waiting | None:
        kept: list[tuple[float, int, Waiting]] = []
        found: Waiting | None = None
        while queue:
            entry = heapq.heappop(queue)
            job = entry[2]
            if now_s + min(job.took_s.values()) > job.deadline_s and not job.emergency:
                missed.append(job)
                self._waiting -= 1
            elif device not in job.took_s or (now_s + job.took_s[device] > job.deadline_s and not job.emergency):
                kept.append(entry)
            else:
                found = job
                self._waiting -= 1
                break
        for entry in kept:
            heapq.heappush(queue, entry)
        return found
