"""A job from its device to its result, whatever fails on the way.

If a device fails through no fault of the circuit, the job moves to the next best that gives the same kind of
result; if none is left, a classical simulator does it and the job and the ledger say so, unless the submitter ruled
that out; if that is not possible, it waits for a device to come back, a bounded number of times. A job whose device
was named stays there. A job that takes longer than it should is started on a second device. Each step is durable
before it is taken.

Other tenants' bookings are theirs: no other job starts there unless it is expected to end before the window, and
what runs there when the window opens is moved, or stopped and started again when the window is over.

No job ends or delays another: a fault of the node itself ends the one job that met it, and while nothing can be
stored all jobs wait.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from phalanx.core import (
    AuditSink,
    Clock,
    Conflict,
    InvalidInput,
    LimitExceeded,
    Offload,
    PhalanxError,
    StorageError,
    TenantId,
)
from phalanx.devices._backend import Backend, QueuedBackend, Stage
from phalanx.devices._choosing import Chooser
from phalanx.devices._elsewhere import SLOW
from phalanx.devices._errors import OF_THE_JOB, HeldBack, MaybeSent, as_told
from phalanx.devices._failures import Failures
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job, JobState, Loss, Move
from phalanx.devices._limits import (
    ABSENT_WAIT_S,
    JOBS_AT_ONCE,
    LOOK_AT_JOBS_S,
    MAX_JOB_ATTEMPTS,
    MAX_USED_S,
    SENT_JOBS_AT_ONCE,
)
from phalanx.devices._moving import JobStore, Mover
from phalanx.devices._running import Resting, first_of, on_device
from phalanx.devices._sending import LiveJob, stage_of
from phalanx.devices._treating import TreatedResult
from phalanx.devices._windows import DeviceBooked, admitted, undisturbed, until_booked
from phalanx.quantum import ShotResult
from phalanx.telemetry import Logger, StorageWait

_Name = tuple[TenantId, str]


@dataclass(slots=True)
class _Course:
    """What became of a job's attempts so far. ``without``: devices that failed it, and what they said.

    ``stays``: there is no device for it but the one that others have booked. ``said``: why the last attempt that was
    sent failed. ``broken``: what went wrong in the node.
    """

    without: dict[str, str] = field(default_factory=dict)
    waits: int = 0
    since_ns: int = 0
    stays: bool = False
    said: str = ""
    broken: str = ""


class Carrier:
    """Carries jobs out. ``audit`` is told when a job is done classically instead."""

    def __init__(
        self, store: JobStore, fleet: Fleet, chooser: Chooser, clock: Clock, log: Logger, audit: AuditSink | None,
        offload: Offload, failures: Failures,
    ) -> None:  # fmt: skip
        self._store, self._fleet, self._chooser, self._failures = store, fleet, chooser, failures
        self._clock, self._log, self._offload = clock, log, offload
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._storage = StorageWait("jobs on devices", clock, log)
        self.mover, self.resting = Mover(store, fleet, chooser, clock, log, audit), Resting(clock)
        # Jobs that wait for a device here, and those that were given to one.
        self.waiting: dict[_Name, str] = {}
        self.sent: dict[_Name, str] = {}
        self._left: dict[_Name, tuple[Loss, ...]] = {}

    async def carry_out(self, tenant: TenantId, job_id: str) -> None:
        """Until the job has ended, on whatever device."""
        self.left_behind(tenant, job_id)
        course = _Course()
        while True:
            try:
                job, _ = await self._store.load(tenant, job_id)
                if job.state.final:
                    return
                if course.broken:
                    await self.mover.fail(tenant, job_id, course.broken, self.left_behind(tenant, job_id))
                    return
                await self._step(job, course)
                self._storage.over()
            except Conflict:
                # Somebody cancelled it meanwhile, or moved it; what to do is written already.
                self._log.info("job was written by somebody else", job=job_id)
            except StorageError as error:
                await self._storage.rest(error)
            except Exception as error:  # noqa: BLE001 - whatever is wrong in the node, other jobs go on
                self._log.error("a job is given up", job=job_id, error=error)
                if course.broken:  # Its end cannot be written either: somebody has to look.
                    await self._clock.sleep(ABSENT_WAIT_S)
                course.broken = as_told(error)

    def left_behind(self, tenant: TenantId, job_id: str) -> tuple[Loss, ...]:
        """What the attempt that was stopped last may have left at a vendor; told once."""
        return self._left.pop((tenant, job_id), ())

    async def _step(self, job: Job, course: _Course) -> None:
        """One attempt, and what follows from how it went."""
        if absent := [one for one in (job.device, job.second) if one and one not in self._fleet]:
            # Its provider was left out at the start: what the vendor has is collected when it is back.
            await self.resting.rest(job, ABSENT_WAIT_S, f"{absent[0]} is none of this node's devices now")
            return
        await self.resting.behind_a_trial(job, self._chooser)
        failed: dict[str, Exception] = {}
        try:
            await self._attempt(job, failed, stays=course.stays)
        except DeviceBooked as booked:
            self.left_behind(job.tenant, job.id)  # It is in what is raised.
            course.stays = not await self.mover.make_room(job, booked)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - a vendor's code may fail in any way, and the job says how
            course.without |= await self._blame(job, {**failed, job.device: error})
            await self._recovered(job, error, course)
        else:
            await self._blame(job, failed)

    async def _recovered(self, job: Job, error: Exception, course: _Course) -> None:
        """After an attempt that came to nothing: elsewhere, or here after a while, or not at all."""
        # That nothing was sent says less than what failed before.
        course.said = course.said if course.said and isinstance(error, HeldBack) else as_told(error)
        text, left = course.said, self.left_behind(job.tenant, job.id)
        # It is wrong wherever it goes, or may be there already: then it goes nowhere else.
        fault = isinstance(error, InvalidInput | LimitExceeded | MaybeSent)
        stays = fault or job.pinned
        if not stays and await self.mover.move(job.tenant, job.id, text, course.without, left):
            return
        # Nothing is left now: what failed may be back after a while.
        course.since_ns = course.since_ns or self._clock.wall_ns()
        found, version = await self._store.load(job.tenant, job.id)
        pause_s = 0.0 if fault else self.resting.pause_s(found, error, course.waits, course.since_ns)
        if not pause_s:
            late = f"{job.device} did not come back in time: " if job.pinned and course.waits else ""
            await self.mover.fail(job.tenant, job.id, late + text, left)
            return
        course.waits += 1
        await self._taken_back(found, version)
        await self.resting.rest(found, pause_s, text)
        course.without.clear()

    async def _taken_back(self, job: Job, version: int) -> None:
        """What did not begin at the device that it was sent to by name was no attempt."""
        if job.pinned and job.state is JobState.RUNNING:
            back = msgspec.structs.replace(job, state=JobState.QUEUED, attempts=max(0, job.attempts - 1))
            await self._store.write(back, version)

    async def _blame(self, job: Job, failed: Mapping[str, Exception]) -> dict[str, str]:
        """Note of each device that it failed, where that is no fault of the job; what each said."""
        found = {device: as_told(error) for device, error in failed.items() if not isinstance(error, OF_THE_JOB)}
        for device, text in found.items():
            self._chooser.failed(device)
            await self._failures.keep(job, device, text)
        return found

    async def _until_booked(self, live: LiveJob, backend: Backend) -> str:
        """Until it has to leave; never, where its vendor is done and only the result is on its way."""
        device = await until_booked(live, self._chooser, self._clock)
        if device != backend.device.name:
            return device
        while live.job.handle and await stage_of(backend, live.job.handle) is Stage.DONE:
            await self._clock.sleep(LOOK_AT_JOBS_S)
        return device

    async def _attempt(self, job: Job, failed: dict[str, Exception], *, stays: bool) -> None:
        """Until there is a result. ``failed`` is told what each device said that gave none."""
        name, device, live = (job.tenant, job.id), job.device, None
        backend = self._fleet.backend(device)
        if not (job.handle or job.sending or job.pinned) and (self._chooser.held_s(device) or 0.0) > 0.0:
            raise HeldBack(device, "it failed, and is left alone for a while")
        self._chooser.sent(device)
        self.waiting[name] = device
        try:
            await admitted(job, self._chooser, self._clock, stays=stays)
            async with self._slot(backend):
                if not job.handle and self._chooser.opens_s(device, job.tenant) > 0.0:
                    return  # Booked while it waited for its turn: it is admitted anew.
                self.waiting.pop(name, None)
                live = await self._begun(job)
                if live is None:
                    return
                self.sent[name] = device
                winner, result = await undisturbed(
                    live, self._raced(live, backend, failed), self._until_booked(live, backend)
                )
            await self._done(live, winner, result)
        finally:
            if live is not None and live.left:
                self._left[name] = live.left
            self.waiting.pop(name, None)
            self.sent.pop(name, None)
            self._chooser.back(device)

    async def _done(self, live: LiveJob, winner: str, result: ShotResult) -> None:
        job = live.job
        losses = await self.mover.losses(job, but=winner)
        done = msgspec.structs.replace(
            job, device=winner, handle=job.second_handle if winner == job.second else job.handle, sending={},
            counts=result.counts, provenance=result.provenance, used_s=_counted(result.used_s),
            losses=(*job.losses, *losses), treated=result.treated if isinstance(result, TreatedResult) else None,
        )  # fmt: skip
        await self._store.end(done, live.version, JobState.COMPLETED)

    async def _begun(self, before: Job) -> LiveJob | None:
        """Written as running; nothing when it has ended or is elsewhere now."""
        job, version = await self._store.load(before.tenant, before.id)
        if job.state.final or job.device != before.device:
            return None
        # What a vendor has is only collected: that does not take the node with it.
        if job.attempts >= MAX_JOB_ATTEMPTS and not job.handle:
            raise LimitExceeded("attempts at one job", maximum=MAX_JOB_ATTEMPTS, seen=job.attempts + 1)
        live = LiveJob(job, version, self._store.write, self._clock)
        await live.write(state=JobState.RUNNING, attempts=job.attempts + 1, started_at_ns=self._clock.wall_ns())
        return live

    async def _raced(self, live: LiveJob, backend: Backend, failed: dict[str, Exception]) -> tuple[str, ShotResult]:
        job = live.job
        attempts = {job.device: asyncio.ensure_future(on_device(backend, live, self._offload, second=False))}
        patience_s = math.inf if job.pinned or job.second else self._chooser.patience_s(job.device)
        if job.second:
            attempts[job.second] = asyncio.ensure_future(self._on_second(live))

        async def hurry() -> tuple[str, asyncio.Task[ShotResult]] | None:
            chosen = await self.mover.elsewhere.second(live.job)
            if chosen is None:
                return None
            step = Move(at_ns=self._clock.wall_ns(), kind="hedged", before=job.device, after=chosen.device, why=SLOW)
            try:
                await live.write(second=chosen.device, moves=(*live.job.moves, step))
            except StorageError:
                raise
            except PhalanxError as error:
                self._log.info("a second attempt is not begun", job=job.id, why=str(error))
                return None
            return chosen.device, asyncio.ensure_future(self._on_second(live))

        return await first_of(attempts, failed, hurry, patience_s, self._clock.sleep)

    async def _on_second(self, live: LiveJob) -> ShotResult:
        device = live.job.second
        if not live.job.second_handle and self._chooser.opens_s(device, live.job.tenant) > 0.0:
            raise HeldBack(device, "others have booked it")
        self._chooser.sent(device)
        try:
            return await on_device(self._fleet.backend(device), live, self._offload, second=True)
        finally:
            self._chooser.back(device)

    def _slot(self, backend: Backend) -> asyncio.Semaphore:
        at_once = SENT_JOBS_AT_ONCE if isinstance(backend, QueuedBackend) else JOBS_AT_ONCE
        return self._slots.setdefault(backend.device.name, asyncio.Semaphore(at_once))


def _counted(used_s: float | None) -> float | None:
    """Seconds as a vendor counted them; nothing where that is no number of seconds."""
    return used_s if used_s is not None and 0.0 <= used_s <= MAX_USED_S else None
