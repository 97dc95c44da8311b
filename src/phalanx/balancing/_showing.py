"""A pool as plain data, for people to look at."""

import math

from phalanx.balancing._deciding import COUNT, LIMIT, OPEN
from phalanx.balancing._pool import Pool
from phalanx.balancing._rebalancing import free_in
from phalanx.balancing._tickets import Ticket
from phalanx.balancing._views import KindView, PlacementView, PoolView, ResourceView


def show(pool: Pool, now_s: float, *, compiling: bool = False) -> PoolView:
    """The pool as it stands. ``compiling`` says that kernels are not there yet."""
    pool.wake(now_s)
    plan = pool.plan
    return PoolView(
        name=pool.name,
        title=pool.title,
        resources=tuple(_resource(pool, at, now_s) for at in range(len(pool.seats))),
        kinds=tuple(_kind(pool, at) for at in range(len(pool.kind_values))),
        planned_peak=float(plan.utilisation.max(initial=0.0)) if plan else 0.0,
        bound=plan.bound if plan else 0.0,
        planning=_planning(pool, compiling=compiling),
        placed=pool.placed,
        late=pool.late,
        refused=pool.refused,
        moved=pool.moved,
    )


def _planning(pool: Pool, *, compiling: bool) -> str:
    if pool.plan is None or not pool.plan.utilisation.any():
        return "nothing to plan for yet"
    if pool.plan.bound > 0:
        return f"planned; no plan is below {pool.plan.bound:.0%}"
    return "split by speed while kernels are compiled" if compiling else "split by speed, as little arrives"


def placements(pool: Pool, *, wall_ns: int, now_s: float) -> list[PlacementView]:
    """The recent ones, newest first."""
    return [_placement(ticket, wall_ns - int((now_s - ticket.placed_s) * 1e9)) for ticket in reversed(pool.recent)]


def _placement(ticket: Ticket, at_ns: int) -> PlacementView:
    return PlacementView(
        at_ns=at_ns,
        operation=ticket.operation.id,
        kind=ticket.operation.kind,
        tenant=ticket.operation.tenant,
        resource=ticket.reason.resource,
        expected_wait_s=ticket.wait_s,
        expected_done_s=ticket.done_s,
        reason=str(ticket.reason),
    )


def _resource(pool: Pool, at: int, now_s: float) -> ResourceView:
    seat, plan = pool.seats[at], pool.plan
    pool.measure(at, now_s)
    if seat.closed:
        state = seat.closed
    elif pool.state[OPEN, at] == 0.0:
        state = f"resting after {seat.failures} failures, for {max(0.0, seat.rest_until_s - now_s):.0f} s"
    elif pool.state[COUNT, at] >= pool.state[LIMIT, at]:
        state = "full"
    else:
        state = "open" if pool.state[LIMIT, at] >= seat.capacity else "starting slowly"
    return ResourceView(
        name=seat.resource.name,
        kind=seat.resource.kind,
        state=state,
        held=int(pool.state[COUNT, at]),
        limit=int(pool.state[LIMIT, at]),
        capacity=seat.capacity,
        free_in_s=free_in(pool, at, now_s),
        utilisation=seat.busy_share,
        target=float(plan.utilisation[at]) if plan else 0.0,
        price=float(plan.prices[at]) if plan else 1.0 / len(pool.seats),
        slowness=pool.estimates.slowness(at),
        drift=seat.resource.drift,
        done=seat.done,
        failed=seat.failed,
    )


def _kind(pool: Pool, at: int) -> KindView:
    shares = pool.plan.shares[at].tolist() if pool.plan else [0.0] * len(pool.seats)
    placed, whole = pool.placed_of[at], float(pool.placed_of[at].sum())
    return KindView(
        name=pool.kind_values[at].name,
        arrivals_per_s=float(pool.arrivals_per_s[at]),
        planned=tuple(shares),
        placed=tuple((placed / whole if whole > 0 else placed * 0.0).tolist()),
        expected_s=tuple(None if math.isinf(rate) else rate for rate in pool.estimates.rates[at].tolist()),
        observations=tuple(pool.estimates.observations(at, i) for i in range(len(pool.seats))),
    )
