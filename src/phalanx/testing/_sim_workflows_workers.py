"""The workers in simulation ``workflows``: parties that die, are slow, hear twice, and answer too late.

The node ``east`` has a crew. Whoever does a piece gives what it did a number of its own, so that the checker can tell
whose result was kept, and it listens to what goes over the line: a worker's result that arrives when the piece has been
given to somebody else since must not be kept. That is so for as long as the node lives: its next life, which has given
the piece to nobody, may take what it finds. ``unfenced`` is a crew that does not look.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any, ParamSpec, TypeVar

import msgspec

from phalanx.core import Rng
from phalanx.telemetry import Telemetry
from phalanx.testing._checking import Checker
from phalanx.testing._work_line import SimCrewLine, WorkFaults, WorkQueue
from phalanx.testing._world import SimWorld
from phalanx.workflows.workers import (
    Answer,
    Ask,
    Beat,
    Crew,
    CrewEnd,
    Done,
    Functions,
    Granted,
    Hand,
    HandPlan,
    function_named,
)

P = ParamSpec("P")
T = TypeVar("T")
_WORKERS = ("hand-1", "hand-2")
_FAULTS = WorkFaults(delay_s=0.02, twice=0.1, lost=0.05, late=0.1)


def sim_piece(run: str, step: str, drawn: int) -> dict[str, int]:
    """What a step has done elsewhere; who does it adds ``by``."""
    return {"drawn": drawn, "about": len(run) + len(step)}


PIECE = function_named("sim-piece", sim_piece)


class Watched:
    """What the checker knows of pieces: who began each, and what came too late."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self._numbers = count(1)
        self._granted: dict[tuple[str, int], tuple[str, str]] = {}
        self._last: dict[tuple[str, str], tuple[int, int]] = {}
        self._life = 0
        self._late: dict[int, str] = {}

    def number(self) -> int:
        return next(self._numbers)

    def began_here(self, run: str, step: str) -> None:
        self._last[run, step] = self._life, 0
        self.checker.count("pieces begun here")

    def granted(self, ask: Ask, answer: Answer) -> None:
        if isinstance(answer, Granted):
            run, step, _ = PIECE.arguments(answer.arguments)
            self._granted[ask.piece, ask.fence] = run, step
            self._last[run, step] = self._life, ask.fence
            self.checker.count("pieces granted")

    def arrives(self, done: Done) -> None:
        """Before the node hears of it."""
        at = self._granted.get((done.piece, done.fence))
        if at is not None and self._last[at][1] != done.fence and done.value:
            self._late[msgspec.msgpack.decode(done.value)["by"]] = f"fence {done.fence}"
            self.checker.count("results that came too late")

    def lives_again(self) -> None:
        """The node does."""
        self._life += 1

    def found(self, done: Done) -> None:
        """The node looked, and a result lay there."""
        at = self._granted.get((done.piece, done.fence))
        if at is not None and self._last[at][0] != self._life and done.value:
            self._late.pop(msgspec.msgpack.decode(done.value)["by"], None)
            self.checker.count("results found by a next life")

    def kept(self, by: int, run: str, step: str) -> None:
        self.checker.require(
            by not in self._late, "a result was kept of a worker that was given up", run, step, self._late.get(by)
        )


class _Listening:
    """A ``CrewEnd`` in front of the crew."""

    def __init__(self, crew: CrewEnd, watched: Watched) -> None:
        self._crew, self._watched = crew, watched

    def asked(self, worker: str, ask: Ask) -> Answer:
        answer = self._crew.asked(worker, ask)
        self._watched.granted(ask, answer)
        return answer

    def heard(self, worker: str, beat: Beat) -> None:
        self._crew.heard(worker, beat)

    def done(self, worker: str, done: Done) -> None:
        self._watched.arrives(done)
        self._crew.done(worker, done)

    def connected(self) -> None:
        self._crew.connected()


