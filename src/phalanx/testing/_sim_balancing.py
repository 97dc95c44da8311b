"""Simulation ``balancing``: operations stream through a pool while resources fail, close, drift and repeat themselves.

Arrivals follow a process drawn from the seed (even, in bursts, or heavy-tailed), under loads up to beyond what the
resources can do. Words of resources (begun, ended) and orders to move come late, twice, or after the operation has gone
elsewhere. The checker keeps books of its own and shares no code with the pool:

- an operation is held by one resource at a time, ends once, and none is lost;
- nothing is placed beyond a capacity, on a closed resource, where it may not go, or on a device that has drifted too
  far for what needs coherence;
- a move is carried out once, never of an operation that has begun, and never more often than the bound allows;
- what is held adds up, and in the end nothing is.
"""

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from phalanx.balancing import (
    Move,
    NoEligibleResource,
    Operation,
    OperationKind,
    Pool,
    QueuesFull,
    Resource,
    Ticket,
    compute,
    confirm,
    plan_moves,
    put,
    take,
)
from phalanx.core import Rng
from phalanx.testing._checking import Checker, SimReport, Simulation

NAME = "balancing"
_OPERATIONS = 220
_BEAT_S = 4.0
_MAX_MOVES = 3
_DRIFT_TOO_FAR = 0.5
_KINDS = (
    OperationKind(name="read", work={"cpu": 1.0, "qpu": 0.8}),
    OperationKind(name="hash", work={"cpu": 2.0}),
    OperationKind(name="factor", work={"cpu": 9.0, "qpu": 2.0}, coherence_us=30.0),
)
_NEEDS_COHERENCE = {"factor"}


@dataclass(slots=True)
class _Held:
    """What the checker knows of one operation."""

    operation: Operation
    resource: str
    begun: bool = False
    moves: int = 0


