"""Moving what waits from where it would wait long to where it would not: bounded, and harmless when done twice.

Only operations that have not begun move, at most ``MAX_MOVES_PER_BEAT`` at a time, each at most
``MAX_MOVES_PER_OPERATION`` times in its life, and only for a gain that is worth a move. A move names the ticket's
version: whoever carries it out asks ``confirm``, which says yes once.
"""

import math
from dataclasses import dataclass

from phalanx.balancing._deciding import COUNT, HEAD_S, HEAD_SINCE, LIMIT, OPEN, PENDING, SLOTS, WEIGHT
from phalanx.balancing._limits import LEAST_GAIN, LEAST_GAIN_S, MAX_MOVES_PER_BEAT, MAX_MOVES_PER_OPERATION
from phalanx.balancing._pool import Pool
from phalanx.balancing._tickets import Ticket


@dataclass(frozen=True, slots=True)
class Move:
    """An operation that had better wait elsewhere. ``version`` is of its ticket when that was found."""

    operation: str
    source: str
    target: str
    version: int
    gain_s: float


def plan_moves(pool: Pool, now_s: float, *, most: int = MAX_MOVES_PER_BEAT, to: str = "") -> list[Move]:
    """Moves that pay, the most loaded resources first; only to ``to`` where it is given, which is how one steals."""
    free = [free_in(pool, at, now_s) for at in range(len(pool.seats))]
    room = [pool.state[LIMIT, at] - pool.state[COUNT, at] for at in range(len(pool.seats))]
    only = pool.place_of(to) if to else -1
    moves: list[Move] = []
    for at in sorted(range(len(free)), key=lambda at: -free[at]):
        seat = pool.seats[at]
        # From the end of the queue: who has waited longest is next where it is.
        for ticket in reversed(tuple(seat.waiting.values())):
            if len(moves) >= most:
                return moves
            forced = bool(seat.closed)
            better = _better(pool, ticket, free, room, only, forced=forced)
            if better is None:
                continue
            target, takes, gain = better
            free[at] -= ticket.expected_s / seat.slots
            free[target] += takes / pool.seats[target].slots
            room[target] -= 1
            moves.append(
                Move(ticket.operation.id, seat.resource.name, pool.seats[target].resource.name, ticket.version, gain)
            )
    return moves


def confirm(pool: Pool, move: Move, now_s: float) -> bool:
    """Carry the move out in the books; false when it is stale: begun, ended, moved before, or no room any more."""
    ticket = pool.tickets.get(move.operation)
    if ticket is None or ticket.version != move.version or ticket.started_s >= 0:
        return False
    source, target = ticket.resource, pool.place_of(move.target)
    if pool.state[OPEN, target] == 0.0 or pool.state[COUNT, target] >= pool.state[LIMIT, target]:
        return False
    kind = pool.kinds[ticket.operation.kind]
    wait = free_in(pool, target, now_s)
    del pool.seats[source].waiting[move.operation]
    pool.state[COUNT, source] -= 1.0
    left = pool.state[PENDING, source] - ticket.expected_s
    pool.state[PENDING, source] = max(0.0, left) if pool.state[COUNT, source] > 0 else 0.0
    ticket.resource, ticket.expected_s = target, _takes(pool, ticket, target)
    ticket.wait_s, ticket.done_s = wait, wait + ticket.expected_s
    ticket.version += 1
    ticket.moves += 1
    pool.state[PENDING, target] += ticket.expected_s
    pool.state[COUNT, target] += 1.0
    pool.placed_of[kind, source] -= 1.0
    pool.placed_of[kind, target] += 1.0
    pool.seats[target].waiting[move.operation] = ticket
    pool.moved += 1
    return True


def _better(
    pool: Pool, ticket: Ticket, free: list[float], room: list[float], only: int, *, forced: bool
) -> tuple[int, float, float] | None:
    """Where it had better wait, what it takes there, and how much sooner it would be done; None where it is best.

    It must gain itself, and more than it costs those who come after it there (the weights of ``_deciding``): moving
    everybody to where each would be done sooner undoes what the plan keeps apart.
    """
    if ticket.moves >= MAX_MOVES_PER_OPERATION and not forced:
        return None
    source = ticket.resource
    here = max(free[source], ticket.expected_s)
    allowed = pool.eligibility.allowed(ticket.operation)
    best: tuple[int, float, float] | None = None
    least = _burden(pool, source, here - ticket.expected_s, ticket.expected_s)
    for at in range(len(free)) if only < 0 else (only,):
        if at == source or not allowed[at] or pool.state[OPEN, at] == 0.0 or room[at] < 1:
            continue
        takes = _takes(pool, ticket, at)
        gain = here - free[at] - takes
        burden = _burden(pool, at, free[at], takes)
        if forced and best is None:
            least = math.inf
        if (forced or gain > max(LEAST_GAIN * here, LEAST_GAIN_S)) and burden < least:
            least = burden
            best = at, takes, gain
    return best


def _burden(pool: Pool, at: int, wait: float, takes: float) -> float:
    return wait + takes + float(pool.state[WEIGHT, at]) * takes * (wait + 0.5 * takes)


def _takes(pool: Pool, ticket: Ticket, at: int) -> float:
    operation = ticket.operation
    rate = pool.estimates.rates[pool.kinds[operation.kind], at]
    return float(operation.size * rate + pool.eligibility.transfer(operation)[at])


def free_in(pool: Pool, at: int, now_s: float) -> float:
    """When the resource will have done what it holds, from now."""
    state = pool.state
    wait = float(state[PENDING, at])
    if state[HEAD_S, at] > 0:
        wait -= min(now_s - float(state[HEAD_SINCE, at]), float(state[HEAD_S, at]))
    return max(0.0, wait) / float(state[SLOTS, at])