class _Line(SimCrewLine):
    """A ``CrewLine`` with somebody listening."""

    def __init__(self, queue: WorkQueue, watched: Watched) -> None:
        super().__init__(queue)
        self._watched = watched

    async def serve(self, crew: CrewEnd, /) -> None:
        self._watched.lives_again()
        await super().serve(_Listening(crew, self._watched))

    async def kept(self, piece: str, /) -> tuple[str, Done] | None:
        found = await super().kept(piece)
        if found is not None:
            self._watched.found(found[1])
        return found


class SlowProcesses:
    """An ``Offload`` that takes its time, and numbers what it does."""

    def __init__(self, world: SimWorld, rng: Rng, watched: Watched, *, here: bool) -> None:
        self._world, self._rng, self._watched, self._here = world, rng, watched, here

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self._here:
            self._watched.began_here(str(args[0]), str(args[1]))
        await self._world.clock.sleep(self._rng.exponential(1.0))
        found: Any = work(*args, **kwargs)
        found["by"] = self._watched.number()
        return found  # type: ignore[no-any-return]


class _Unfenced(Crew):
    """Planted: whatever comes back of a piece counts."""

    def _holding(self, piece: Any, worker: str, done: Done) -> Any:
        return super()._holding(piece, worker, done) or next(iter(piece.live.values()), None)


def sim_crew(world: SimWorld, queue: WorkQueue, watched: Watched, rng: Rng, *, unfenced: bool) -> Crew:
    """A node's crew in one of its lives."""
    kind = _Unfenced if unfenced else Crew
    local = SlowProcesses(world, rng, watched, here=True)
    return kind(
        Functions([PIECE]), local, world.clock, Telemetry(world.clock), slots=1, release="sim",
        line=_Line(queue, watched),
    )  # fmt: skip


def sim_queue(world: SimWorld) -> WorkQueue:
    return WorkQueue(world.clock, world.rng.child("queue"), _FAULTS)


async def workers_live(world: SimWorld, queue: WorkQueue, watched: Watched, over: asyncio.Event) -> None:
    """Workers come, die in mid-step, are cut off, and come again, until ``over``."""
    async with asyncio.TaskGroup() as group:
        for name in _WORKERS:
            group.create_task(_worker_lives(world, name, queue, watched, over))
        group.create_task(_line_breaks(world, queue, over))


async def _worker_lives(world: SimWorld, name: str, queue: WorkQueue, watched: Watched, over: asyncio.Event) -> None:
    rng = world.rng.child(f"lives/{name}")
    plan = HandPlan(slots=1, machine=name, release="sim", drain_s=5.0)
    while not over.is_set():
        processes = SlowProcesses(world, rng, watched, here=False)
        hand = Hand(
            Functions([PIECE]), queue.hand_line(name), processes, world.clock, Telemetry(world.clock), plan
        )  # fmt: skip
        serving = asyncio.ensure_future(hand.serve())
        await _or_over(world, over, rng.exponential(6.0))
        if rng.chance(0.2):
            hand.leave()
            await world.clock.sleep(plan.drain_s)
        else:
            watched.checker.count("workers killed")
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await _or_over(world, over, rng.exponential(4.0))


async def _line_breaks(world: SimWorld, queue: WorkQueue, over: asyncio.Event) -> None:
    rng = world.rng.child("line")
    while not over.is_set():
        await _or_over(world, over, rng.exponential(8.0))
        queue.cut()
        await world.clock.sleep(rng.exponential(2.0))
        queue.mend()


async def _or_over(world: SimWorld, over: asyncio.Event, for_s: float) -> None:
    waiting = asyncio.ensure_future(over.wait())
    sleeping = asyncio.ensure_future(world.clock.sleep(for_s))
    await asyncio.wait([waiting, sleeping], return_when=asyncio.FIRST_COMPLETED)
    for one in (waiting, sleeping):
        one.cancel()
    await asyncio.gather(waiting, sleeping, return_exceptions=True)
