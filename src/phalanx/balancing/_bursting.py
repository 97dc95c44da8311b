"""Many operations at once: few are placed one by one, many are solved as a whole first.

Tenants are taken in turns by what they are served, so that the one who comes first with ten thousand does not have
every place before the others are looked at.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from phalanx.balancing._deciding import OPEN
from phalanx.balancing._errors import NoEligibleResource, QueuesFull
from phalanx.balancing._fairness import FairShares
from phalanx.balancing._limits import BURST_OPERATIONS, MAX_PAIRS
from phalanx.balancing._model import MAKESPAN_ONLY, Operation
from phalanx.balancing._pool import Pool
from phalanx.balancing._problem import Problem
from phalanx.balancing._rebalancing import free_in
from phalanx.balancing._solving import solve
from phalanx.balancing._tickets import Ticket

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Places


def place_many(
    pool: Pool, operations: Sequence[Operation], now_s: float, *, shares: FairShares | None = None, seed: int = 0
) -> tuple[list[Ticket], list[Operation]]:
    """Place what arrives together; returns the tickets, and the operations that found no room and are to wait.

    From ``BURST_OPERATIONS`` on the whole is solved by prices on what the pool has learned, queues included, and each
    operation goes where that says. Raises ``NoEligibleResource`` for what could go nowhere, before anything is placed.
    """
    choice = _solved(pool, operations, now_s, seed) if len(operations) >= BURST_OPERATIONS else None
    tickets: list[Ticket] = []
    waiting: list[Operation] = []
    for at in _in_turns(operations, shares or FairShares()):
        operation = operations[at]
        try:
            only = None if choice is None else pool.seats[int(choice[at])].resource.name
            tickets.append(pool.place(operation, now_s, only=only))
        except QueuesFull:
            waiting.append(operation)
    return tickets, waiting


def _in_turns(operations: Sequence[Operation], shares: FairShares) -> list[int]:
    """Places of the operations, tenants by what they were served, each tenant's own in the order they came in."""
    queues: dict[str, deque[int]] = {}
    for at, operation in enumerate(operations):
        queues.setdefault(operation.tenant, deque()).append(at)
    if len(queues) == 1:
        return list(range(len(operations)))
    order: list[int] = []
    while queues:
        tenant = shares.order(queues)[0]
        at = queues[tenant].popleft()
        shares.charge(tenant, operations[at].size)
        order.append(at)
        if not queues[tenant]:
            del queues[tenant]
    return order


def _solved(pool: Pool, operations: Sequence[Operation], now_s: float, seed: int) -> "Places | None":
    """Where each had best go if all are there at once; None where there are too many for one problem."""
    import numpy as np

    m, n = len(pool.seats), len(operations)
    if m * n > MAX_PAIRS:
        return None
    times = np.empty((m, n), np.float32)
    open_now = pool.state[OPEN] > 0
    for j, operation in enumerate(operations):
        rates = pool.estimates.rates[pool.eligibility.kind_of(operation)]
        able = pool.eligibility.allowed(operation) & open_now & np.isfinite(rates)
        if not able.any():
            if not (pool.eligibility.allowed(operation) & np.isfinite(rates)).any():
                raise NoEligibleResource((operation.id,), count=1, reason=f"in pool {pool.name}")
            return None
        times[:, j] = np.where(
            able, np.where(able, rates, 0.0) * operation.size + pool.eligibility.transfer(operation), math.inf
        )
    queue = [free_in(pool, at, now_s) for at in range(m)]
    return solve(Problem.from_times(times, queue_s=queue), weights=MAKESPAN_ONLY, seed=seed).choice
