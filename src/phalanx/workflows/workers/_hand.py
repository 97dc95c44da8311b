"""A worker: it takes tickets, is granted pieces, does them in its processes, and reports its state.

A ticket is released only once its result is durable in the line, or the node has said that nobody wants it; a
worker that dies before that leaves the ticket to others. What it was doing when the connection broke it finishes,
and reports once there is a connection again: whether that still counts is for the node to decide.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from phalanx.core import Clock, InvalidInput, Offload, Overloaded, Unavailable
from phalanx.telemetry import Telemetry
from phalanx.workflows.workers._functions import Functions
from phalanx.workflows.workers._limits import BEAT_S, LATER_S, MAX_FAULT_CHARS, PROGRESS_S
from phalanx.workflows.workers._line import HandLine, Taken
from phalanx.workflows.workers._outcomes import fault_of
from phalanx.workflows.workers._words import Ask, Beat, Done, Fault, Granted


@dataclass(frozen=True, slots=True, kw_only=True)
class HandPlan:
    """How a worker is to be: pieces at once, the machine's name, its release, and how long it may take to leave."""

    slots: int
    machine: str
    release: str
    drain_s: float = 10.0


class Hand:
    """``serve`` until ``leave`` is called, and what is under way has ended or the drain time is over."""

    def __init__(
        self, functions: Functions, line: HandLine, processes: Offload, clock: Clock, telemetry: Telemetry,
        plan: HandPlan,
    ) -> None:  # fmt: skip
        self._functions = functions
        self._line = line
        self._processes = processes
        self._clock = clock
        self._plan = plan
        self._incarnation = clock.wall_ns()
        self._number = 0
        self._working: dict[int, Taken] = {}
        self._leaving = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(plan.slots)
        self._digests: Mapping[str, str] = functions.digests
        self._log = telemetry.log.bind(room="workflows", service="worker")
        self._pieces = telemetry.metrics.counter(
            "phalanx_worker_pieces_total", "Pieces that this worker was granted, by how they ended.", ("ended",)
        )

    @property
    def working(self) -> int:
        """How many pieces are under way."""
        return len(self._working)

    def leave(self) -> None:
        """Take no more; end once what is under way is done."""
        self._leaving.set()

    async def serve(self) -> None:
        """Work."""
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(self._beat_on())
            taking = group.create_task(self._take_on(group))
            await self._leaving.wait()
            taking.cancel()
            await self._say("draining")
            try:
                async with asyncio.timeout(self._plan.drain_s):
                    while self._working:
                        await self._clock.sleep(LATER_S)
            except TimeoutError:
                self._log.warning("left with pieces under way", pieces=len(self._working))
            beating.cancel()
            await self._say("left")
            for task in tuple(self._tasks):
                task.cancel()

    async def _take_on(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._free.acquire()
            taken = None
            try:
                taken = await self._line.take()
            except Unavailable as error:
                self._log.debug("no ticket", reason=error.reason)
                await self._clock.sleep(LATER_S)
            finally:
                if taken is None:
                    self._free.release()
            if taken is not None:
                task = group.create_task(self._do(taken))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _do(self, taken: Taken) -> None:
        ticket = taken.ticket
        try:
            try:
                answer = await self._line.ask(Ask(ticket.piece, ticket.fence, self._incarnation))
                if not isinstance(answer, Granted):
                    await (self._line.later(taken, LATER_S) if answer.others_may else self._line.drop(taken))
                    return
            except Unavailable as error:
                # Nobody has let go of it: the queue hands it out again.
                self._log.info("a ticket was left", reason=error.reason)
                return
            self._working[ticket.fence] = taken
            done = await self._done(ticket.piece, ticket.fence, answer)
            await self._given(taken, done)
        finally:
            self._working.pop(ticket.fence, None)
            self._free.release()

    async def _done(self, piece: str, fence: int, granted: Granted) -> Done:
        try:
            function = self._functions.named(granted.function)
            if function is None:
                raise InvalidInput("function", f"{granted.function!r} is not known here")
            value = await self._processes.run(function.call, *function.arguments(granted.arguments))
            packed = function.packed_result(value)
        except Overloaded as error:
            fault = Fault("lost", "", str(error))
        except Exception as error:  # noqa: BLE001 - whatever a function raises is told to who asked
            fault = fault_of(error)
        else:
            self._pieces.labels("done").inc()
            return Done(piece, fence, self._incarnation, packed)
        self._pieces.labels(fault.kind).inc()
        cut = Fault(fault.kind, fault.field, fault.reason[:MAX_FAULT_CHARS])
        return Done(piece, fence, self._incarnation, fault=cut)

    async def _given(self, taken: Taken, done: Done) -> None:
        """Until it lies where the node finds it."""
        while True:
            try:
                await self._line.give(done)
                self._working.pop(done.fence, None)
                await self._line.drop(taken)
            except Unavailable as error:
                self._log.debug("a result waits", reason=error.reason)
                await self._clock.sleep(LATER_S)
            else:
                return

    async def _beat_on(self) -> None:
        since_s = 0.0
        while True:
            await self._say("draining" if self._leaving.is_set() else "here")
            if since_s >= PROGRESS_S:
                since_s = 0.0
                for taken in tuple(self._working.values()):
                    try:
                        await self._line.progress(taken)
                    except Unavailable:
                        break
            await self._clock.sleep(BEAT_S)
            since_s += BEAT_S

    async def _say(self, stage: str) -> None:
        self._number += 1
        working = tuple((one.ticket.piece, fence) for fence, one in self._working.items())
        slots = self._plan.slots if stage == "here" else 0
        beat = Beat(
            self._incarnation, self._number, slots, stage, self._plan.machine, self._plan.release,
            dict(self._digests), working,
        )  # fmt: skip
        try:
            await self._line.beat(beat)
        except Unavailable as error:
            self._log.debug("nobody hears us", reason=error.reason)