class _World:
    """The pool, the resources that serve it, whatever goes wrong, and virtual time."""

    def __init__(self, seed: int, checker: Checker, confirm_move: Callable[[Pool, Move, float], bool]) -> None:
        self.rng = Rng(seed).child("balancing")
        self.checker = checker
        self.trace = hashlib.sha256()
        self.now_s, self.steps = 0.0, 0
        self._confirm = confirm_move
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        plan = self.rng.child("plan")
        self._resources = [
            Resource(
                name=f"{kind}-{at}",
                kind=kind,
                default_speed=plan.uniform(0.4, 2.0),
                coherence_us=plan.uniform(50.0, 400.0) if kind == "qpu" else float("inf"),
            )
            for kind, number in (("cpu", plan.integer(1, 5)), ("qpu", plan.integer(1, 4)))
            for at in range(number)
        ]
        self._capacity = {one.name: plan.integer(2, 20) for one in self._resources}
        self.pool = Pool(NAME, _KINDS, self._resources, capacities=self._capacity)
        self._slow = {one.name: plan.uniform(0.5, 2.5) for one in self._resources}
        self._process = plan.choice(("even", "bursts", "heavy"))
        self._rate_per_s = len(self._resources) * plan.uniform(0.3, 1.4)
        self._trouble = plan.uniform(0.0, 0.3)
        self._closed: set[str] = set()
        self._drift = {one.name: 0.0 for one in self._resources}
        self._books: dict[str, _Held] = {}
        self._done: set[str] = set()
        self._turned_away = 0

    def run(self) -> None:
        self._at(0.0, lambda: self._arrive(0))
        self._at(_BEAT_S, self._beat)
        while self._queue:
            self.now_s, _, act = heapq.heappop(self._queue)
            act()
            self.steps += 1
            self._check_books()
        require = self.checker.require
        require(not self._books, "operations were lost", sorted(self._books)[:3])
        require(len(self._done) + self._turned_away == _OPERATIONS, "not every operation ended", len(self._done))
        require(not self.pool.tickets and not self.pool.state[:5:3].any(), "something is held by nobody")

    def _at(self, after_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now_s + after_s, next(self._numbers), act))

    def _tell(self, *words: object) -> None:
        self.trace.update(f"{self.now_s:.9f} {words}\n".encode())

    def _arrive(self, number: int) -> None:
        draw = self.rng.child(f"operation {number}")
        eligible = None
        if draw.chance(0.2):
            eligible = frozenset(one.name for one in self._resources if draw.chance(0.5))
        operation = Operation(
            id=f"op-{number}",
            kind=draw.choice(_KINDS).name,
            size=draw.exponential(1.0) ** 2 if self._process == "heavy" else draw.uniform(0.5, 1.5),
            deadline_s=draw.uniform(0.5, 20.0) if draw.chance(0.3) else float("inf"),
            tenant=draw.choice(("a", "b")),
            eligible=eligible,
        )
        if number + 1 < _OPERATIONS:
            rate = self._rate_per_s
            if self._process == "bursts":
                rate *= 6.0 if number // 30 % 2 else 0.4
            self._at(draw.exponential(1.0 / rate), lambda: self._arrive(number + 1))
        self._offer(operation, tries=0)
        if draw.chance(self._trouble):
            self._trouble_someone(draw)

    def _offer(self, operation: Operation, *, tries: int) -> None:
        try:
            ticket = self.pool.place(operation, self.now_s)
        except NoEligibleResource:
            able = [one for one in self._resources if self._may(operation, one.name, closed=True)]
            self.checker.require(not able, "turned away though it could go somewhere", operation.id)
            self._turned_away += 1
            self.checker.count("nowhere to go")
            return
        except QueuesFull:
            self.checker.count("found no room")
            self._at(1.0 + tries, lambda: self._offer(operation, tries=tries + 1))
            return
        name = self._name(ticket)
        self._tell("placed", operation.id, name)
        self.checker.count("placed")
        self.checker.require(operation.id not in self._books, "placed twice", operation.id)
        self._check_place(operation, name)
        self._books[operation.id] = _Held(operation, name)
        if self.rng.chance(0.1):
            again = self.pool.place(operation, self.now_s)
            self.checker.require(again is ticket, "a second placing gave another ticket", operation.id)
        self._serve(name)

    def _serve(self, name: str) -> None:
        """Let the resource begin its next operation if it does nothing now."""
        held = [one for one in self._books.values() if one.resource == name]
        if any(one.begun for one in held) or not held:
            return
        one = held[0]
        operation = one.operation.id
        one.begun = True
        self.checker.require(self.pool.start(operation, self.now_s), "a beginning was not believed", operation)
        self.checker.require(not self.pool.start(operation, self.now_s), "begun twice", operation)
        kind = next(kind for kind in _KINDS if kind.name == one.operation.kind)
        resource = next(resource for resource in self._resources if resource.name == name)
        took_s = one.operation.size * kind.work[resource.kind] / resource.default_speed * self._slow[name]
        self._at(took_s, lambda: self._end(operation, name))

    def _end(self, operation: str, name: str) -> None:
        ok = not self.rng.chance(self._trouble)
        others = [one.name for one in self._resources if one.name != name]
        if others and self.rng.chance(0.2):
            lie = self.pool.finish(operation, self.now_s, resource=self.rng.choice(others))
            self.checker.require(not lie, "word from one who does not hold it was believed", operation)
        ended = self.pool.finish(operation, self.now_s, ok=ok, resource=name)
        self.checker.require(ended, "an end was not believed", operation)
        self.checker.require(not self.pool.finish(operation, self.now_s), "ended twice", operation)
        held = self._books.pop(operation)
        self._tell("ended", operation, name, ok)
        if ok:
            self._done.add(operation)
        else:
            self.checker.count("failed")
            self._at(0.5, lambda: self._offer(held.operation, tries=0))
        self._serve(name)

    def _beat(self) -> None:
        put(self.pool, compute(take(self.pool, self.now_s)))
        for move in plan_moves(self.pool, self.now_s):
            late = self.rng.exponential(0.3) if self.rng.chance(0.3) else 0.0
            self._at(late, lambda move=move: self._move(move))  # type: ignore[misc]
            if self.rng.chance(0.3):
                self._at(late + 0.1, lambda move=move: self._move(move))  # type: ignore[misc]
        if len(self._done) + self._turned_away < _OPERATIONS:
            self._at(_BEAT_S, self._beat)

    def _move(self, move: Move) -> None:
        before = self._books.get(move.operation)
        if not self._confirm(self.pool, move, self.now_s):
            self.checker.count("stale moves")
            return
        self._tell("moved", move.operation, move.source, move.target)
        self.checker.count("moved")
        if before is None or before.begun or before.resource != move.source:
            self.checker.violation("a stale move was carried out", move)
            return
        self._check_place(before.operation, move.target)
        was_closed = move.source in self._closed
        before.resource = move.target
        before.moves += 1
        self.checker.require(before.moves <= _MAX_MOVES or was_closed, "moved too often", move.operation)
        # It goes to the end of the line there.
        self._books[move.operation] = self._books.pop(move.operation)
        self._serve(move.target)

    def _trouble_someone(self, draw: Rng) -> None:
        name = draw.choice(self._resources).name
        match draw.choice(("close", "drift", "slow")):
            case "close" if len(self._closed) < len(self._resources) - 1:
                self.pool.close(name, "maintenance")
                self._closed.add(name)
                self._at(draw.exponential(8.0), lambda: self._reopen(name))
                self.checker.count("closed")
            case "drift":
                self._drift[name] = draw.uniform(0.0, 0.95)
                self.pool.set_drift(name, self._drift[name])
                self.checker.count("drifted")
            case _:
                self._slow[name] = draw.uniform(0.3, 5.0)

    def _reopen(self, name: str) -> None:
        self._closed.discard(name)
        self.pool.open(name)

    def _may(self, operation: Operation, name: str, *, closed: bool = False) -> bool:
        kind = next(kind for kind in _KINDS if kind.name == operation.kind)
        resource = next(resource for resource in self._resources if resource.name == name)
        if operation.kind in _NEEDS_COHERENCE and self._drift[name] > _DRIFT_TOO_FAR:
            return False
        if name in self._closed and not closed:
            return False
        return resource.kind in kind.work and (operation.eligible is None or name in operation.eligible)

    def _check_place(self, operation: Operation, name: str) -> None:
        self.checker.require(self._may(operation, name), "placed where it may not go", operation.id, name)

    def _check_books(self) -> None:
        for at, one in enumerate(self._resources):
            held = [held for held in self._books.values() if held.resource == one.name]
            require = self.checker.require
            require(len(held) <= self._capacity[one.name], "held more than its capacity", one.name)
            require(self.pool.state[3, at] == len(held), "the pool counts otherwise", one.name)
            require(self.pool.state[0, at] >= 0, "less than no work is pending", one.name)
            require(bool(held) or self.pool.state[0, at] == 0, "work is pending where nothing is held", one.name)

    def _name(self, ticket: Ticket) -> str:
        return self.pool.seats[ticket.resource].resource.name


def balancing_simulation(*, sabotage: Callable[[Pool, Move, float], bool] = confirm) -> Simulation:
    """The simulation; ``sabotage`` carries out moves in place of ``confirm``, for the checker to complain of."""

    def run(seed: int) -> SimReport:
        checker = Checker()
        world = _World(seed, checker, sabotage)
        world.run()
        return checker.report(
            NAME, seed, digest=world.trace.hexdigest(), steps=world.steps, virtual_ms=world.now_s * 1e3
        )

    return Simulation(NAME, "operations over resources that fail, close, drift and repeat themselves", run)
