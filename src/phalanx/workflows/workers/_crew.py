"""A node's crew: its own processes and its workers, and which of them does a piece.

Invariants:

- a piece is given out under a fence, a number that is never given twice. A result counts only while the fence is
  live: once a worker was presumed dead, or another try was first, nothing it says about the piece counts;
- a piece is answered once;
- a piece whose last live try was lost is given out again, and after ``MAX_GIVEN_OUT`` losses done here.

A worker holds a lease on what it was granted for as long as it is heard. A step waiting for a piece never notices
any of this. Names of places and reasons are stored with the result of the step.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from phalanx.core import NS_PER_S, Clock, Offload, Unavailable
from phalanx.telemetry import Telemetry
from phalanx.workflows.workers._durations import Durations
from phalanx.workflows.workers._functions import Functions
from phalanx.workflows.workers._limits import (
    BEAT_S,
    HEDGE_LEAST_S,
    LEASE_S,
    MAX_BEGUN,
    MAX_GIVEN_OUT,
    MAX_HEDGE_LOOKS,
    SHORT_S,
)
from phalanx.workflows.workers._line import CrewLine
from phalanx.workflows.workers._outcomes import itself, raised, value_of
from phalanx.workflows.workers._roll import Roll, WorkerShown
from phalanx.workflows.workers._tries import HERE, Piece, PieceAsked, PieceDone, Try
from phalanx.workflows.workers._waiting import WaitingLine
from phalanx.workflows.workers._words import Answer, Ask, Beat, Done, Granted, Refused, Ticket


class Crew:
    """``slots`` is how many pieces this node does at once, in ``local``. Without a ``line`` there are no workers.

    ``hedge`` is the share of a function's calls after whose usual time a piece is begun a second time, if there is
    room; 0 for never. A worker that was not heard for ``lease_s`` is presumed dead.
    """

    def __init__(
        self, functions: Functions, local: Offload, clock: Clock, telemetry: Telemetry, *, slots: int, release: str,
        line: CrewLine | None = None, hedge: float = 0.95, lease_s: float = LEASE_S,
    ) -> None:  # fmt: skip
        self.functions = functions
        self.local = local
        self._clock = clock
        self._slots = slots
        self._line = line
        self._hedge = hedge
        self._lease_s = lease_s
        self._roll = Roll(release, lease_s)
        self._durations = Durations()
        self._pieces: dict[str, Piece] = {}
        self._waiting: WaitingLine[Piece] = WaitingLine()
        self._tickets: dict[int, int] = {}
        self._begun_ids: dict[str, None] = {}
        self._busy_here = 0
        # Fences of an earlier life of this node were less.
        self._first_fence = self._fence = clock.wall_ns()
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = telemetry.log.bind(room="workflows", service="workers")
        metrics = telemetry.metrics
        self._done = metrics.counter(
            "phalanx_workflow_pieces_total", "Pieces of steps, by where they were done.", ("place",)
        )
        self._troubles = metrics.counter(
            "phalanx_workflow_piece_troubles_total",
            "Pieces that were lost with a worker, started a second time, or answered too late to count.", ("what",),
        )  # fmt: skip

    async def run(self, asked: PieceAsked) -> tuple[Any, PieceDone]:
        """The result and where it was had; raises what the function does, ``WorkFailed`` for what is not ours."""
        packed = None if self._line is None else asked.function.packed(asked.arguments)
        is_new = asked.again and asked.id not in self._begun_ids
        if is_new and packed is not None and (kept := await self._found(asked)) is not None:
            return kept
        # From now on nothing counts that an earlier life gave out, not even when the piece is asked for once more.
        self._begun_ids[asked.id] = None
        if len(self._begun_ids) > MAX_BEGUN:
            del self._begun_ids[next(iter(self._begun_ids))]
        loop = asyncio.get_running_loop()
        piece = Piece(asked=asked, packed=packed, answer=loop.create_future(), asked_ns=self._clock.monotonic_ns())
        if asked.id in self._pieces:
            return await self._beside(piece)
        self._pieces[asked.id] = piece
        self._waiting.add(piece)
        self._assign()
        try:
            return await piece.answer
        finally:
            self._forget(piece)
            self._assign()

    def workers(self) -> list[WorkerShown]:
        """Who was heard of, by name."""
        return self._roll.shown(self._clock.monotonic_ns())

    def dismiss(self, worker: str) -> None:
        """Nothing that it says counts any more."""
        self._lose(self._roll.forget(worker), f"{worker} was removed")

    async def serve(self) -> None:
        """Look after workers, for as long as this runs. What is under way goes on when the line fails."""
        try:
            if self._line is None:
                await asyncio.Event().wait()
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(self._line.serve(self), name="workers line")
                while True:
                    await self._clock.sleep(BEAT_S)
                    self.look()
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            raise

    def look(self) -> None:
        """Take from workers that fell silent what they hold, and back from the queue what nobody takes."""
        now_ns = self._clock.monotonic_ns()
        for name, fences in self._roll.silent(now_ns):
            self._log.warning("a worker fell silent", worker=name, held=len(fences))
            self._lose(fences, f"{name} fell silent")
        late = [fence for fence, at_ns in self._tickets.items() if now_ns - at_ns > self._lease_s * NS_PER_S]
        self._lose(late, "no worker took it")
        self._assign()

    def asked(self, worker: str, ask: Ask) -> Answer:
        """May this worker have the piece of that ticket?"""
        piece, known = self._pieces.get(ask.piece), self._roll.get(worker)
        attempt = None if piece is None else piece.live.get(ask.fence)
        if piece is None or attempt is None or attempt.here or piece.packed is None:
            return Refused()
        function = piece.asked.function
        if known is None or known.beat.incarnation != ask.incarnation or worker == attempt.not_on:
            return Refused(others_may=True)
        if known.beat.functions.get(function.name) != function.digest:
            return Refused(others_may=True)
        if attempt.worker:
            # The same worker may not have heard; another one has a ticket that was handed out twice.
            return Granted(function.name, piece.packed) if attempt.worker == worker else Refused()
        attempt.worker = worker
        known.holds[ask.fence] = self._clock.monotonic_ns()
        self._tickets.pop(ask.fence, None)
        self._begun(piece, attempt)
        return Granted(function.name, piece.packed)

    def heard(self, worker: str, beat: Beat) -> None:
        """A worker is there."""
        new = self._roll.get(worker) is None
        lost = self._roll.heard(worker, beat, self._clock.monotonic_ns())
        if new:
            self._log.info("a worker came", worker=worker, machine=beat.machine, slots=beat.slots)
        self._lose(lost, f"{worker} lost it")
        if not self._roll.any_here():
            self._lose(tuple(self._tickets), "no worker is here any more")
        self._assign()

    def done(self, worker: str, done: Done) -> None:
        """A worker is done with a piece, whether anybody still wants it or not."""
        known, piece = self._roll.get(worker), self._pieces.get(done.piece)
        if known is not None:
            known.has_answered(done.fence)
        attempt = None if piece is None else self._holding(piece, worker, done)
        if piece is None or attempt is None or piece.answer.done():
            if known is not None:
                known.fenced += 1
            self._troubles.labels("fenced").inc()
        elif done.fault is not None and done.fault.kind == "lost":
            self._lose([done.fence], f"{worker}: {done.fault.reason}")
        else:
            if known is not None:
                known.done += 1
            self._settle(piece, attempt, partial(value_of, piece.asked, worker, done))
        self._assign()

    def connected(self) -> None:
        """What workers have said meanwhile lies in the line."""
        for piece in list(self._pieces.values()):
            if any(one.worker for one in piece.live.values()):
                self._spawn(self._look_for(piece.asked.id))

    def _holding(self, piece: Piece, worker: str, done: Done) -> Try | None:
        """The try that a result is of, if it still counts."""
        attempt = piece.live.get(done.fence)
        return attempt if attempt is not None and attempt.worker == worker else None

    def _assign(self) -> None:
        """Give out what can be."""
        while (piece := self._waiting.next(self._has_room)) is not None:
            there = self._room(piece)
            usual_s = self._durations.quantile_s(piece.name, 0.5)
            short = usual_s is not None and usual_s < SHORT_S
            if there and not (short and self._room_here()):
                self._ticket(piece, piece.why or "a worker has room")
            else:
                self._here(piece, piece.why or self._why_here(piece, short=bool(there)))

    def _why_here(self, piece: Piece, *, short: bool) -> str:
        if short:
            return "the way to a worker would take as long"
        if self._line is None:
            return ""
        if piece.packed is None:
            return "it is too big to travel"
        if not self._line.is_connected:
            return "the workers cannot be reached"
        return "the workers have no room" if self._roll.any_here() else "no worker is here"

    def _has_room(self, piece: Piece) -> bool:
        return self._room_here() or self._room(piece) > 0

    def _room_here(self) -> bool:
        return self._busy_here < self._slots

    def _room(self, piece: Piece, *, not_on: str = "") -> int:
        """How many more pieces of its function workers could take."""
        if self._line is None or not self._line.is_connected or piece.packed is None or piece.lost >= MAX_GIVEN_OUT:
            return 0
        function = piece.asked.function
        return max(0, self._roll.free(function.name, function.digest, not_on=not_on) - len(self._tickets))

    def _try(self, piece: Piece, reason: str, **more: Any) -> Try:
        self._fence = max(self._fence + 1, self._first_fence + 1)
        piece.given_out += 1
        made = Try(fence=self._fence, reason=reason, put_ns=self._clock.monotonic_ns(), **more)
        piece.live[made.fence] = made
        return made

    def _ticket(self, piece: Piece, reason: str, *, not_on: str = "", second: bool = False) -> None:
        attempt = self._try(piece, reason, not_on=not_on, second=second)
        self._tickets[attempt.fence] = attempt.put_ns
        self._spawn(self._put(piece, attempt))

    async def _put(self, piece: Piece, attempt: Try) -> None:
        assert self._line is not None
        try:
            await self._line.put(Ticket(piece.asked.id, attempt.fence))
        except Unavailable as error:
            self._lose([attempt.fence], f"the queue: {error.reason}")
            self._assign()

    def _here(self, piece: Piece, reason: str, *, second: bool = False) -> None:
        attempt = self._try(piece, reason, here=True, second=second)
        self._busy_here += 1
        self._begun(piece, attempt)
        self._spawn(self._do(piece, attempt))

    async def _do(self, piece: Piece, attempt: Try) -> None:
        """Done here, to its end: a process cannot be told to leave off, so its slot is taken until then."""
        try:
            value = await self.local.run(piece.asked.function.call, *piece.asked.arguments)
        except Exception as error:  # noqa: BLE001 - whatever the function raises is for who asked
            how: Callable[[], Any] = partial(raised, error)
            if isinstance(error, Unavailable) and len(piece.live) > 1:
                self._lose([attempt.fence], str(error))  # Its process died; the other try goes on.
        else:
            how = partial(itself, value)
        finally:
            self._busy_here -= 1
        if attempt.fence in piece.live:
            self._settle(piece, attempt, how)
        self._assign()

    def _begun(self, piece: Piece, attempt: Try) -> None:
        attempt.begun_ns, attempt.begun_wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        usual_s = self._durations.quantile_s(piece.name, self._hedge) if self._hedge else None
        if usual_s is not None and not piece.hedged and piece.hedge is None:
            piece.hedge = self._spawn(self._hedged(piece, attempt, max(usual_s, HEDGE_LEAST_S)))

    async def _hedged(self, piece: Piece, attempt: Try, usual_s: float) -> None:
        """Begin it a second time once it is late, if somebody else has nothing to do."""
        for _ in range(MAX_HEDGE_LOOKS):
            await self._clock.sleep(usual_s)
            if attempt.fence not in piece.live or piece.hedged or piece.answer.done():
                break
            if len(self._waiting):
                continue  # What has not begun at all comes first.
            reason = f"{attempt.place} takes longer than {usual_s:.3f} s"
            if self._room_here():
                piece.hedged = True
                self._here(piece, reason, second=True)
            elif self._room(piece, not_on=attempt.worker):
                piece.hedged = True
                self._ticket(piece, reason, not_on=attempt.worker, second=True)
            if piece.hedged:
                self._troubles.labels("hedged").inc()
                break

    def _lose(self, fences: Sequence[int], why: str) -> None:
        """These fences count no more; what has no other one waits again, before others."""
        if not fences:
            return
        gone = set(fences)
        for fence in gone:
            self._tickets.pop(fence, None)
        for piece in list(self._pieces.values()):
            for fence in gone & piece.live.keys():
                del piece.live[fence]
                piece.lost += 1
                piece.why = why
                self._troubles.labels("lost").inc()
                if not piece.live and not piece.answer.done():
                    self._stop_hedge(piece)
                    self._waiting.add(piece)

    def _settle(self, piece: Piece, attempt: Try, how: Callable[[], Any]) -> None:
        """The first answer is the answer; no other fence counts from now on."""
        for fence in piece.live:
            self._tickets.pop(fence, None)
        piece.live.clear()
        self._stop_hedge(piece)
        if piece.answer.done():
            return
        hedge = ("second" if attempt.second else "first") if piece.hedged else ""
        told = PieceDone(
            function=piece.name, place=attempt.place, reason=attempt.reason, begun_ns=attempt.begun_wall_ns,
            ended_ns=self._clock.wall_ns(), given_out=piece.given_out, hedge=hedge,
        )  # fmt: skip
        try:
            value = how()
        except Exception as error:  # noqa: BLE001 - raised where the piece is waited for
            piece.answer.set_exception(error)
            return
        self._durations.note(piece.name, (self._clock.monotonic_ns() - attempt.begun_ns) / NS_PER_S)
        self._done.labels(attempt.place).inc()
        piece.answer.set_result((value, told))

    def _forget(self, piece: Piece) -> None:
        self._pieces.pop(piece.asked.id, None)
        self._waiting.remove(piece)
        self._stop_hedge(piece)
        for fence in piece.live:
            self._tickets.pop(fence, None)
        piece.live.clear()

    def _stop_hedge(self, piece: Piece) -> None:
        if piece.hedge is not None and piece.hedge is not asyncio.current_task():
            piece.hedge.cancel()
        piece.hedge = None

    async def _beside(self, piece: Piece) -> tuple[Any, PieceDone]:
        """The same piece is under way for somebody else already: this one is done here, by itself."""
        begun_ns = self._clock.wall_ns()
        value = await self.local.run(piece.asked.function.call, *piece.asked.arguments)
        reason = "the same is under way for another"
        return value, PieceDone(
            function=piece.name, place=HERE, reason=reason, begun_ns=begun_ns, ended_ns=self._clock.wall_ns()
        )

    async def _found(self, asked: PieceAsked) -> tuple[Any, PieceDone] | None:
        """What a worker had done of this piece when an earlier life of this node was over."""
        assert self._line is not None
        try:
            found = await self._line.kept(asked.id)
        except Unavailable:
            return None
        if found is None or found[1].fault is not None or found[1].fence > self._first_fence:
            return None
        worker, done = found
        now_ns = self._clock.wall_ns()
        told = PieceDone(
            function=asked.function.name, place=worker, reason="it was done when this node was away",
            begun_ns=now_ns, ended_ns=now_ns,
        )  # fmt: skip
        return value_of(asked, worker, done), told

    async def _look_for(self, piece: str) -> None:
        assert self._line is not None
        try:
            found = await self._line.kept(piece)
        except Unavailable:
            return  # The next connection looks again.
        waits = self._pieces.get(piece)
        if found is not None and waits is not None and found[1].fence in waits.live:
            self.done(*found)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
