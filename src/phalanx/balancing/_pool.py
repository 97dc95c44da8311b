"""A pool of resources that operations stream through: placing, finishing, learning.

Invariants:

- an operation is held by one resource at a time; placing it again while it is held gives the same ticket;
- nothing is placed beyond a resource's limit, on one closed or resting, or where the operation may not go;
- finishing or withdrawing what is not held any more changes nothing (``False``): late and doubled words do no harm;
- a ticket's ``version`` grows when it moves; a move that was planned for an older version is refused.

No clock, no I/O, no threads: time comes in as ``now_s``, seconds of a clock that never goes back.
"""

import dataclasses
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from phalanx.balancing._deciding import (
    COUNT,
    DONE,
    HEAD_S,
    HEAD_SINCE,
    LIMIT,
    N_CLOSED,
    N_FULL,
    NEXT,
    NEXT_DONE,
    OPEN,
    OUT_ROWS,
    PENDING,
    SLOTS,
    STATE_ROWS,
    WAIT,
    decider,
)
from phalanx.balancing._eligibility import Eligibility, declared_rates
from phalanx.balancing._errors import NoEligibleResource, QueuesFull
from phalanx.balancing._estimates import Estimates
from phalanx.balancing._fluid import FluidPlan
from phalanx.balancing._limits import (
    DEFAULT_CAPACITY,
    FAILURES_TO_REST,
    MAX_CAPACITY,
    MAX_OUTSTANDING,
    MAX_POOL_KINDS,
    MAX_POOL_RESOURCES,
    RATE_WINDOW_S,
    RECENT_PLACEMENTS,
    REST_FIRST_S,
    REST_LONGEST_S,
    SLOW_START,
)
from phalanx.balancing._model import Operation, OperationKind, Resource
from phalanx.balancing._tickets import Reason, Seat, Ticket
from phalanx.core import InvalidInput, LimitExceeded, NotFound

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Flags, Sums


