"""Where a run takes place: machines, traitors and a network on one queue of events, ordered by time.

Synchronous and without tasks, so that a hundred thousand runs fit into minutes. What goes wrong comes
from the plan; every draw comes from the seed.
"""

import heapq
from collections.abc import Callable
from typing import Protocol

from phalanx.consensus import (
    Broadcast,
    Certificate,
    Checks,
    Effect,
    Fixed,
    Instance,
    Machine,
    Message,
    Persist,
    Proposal,
    Question,
    Send,
    VoterState,
    Wake,
)
from phalanx.core import Rng
from phalanx.testing.consensus._ideal import IdealVerifier, IdealVotes, ideal_epoch
from phalanx.testing.consensus._plan import DELAY_NS, ENDS_NS, VIEW_NS, Plan

MAX_EVENTS = 3_000_000
# What befalls a place, where a message has its addressee.
_CRASH, _BACK, _START, _WAKE = -1, -2, -3, -4

MakeMachine = Callable[..., Machine]


class Watcher(Protocol):
    """Sees everything that honest participants do, and judges it."""

    def said(self, place: int, message: Message, copies: int) -> None: ...

    def heard(self, place: int, proposal: Proposal) -> None: ...

    def did(self, place: int, effect: Effect) -> None: ...


class Actor(Protocol):
    """Whoever sits at a traitor's place."""

    def begin(self, now_ns: int) -> None: ...

    def hear(self, place: int, sender: int, message: Message, now_ns: int) -> None: ...


