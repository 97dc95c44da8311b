"""A queue of pieces between a node and its workers, in memory, with faults: see ``WorkFaults``.

It keeps what JetStream keeps: tickets until they are acknowledged, the last result of each piece, and what was said
while a node was away it does not say again.
"""

import asyncio
from dataclasses import dataclass, field
from itertools import count

from phalanx.core import Clock, Rng, Unavailable
from phalanx.workflows.workers import LEASE_S, TAKE_S, Answer, Ask, Beat, CrewEnd, Done, Refused, Taken, Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFaults:
    """Mean delay of everything, how often a ticket is handed out twice, a question, beat or result is lost, and
    how often a result takes so long that its worker is given up meanwhile."""

    delay_s: float = 0.0
    twice: float = 0.0
    lost: float = 0.0
    late: float = 0.0


@dataclass(slots=True)
class _Lying:
    ticket: Ticket
    from_s: float = 0.0


class WorkQueue:
    """See the module. ``crew_line`` is the node's end, ``hand_line`` a worker's."""

    def __init__(self, clock: Clock, rng: Rng, faults: WorkFaults | None = None) -> None:
        self.clock, self.rng = clock, rng
        self.faults = faults or WorkFaults()
        self.tickets: list[Ticket] = []
        self.results: dict[str, tuple[str, Done]] = {}
        self.crew: CrewEnd | None = None
        self.is_up = True
        self._lying: dict[int, _Lying] = {}
        self._numbers = count()
        self._more = asyncio.Event()

    @property
    def now_s(self) -> float:
        return self.clock.monotonic_ns() / 1e9

    async def delay(self) -> None:
        """Something travels. Raises ``Unavailable`` when there is no connection at the end of it."""
        if self.faults.delay_s:
            await self.clock.sleep(self.rng.exponential(self.faults.delay_s))
        if not self.is_up:
            raise Unavailable("the queue", "there is no connection")

    def cut(self) -> None:
        """No connection from now on, for anybody."""
        self.is_up = False

    def mend(self) -> None:
        self.is_up = True
        self._more.set()
        if self.crew is not None:
            self.crew.connected()

    def lie(self, ticket: Ticket) -> None:
        """A ticket is in the queue from now on."""
        self.tickets.append(ticket)
        self._lying[next(self._numbers)] = _Lying(ticket)
        if self.faults.twice and self.rng.chance(self.faults.twice):
            self._lying[next(self._numbers)] = _Lying(ticket)
        self._more.set()

    def next(self) -> tuple[int, Ticket] | None:
        """Hand out the first that may be."""
        for number, lying in self._lying.items():
            if lying.from_s <= self.now_s:
                self.hold(number, LEASE_S)
                return number, lying.ticket
        return None

    def hold(self, number: int, for_s: float) -> None:
        """Not to be handed out for so long."""
        if number in self._lying:
            self._lying[number].from_s = self.now_s + for_s

    def drop(self, number: int) -> None:
        self._lying.pop(number, None)

    async def wait(self, for_s: float) -> None:
        """Until there may be more."""
        self._more.clear()
        try:
            async with asyncio.timeout(for_s):
                await self._more.wait()
        except TimeoutError:
            return

    def is_lost(self) -> bool:
        return bool(self.faults.lost) and self.rng.chance(self.faults.lost)

    def crew_line(self) -> "SimCrewLine":
        return SimCrewLine(self)

    def hand_line(self, worker: str) -> "SimHandLine":
        return SimHandLine(self, worker)


@dataclass(slots=True)
class SimCrewLine:
    """A ``CrewLine``."""

    queue: WorkQueue

    @property
    def is_connected(self) -> bool:
        return self.queue.is_up

    async def serve(self, crew: CrewEnd, /) -> None:
        self.queue.crew = crew
        crew.connected()
        try:
            await asyncio.Event().wait()
        finally:
            if self.queue.crew is crew:
                self.queue.crew = None

    async def put(self, ticket: Ticket, /) -> None:
        await self.queue.delay()
        self.queue.lie(ticket)

    async def kept(self, piece: str, /) -> tuple[str, Done] | None:
        await self.queue.delay()
        return self.queue.results.get(piece)


@dataclass(slots=True)
class SimHandLine:
    """A ``HandLine``; what is sent later than its sender dies arrives all the same."""

    queue: WorkQueue
    worker: str
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def take(self) -> Taken | None:
        await self.queue.delay()
        until_s = self.queue.now_s + TAKE_S
        while self.queue.now_s < until_s:
            if self.queue.is_up and (found := self.queue.next()) is not None:
                return Taken(found[1], found[0])
            await self.queue.wait(1.0)
        return None

    async def ask(self, ask: Ask, /) -> Answer:
        await self.queue.delay()
        if self.queue.crew is None or self.queue.is_lost():
            raise Unavailable("the node", "it does not answer")
        answer = self.queue.crew.asked(self.worker, ask)
        await self.queue.delay()
        if self.queue.is_lost() and not isinstance(answer, Refused):
            raise Unavailable("the node", "its answer was lost")
        return answer

    async def beat(self, beat: Beat, /) -> None:
        await self.queue.delay()
        if self.queue.crew is not None and not self.queue.is_lost():
            self.queue.crew.heard(self.worker, beat)

    async def progress(self, taken: Taken, /) -> None:
        await self.queue.delay()
        self.queue.hold(taken.handle, LEASE_S)

    async def drop(self, taken: Taken, /) -> None:
        await self.queue.delay()
        self.queue.drop(taken.handle)

    async def later(self, taken: Taken, after_s: float, /) -> None:
        await self.queue.delay()
        self.queue.hold(taken.handle, after_s)

    async def give(self, done: Done, /) -> None:
        await self.queue.delay()
        late = self.queue.faults.late and self.queue.rng.chance(self.queue.faults.late)
        task = asyncio.ensure_future(self._arrives(done, 3 * LEASE_S if late else 0.0))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        if not late:
            await task

    async def _arrives(self, done: Done, after_s: float) -> None:
        if after_s:
            await self.queue.clock.sleep(after_s)
        self.queue.results[done.piece] = self.worker, done
        if self.queue.crew is not None and self.queue.is_up:
            self.queue.crew.done(self.worker, done)