class Pool:
    """Resources by name, and the operations they hold."""

    def __init__(
        self,
        name: str,
        kinds: Sequence[OperationKind],
        resources: Sequence[Resource],
        *,
        title: str = "",
        capacities: Mapping[str, int] | None = None,
        slots: Mapping[str, int] | None = None,
    ) -> None:
        import numpy as np

        if len(kinds) > MAX_POOL_KINDS:
            raise LimitExceeded("kinds of a pool", maximum=MAX_POOL_KINDS, seen=len(kinds))
        if len(resources) > MAX_POOL_RESOURCES:
            raise LimitExceeded("resources of a pool", maximum=MAX_POOL_RESOURCES, seen=len(resources))
        self.name, self.title = name, title or name
        self.kinds = {kind.name: at for at, kind in enumerate(kinds)}
        self.kind_values = tuple(kinds)
        self.places = {resource.name: at for at, resource in enumerate(resources)}
        if len(self.kinds) != len(kinds) or len(self.places) != len(resources):
            raise InvalidInput("pool", f"two kinds or two resources of {name} have the same name")
        self.seats = [
            Seat(one, _capacity(one.name, capacities), max(1, (slots or {}).get(one.name, 1)), {}) for one in resources
        ]
        self.state: Sums = np.zeros((STATE_ROWS, len(resources)))
        self.state[OPEN] = 1.0
        self.state[LIMIT] = [seat.capacity for seat in self.seats]
        self.state[SLOTS] = [seat.slots for seat in self.seats]
        self.estimates = Estimates(declared_rates(kinds, resources))
        self.plan: FluidPlan | None = None
        self.tickets: dict[str, Ticket] = {}
        self.recent: deque[Ticket] = deque(maxlen=RECENT_PLACEMENTS)
        self.arrived = np.zeros(len(kinds))
        self.arrivals_per_s = np.zeros(len(kinds))
        self.placed_of = np.zeros((len(kinds), len(resources)))
        self.counted_from_s = -math.inf
        self.late = self.refused = self.moved = self.placed = 0
        self._out: Sums = np.zeros(OUT_ROWS)
        self._resting = 0
        self.eligibility = Eligibility(name, kinds, self.seats)

    def place(self, operation: Operation, now_s: float, *, only: str | None = None) -> Ticket:
        """Give the operation to the resource where it fits best now; to ``only`` where a plan has decided already.

        Raises ``NoEligibleResource`` when none could ever take it and ``QueuesFull`` when none can at the moment.
        ``operation.deadline_s`` counts from now; one that cannot be kept is missed by as little as possible.
        """
        held = self.tickets.get(operation.id)
        if held is not None:
            return held
        kind = self.eligibility.kind_of(operation)
        if len(self.tickets) >= MAX_OUTSTANDING:
            self.refused += 1
            raise QueuesFull(self.name, retry_after_s=1)
        self.arrived[kind] += 1.0
        self.wake(now_s)
        allowed, transfer, out = self.eligibility.allowed(operation), self.eligibility.transfer(operation), self._out
        if only is not None:
            allowed = allowed & self._alone(only)
        at = decider(len(self.seats))(
            self.state, self.estimates.rates[kind], self.eligibility.loss[kind], transfer, allowed, operation.size,
            now_s, now_s + operation.deadline_s, out,
        )  # fmt: skip
        if at < 0:
            self.refused += 1
            self._explain_refusal(operation, kind, allowed)
        wait, done = float(out[WAIT]), float(out[DONE])
        late_by = done - operation.deadline_s
        runner_up = self.seats[int(out[NEXT])].resource.name if out[NEXT] >= 0 else ""
        reason = Reason(
            self.seats[at].resource.name, wait, done - wait, runner_up, float(out[NEXT_DONE]),
            int(out[N_FULL]), int(out[N_CLOSED]), late_by,
        )  # fmt: skip
        ticket = Ticket(operation, at, done - wait, now_s, wait, done, reason)
        self.tickets[operation.id] = ticket
        self._take(ticket, kind)
        self.recent.append(ticket)
        self.placed += 1
        self.late += late_by > 0
        return ticket

    def has_room(self, operation: Operation, now_s: float) -> bool:
        """Whether ``place`` would find room for it now; asking counts as nothing."""
        if len(self.tickets) >= MAX_OUTSTANDING:
            return False
        self.wake(now_s)
        able = self.estimates.rates[self.eligibility.kind_of(operation)] < math.inf
        room = (self.state[OPEN] != 0.0) & (self.state[COUNT] < self.state[LIMIT])
        return bool((able & room & self.eligibility.allowed(operation)).any())

    def start(self, operation: str, now_s: float) -> bool:
        """The resource that holds it has begun it."""
        ticket = self.tickets.get(operation)
        if ticket is None or ticket.started_s >= 0:
            return False
        ticket.started_s = now_s
        self.measure(ticket.resource, now_s)
        self.seats[ticket.resource].waiting.pop(operation, None)
        self.state[HEAD_S, ticket.resource] += ticket.expected_s
        self.state[HEAD_SINCE, ticket.resource] = now_s
        return True

    def finish(self, operation: str, now_s: float, *, ok: bool = True, resource: str = "") -> bool:
        """It has ended. ``resource``, where given, must be the one that holds it; else the word is stale."""
        ticket = self.tickets.get(operation)
        if ticket is None or (resource and self.seats[ticket.resource].resource.name != resource):
            return False
        at = ticket.resource
        seat = self.seats[at]
        kind = self.kinds[ticket.operation.kind]
        if ok and ticket.started_s >= 0:
            took = now_s - ticket.started_s - float(self.eligibility.transfer(ticket.operation)[at])
            self.estimates.observe(kind, at, ticket.operation.size, max(0.0, took))
        self._drop(ticket, now_s)
        if ok:
            seat.done += 1
            seat.failures, seat.rest_s = 0, REST_FIRST_S
            self.state[LIMIT, at] = min(seat.capacity, 2 * self.state[LIMIT, at])
        else:
            seat.failed += 1
            seat.failures += 1
            if seat.failures >= FAILURES_TO_REST:
                self._rest(at, now_s)
        return True

    def withdraw(self, operation: str, now_s: float) -> bool:
        """It is no longer for this pool to do: cancelled, or lost with the resource that held it."""
        ticket = self.tickets.get(operation)
        if ticket is None:
            return False
        self._drop(ticket, now_s)
        return True

    def close(self, resource: str, reason: str) -> tuple[str, ...]:
        """Give this resource nothing more; returns the operations that wait there and had better move."""
        seat = self.seats[self.place_of(resource)]
        seat.closed = reason or "closed"
        self.state[OPEN, self.places[resource]] = 0.0
        return tuple(seat.waiting)

    def open(self, resource: str, *, renewed: bool = False) -> None:
        """It may be given operations again, slowly at first. ``renewed`` says that another has taken its place."""
        at = self.place_of(resource)
        seat = self.seats[at]
        self._resting -= seat.rest_until_s != -math.inf
        seat.closed, seat.failures, seat.rest_s, seat.rest_until_s = "", 0, REST_FIRST_S, -math.inf
        self.state[OPEN, at] = 1.0
        self.state[LIMIT, at] = min(seat.capacity, SLOW_START * seat.slots)
        if renewed:
            self.estimates.forget(at)

    def set_drift(self, resource: str, drift: float) -> None:
        """How far the device is from its calibration; beyond a bound it gets nothing that needs coherence."""
        at = self.place_of(resource)
        seat = self.seats[at]
        seat.resource = dataclasses.replace(seat.resource, drift=drift)
        self.eligibility.drifted()

    def set_loss(self, resource: str, share: float) -> None:
        """The share of its work that will have to be done again, as far as is known: it counts against a resource."""
        self.eligibility.loss[:, self.place_of(resource)] = share

    def place_of(self, resource: str) -> int:
        """Raises ``NotFound``."""
        if resource not in self.places:
            raise NotFound("resource", resource)
        return self.places[resource]

    def wake(self, now_s: float) -> None:
        """Let resources that have rested long enough try again."""
        if not self._resting:
            return
        for at, seat in enumerate(self.seats):
            if seat.rest_until_s != -math.inf and now_s >= seat.rest_until_s and not seat.closed:
                seat.rest_until_s = -math.inf
                self._resting -= 1
                self.state[OPEN, at] = 1.0
                self.state[LIMIT, at] = min(seat.capacity, SLOW_START * seat.slots)

    def _alone(self, resource: str) -> "Flags":
        import numpy as np

        found: Flags = np.arange(len(self.seats)) == self.place_of(resource)
        return found

    def _explain_refusal(self, operation: Operation, kind: int, allowed: "Flags") -> None:
        import numpy as np

        if not (allowed & np.isfinite(self.estimates.rates[kind])).any():
            raise NoEligibleResource((operation.id,), count=1, reason=f"in pool {self.name}")
        raise QueuesFull(self.name, retry_after_s=1)

    def _take(self, ticket: Ticket, kind: int) -> None:
        at = ticket.resource
        self.state[PENDING, at] += ticket.expected_s
        self.state[COUNT, at] += 1.0
        self.placed_of[kind, at] += 1.0
        self.seats[at].waiting[ticket.operation.id] = ticket

    def _drop(self, ticket: Ticket, now_s: float) -> None:
        at = ticket.resource
        del self.tickets[ticket.operation.id]
        self.measure(at, now_s)
        self.seats[at].waiting.pop(ticket.operation.id, None)
        self.state[COUNT, at] -= 1.0
        # An empty resource has no work left, whatever rounding says.
        left = self.state[PENDING, at] - ticket.expected_s
        self.state[PENDING, at] = max(0.0, left) if self.state[COUNT, at] > 0 else 0.0
        if ticket.started_s >= 0:
            self.state[HEAD_S, at] = max(0.0, self.state[HEAD_S, at] - ticket.expected_s)
            if self.state[COUNT, at] == 0:
                self.state[HEAD_S, at] = 0.0

    def _rest(self, at: int, now_s: float) -> None:
        seat = self.seats[at]
        self._resting += seat.rest_until_s == -math.inf
        seat.rest_until_s = now_s + seat.rest_s
        seat.rest_s = min(2 * seat.rest_s, REST_LONGEST_S)
        self.state[OPEN, at] = 0.0

    def measure(self, at: int, now_s: float) -> None:
        """Carry the busy share of the last minute forward to now; to be called before what it depends on changes."""
        seat = self.seats[at]
        running = float(self.state[COUNT, at]) - len(seat.waiting)
        past = now_s - seat.busy_since_s
        if past > 0:
            keep = math.exp(-past / RATE_WINDOW_S)
            seat.busy_share = keep * seat.busy_share + (1 - keep) * min(1.0, max(0.0, running) / seat.slots)
            seat.busy_since_s = now_s


def _capacity(name: str, capacities: Mapping[str, int] | None) -> int:
    found = (capacities or {}).get(name, DEFAULT_CAPACITY)
    if not 1 <= found <= MAX_CAPACITY:
        raise InvalidInput("capacities", f"{name} cannot hold {found} operations; 1 to {MAX_CAPACITY} are possible")
    return found
