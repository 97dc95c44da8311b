"""Machines of one process in one instance, and the messages between them: synchronous, without I/O.

Deliveries are handled in the order they were made. What machines want durable is handed out before
anything they sent after it is delivered: one call of ``step`` handles what is there, ``flush``
lets go of what came of it once the caller has made ``unsaved`` durable.
"""

from collections import deque
from collections.abc import Mapping

from phalanx.consensus._evidence import Evidence
from phalanx.consensus._machine import Machine
from phalanx.consensus._messages import Certificate, Message
from phalanx.consensus._question import Instance
from phalanx.consensus._state import Accuse, Broadcast, Decided, Effect, GaveUp, Persist, Send, VoterState, Wake
from phalanx.core import PhalanxError


class Hub:
    """The local participants of one instance. ``outgoing`` is for participants elsewhere; the caller takes it."""

    def __init__(self, instance: Instance, machines: Mapping[int, Machine]) -> None:
        self.instance = instance
        self._machines = machines
        self._inbox: deque[tuple[int, int, Message]] = deque()
        self._held: list[tuple[int, Effect]] = []
        self._wakes: dict[int, int] = {}
        self._remote = len(machines) < instance.n
        self.unsaved: dict[int, VoterState] = {}
        self.outgoing: list[tuple[int, int | None, Message]] = []
        self.evidence: list[Evidence] = []
        self.decision: Certificate | None = None
        self.decided: set[int] = set()
        self.given_up: set[int] = set()
        self.failed: dict[int, PhalanxError] = {}
        self.messages = 0

    @property
    def busy(self) -> bool:
        """Whether something waits to be handled or let go."""
        return bool(self._inbox or self._held)

    @property
    def settled(self) -> bool:
        """Whether every local participant knows the decision or can do no more."""
        return len(self.decided | self.given_up | self.failed.keys()) == len(self._machines)

    @property
    def next_wake_ns(self) -> int | None:
        return min(self._wakes.values(), default=None)

    def start(self, now_ns: int) -> None:
        for place, machine in self._machines.items():
            self._carry(place, machine, None, now_ns)

    def put(self, to: int | None, sender: int, message: Message) -> None:
        """A message from elsewhere, for one local participant or all of them."""
        places = self._machines if to is None else (to,) if to in self._machines else ()
        for place in places:
            self._inbox.append((place, sender, message))

    def step(self, now_ns: int, limit: int) -> None:
        """Handle up to ``limit`` deliveries, and whoever is to be woken."""
        for place in [place for place, at_ns in self._wakes.items() if at_ns <= now_ns]:
            del self._wakes[place]
            self._carry(place, self._machines[place], None, now_ns)
        inbox, machines = self._inbox, self._machines
        for _ in range(min(limit, len(inbox))):
            to, sender, message = inbox.popleft()
            self._carry(to, machines[to], (sender, message), now_ns)

    def flush(self) -> None:
        """Let go of what was held back; ``unsaved`` is durable now."""
        self.unsaved.clear()
        held, self._held = self._held, []
        for place, effect in held:
            if type(effect) is Send:
                self._send(place, effect.to, effect.message)
            elif type(effect) is Broadcast:
                self._broadcast(place, effect.message)

    def _carry(self, place: int, machine: Machine, said: tuple[int, Message] | None, now_ns: int) -> None:
        if place in self.failed:
            return
        try:
            if said is not None:
                effects = machine.receive(said[0], said[1], now_ns)
            elif machine.started:
                effects = machine.tick(now_ns)
            else:
                effects = machine.start(now_ns)
        except PhalanxError as error:
            # It cannot sign any more: silent from now on, which others tolerate.
            self.failed[place] = error
            self._wakes.pop(place, None)
            return
        for effect in effects:
            self._apply(place, effect)

    def _apply(self, place: int, effect: Effect) -> None:
        kind = type(effect)
        if kind is Send or kind is Broadcast:
            self._held.append((place, effect))
        elif isinstance(effect, Persist):
            self.unsaved[place] = effect.state
        elif isinstance(effect, Wake):
            self._wakes[place] = effect.at_ns
        elif isinstance(effect, Decided):
            self.decision = effect.certificate
            self.decided.add(place)
            self._wakes.pop(place, None)
        elif isinstance(effect, GaveUp):
            self.given_up.add(place)
        elif isinstance(effect, Accuse):
            self.evidence.append(effect.evidence)

    def _send(self, sender: int, to: int, message: Message) -> None:
        self.messages += 1
        if to in self._machines:
            self._inbox.append((to, sender, message))
        else:
            self.outgoing.append((sender, to, message))

    def _broadcast(self, sender: int, message: Message) -> None:
        self.messages += self.instance.n - 1
        for place in self._machines:
            if place != sender:
                self._inbox.append((place, sender, message))
        if self._remote:
            self.outgoing.append((sender, None, message))
