"""What a pool remembers: of an operation it holds, of why it went where it is, and of a resource."""

import math
from dataclasses import dataclass

from phalanx.balancing._limits import REST_FIRST_S
from phalanx.balancing._model import Operation, Resource


@dataclass(slots=True)
class Ticket:
    """One operation in the pool's hands. ``started_s`` is negative while it waits."""

    operation: Operation
    resource: int
    expected_s: float
    placed_s: float
    wait_s: float
    done_s: float
    reason: "Reason"
    version: int = 0
    started_s: float = -1.0
    moves: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a resource was chosen, kept as numbers until somebody asks for words."""

    resource: str
    wait_s: float
    work_s: float
    runner_up: str
    runner_up_s: float
    n_full: int
    n_closed: int
    late_by_s: float

    def __str__(self) -> str:
        words = f"{self.resource} is free in {self.wait_s:.3g} s and takes {self.work_s:.3g} s"
        if self.runner_up:
            words += f"; {self.runner_up} would be done after {self.runner_up_s:.3g} s"
        for count, what in ((self.n_full, "full"), (self.n_closed, "closed or resting")):
            words += f"; {count} {'is' if count == 1 else 'are'} {what}" if count else ""
        return words + (f"; {self.late_by_s:.3g} s too late everywhere" if self.late_by_s > 0 else "")


@dataclass(slots=True)
class Seat:
    """What the pool knows of one resource besides numbers. ``closed`` is why it is given nothing; empty when it is."""

    resource: Resource
    capacity: int
    slots: int
    waiting: dict[str, Ticket]
    closed: str = ""
    rest_until_s: float = -math.inf
    rest_s: float = REST_FIRST_S
    failures: int = 0
    done: int = 0
    failed: int = 0
    busy_share: float = 0.0
    busy_since_s: float = 0.0