class Field:
    """One run. ``watcher`` and ``actor`` are set before ``play``."""

    def __init__(self, plan: Plan, *, machine: MakeMachine = Machine, checks: Callable[..., Checks] = Checks) -> None:
        self.plan = plan
        self.rng = Rng(plan.seed).child("field")
        epoch, signers, verifier = ideal_epoch(plan.n, weights=plan.weights, left_out=plan.left_out)
        self.signers: list[IdealVotes] = signers
        self.verifier: IdealVerifier = verifier
        question = Question(tuple(f"option {place}" for place in range(plan.options)), plan.seed.to_bytes(32))
        self.instance = Instance(epoch, question)
        self.checks = checks(self.instance, verifier)
        self._make = machine
        self._traitors = plan.traitors
        self._skews = plan.skews or (1.0,) * plan.n
        self._queue: list[tuple[int, int, int, int, Message | None]] = []
        self._order = 0
        self._saved: dict[int, VoterState] = {}
        self._wakes: dict[int, int] = {}
        self._dying: dict[int, int] = {}
        self._effects_left = {crash.place: crash.effects for crash in plan.crashes}
        self.machines: dict[int, Machine] = {}
        self.events = 0
        self.now_ns = 0
        self.undecided: frozenset[int] = frozenset(plan.honest)
        self.watcher: Watcher
        self.actor: Actor

    def machine(self, place: int, state: VoterState | None = None) -> Machine:
        """A machine for ``place``, honest or in a traitor's hands."""
        return self._make(
            self.checks,
            place,
            signer=self.signers[place],
            judge=Fixed(*self.plan.opinions[place]),
            view_ns=VIEW_NS,
            deadline_ns=1 << 62,
            state=state,
        )

    def play(self) -> None:
        """From the start to when everybody has decided or nothing more can happen."""
        late = dict(self.plan.late)
        for place in self.plan.honest:
            self._push(late.get(place, 0), _START, place, None)
        for crash in self.plan.crashes:
            self._push(crash.at_ns, _CRASH, crash.place, None)
            self._push(crash.back_ns, _BACK, crash.place, None)
        self.actor.begin(0)
        queue, machines, undecided = self._queue, self.machines, set(self.plan.honest)
        while queue and undecided and self.events < MAX_EVENTS:
            now_ns, _, to, sender, message = heapq.heappop(queue)
            if now_ns > ENDS_NS:
                break
            self.now_ns = now_ns
            self.events += 1
            if message is not None:
                if to in self._traitors:
                    self.actor.hear(to, sender, message, now_ns)
                elif (machine := machines.get(to)) is not None:
                    if type(message) is Proposal:
                        self.watcher.heard(to, message)
                    self._carry(to, machine.receive(sender, message, self._local(to, now_ns)))
                    if machine.decision is not None:
                        undecided.discard(to)
            else:
                self._befall(to, sender, now_ns)
        self.undecided = frozenset(undecided)

    def send(self, sender: int, to: int, message: Message) -> None:
        """Give a message to the network."""
        plan, rng, now_ns = self.plan, self.rng, self.now_ns
        if now_ns < plan.heals_ns and plan.hush and type(message) is Certificate and rng.random() < plan.hush:
            return
        if now_ns >= plan.heals_ns:
            self._push(now_ns + int(DELAY_NS * (0.1 + 0.9 * rng.random())), to, sender, message)
            return
        if any(cut.from_ns <= now_ns < cut.until_ns and (sender in cut.side) != (to in cut.side) for cut in plan.cuts):
            return
        if plan.drop and rng.random() < plan.drop:
            return
        after = DELAY_NS * (0.1 + 0.9 * rng.random())
        if plan.reorder and rng.random() < plan.reorder:
            after += 3 * DELAY_NS * rng.random()
        if plan.delay and rng.random() < plan.delay:
            after += 2 * VIEW_NS * rng.random()
        self._push(now_ns + int(after), to, sender, message)
        if plan.duplicate and rng.random() < plan.duplicate:
            self._push(now_ns + int(after + VIEW_NS * rng.random()), to, sender, message)

    def broadcast(self, sender: int, message: Message) -> None:
        """To everybody else; with the fault ``whisper``, now and then to a few only."""
        whispers = self.now_ns < self.plan.heals_ns and self.plan.whisper and self.rng.chance(self.plan.whisper)
        heard = self.rng.random() if whispers else 1.0
        for to in range(self.plan.n):
            if to != sender and (heard == 1.0 or self.rng.random() < heard):
                self.send(sender, to, message)

    def _push(self, at_ns: int, to: int, sender: int, message: Message | None) -> None:
        self._order += 1
        heapq.heappush(self._queue, (at_ns, self._order, to, sender, message))

    def _befall(self, what: int, place: int, now_ns: int) -> None:
        machine = self.machines.get(place)
        if what == _CRASH:
            if machine is not None and machine.decision is None:
                self._dying[place] = self._effects_left[place]
        elif what == _BACK:
            self._dying.pop(place, None)
            if machine is None or place not in self.machines:
                self._revive(place, now_ns)
        elif what == _START:
            if machine is None:
                self._revive(place, now_ns)
        elif machine is not None and self._wakes.get(place, 0) <= now_ns:
            self._carry(place, machine.tick(self._local(place, now_ns)))

    def _revive(self, place: int, now_ns: int) -> None:
        self.machines[place] = machine = self.machine(place, self._saved.get(place))
        self._carry(place, machine.start(self._local(place, now_ns)))

    def _carry(self, place: int, effects: list[Effect]) -> None:
        """Carry out effects in order; whoever is dying gets through some of them only."""
        dying = self._dying.pop(place, None)
        if dying is not None:
            effects = effects[:dying]
            del self.machines[place]
        for effect in effects:
            if isinstance(effect, Send):
                self.watcher.said(place, effect.message, 1)
                self.send(place, effect.to, effect.message)
            elif isinstance(effect, Broadcast):
                self.watcher.said(place, effect.message, self.plan.n - 1)
                self.broadcast(place, effect.message)
            elif isinstance(effect, Persist):
                self._saved[place] = effect.state
            elif isinstance(effect, Wake):
                at_ns = self._global(place, effect.at_ns)
                self._wakes[place] = at_ns
                self._push(at_ns, _WAKE, place, None)
            else:
                self.watcher.did(place, effect)

    def _local(self, place: int, now_ns: int) -> int:
        return int(now_ns * self._skews[place])

    def _global(self, place: int, local_ns: int) -> int:
        return int(local_ns / self._skews[place]) + 1
