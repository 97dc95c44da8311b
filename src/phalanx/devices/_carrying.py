"""A job from its device to its result, whatever fails on the way.

If a device fails through no fault of the circuit, the job moves to the next best that gives the same kind of
result; if none is left, a classical simulator does it and the job and the ledger say so, unless the submitter ruled
that out; if that is not possible, it waits for a device to come back, a bounded number of times. A job whose device
was named stays there. A job that takes longer than it should is started on a second device. Each step is durable
before it is taken.

Other tenants' bookings are theirs: no other job starts there unless it is expected to end before the window, and
what runs there when the window opens is moved, or stopped and started again when the window is over.
"""

import asyncio
import contextlib
import math
from collections.abc import Mapping
from typing import Protocol

import msgspec

from phalanx.core import (
    AuditEntry,
    AuditSink,
    Clock,
    Conflict,
    InvalidInput,
    LimitExceeded,
    Offload,
    PhalanxError,
    TenantId,
    Unavailable,
)
from phalanx.devices._backend import Backend, QueuedBackend, Stage
from phalanx.devices._choosing import Chooser, Chosen, Windows
from phalanx.devices._elsewhere import SLOW, Elsewhere
from phalanx.devices._errors import OF_THE_JOB, HeldBack, MaybeSent, as_told
from phalanx.devices._failures import Failures
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job, JobState, Loss, Move
from phalanx.devices._limits import (
    ABSENT_WAIT_S,
    JOBS_AT_ONCE,
    LOOK_AT_JOBS_S,
    MAX_JOB_ATTEMPTS,
    MAX_JOB_MOVES,
    MAX_JOB_YIELDS,
    SENT_JOBS_AT_ONCE,
)
from phalanx.devices._running import (
    Resting,
    changes_of,
    first_of,
    on_device,
)
from phalanx.devices._sending import (
    LiveJob,
    both,
    let_go,
    losses_of,
    maybe_there,
    sending_to,
    stage_of,
    without_handles,
)
from phalanx.devices._treating import TreatedResult
from phalanx.devices._windows import DeviceBooked, admitted, booked_devices, undisturbed, until_booked
from phalanx.quantum import ShotResult
from phalanx.telemetry import Logger

ACTOR = "devices"


class JobStore(Protocol):
    """Jobs as they are kept."""

    async def load(self, tenant: TenantId, job_id: str) -> tuple[Job, int]: ...

    async def write(self, job: Job, version: int) -> int: ...

    async def end(self, job: Job, version: int, state: JobState) -> None: ...


class Carrier:
    """Carries jobs out. ``audit`` is told when a job is done classically instead."""

    def __init__(
        self, store: JobStore, fleet: Fleet, chooser: Chooser, clock: Clock, log: Logger, audit: AuditSink | None,
        offload: Offload, failures: Failures,
    ) -> None:  # fmt: skip
        self._store, self._fleet, self._chooser, self._failures = store, fleet, chooser, failures
        self._clock, self._log, self._audit, self._offload = clock, log, audit, offload
        self._slots: dict[str, asyncio.Semaphore] = {}
        self.windows: Windows | None = None
        self.resting, self._elsewhere = Resting(clock), Elsewhere(fleet, chooser, clock)
        # Jobs that wait for a device here, and those that were given to one.
        self.waiting: dict[tuple[TenantId, str], str] = {}
        self.sent: dict[tuple[TenantId, str], str] = {}

    async def carry_out(self, tenant: TenantId, job_id: str) -> None:
        """Until the job has ended, on whatever device."""
        without: dict[str, str] = {}
        waits, since_ns, stays, last = 0, 0, False, ""
        while True:
            job, _ = await self._store.load(tenant, job_id)
            if job.state.final:
                return
            if absent := [one for one in (job.device, job.second) if one and one not in self._fleet]:
                # Its provider was left out at the start: what the vendor has is collected when it is back.
                await self.resting.rest(job, ABSENT_WAIT_S, f"{absent[0]} is none of this node's devices now")
                continue
            await self.resting.behind_a_trial(job, self._chooser)
            failed: dict[str, Exception] = {}
            try:
                await self._attempt(job, failed, stays=stays)
                await self._blame(job, failed)
            except DeviceBooked as booked:
                with contextlib.suppress(Conflict):
                    stays = not await self._make_room(job, booked)
            except Conflict:
                # Somebody cancelled it meanwhile, or moved it; what to do is written already.
                self._log.info("job was written by somebody else", job=job_id)
            except Exception as error:  # noqa: BLE001 - a vendor's code may fail in any way, and the job says how
                # That nothing was sent says less than what failed before.
                text = last = last if last and isinstance(error, HeldBack) else as_told(error)
                # It is wrong wherever it goes, or may be there already: then it goes nowhere else.
                fault = isinstance(error, InvalidInput | LimitExceeded | MaybeSent)
                without |= await self._blame(job, {**failed, job.device: error})
                try:
                    if fault or job.pinned or not await self.move(tenant, job_id, text, without):
                        # Nothing is left now: what failed may be back after a while.
                        since_ns = since_ns or self._clock.wall_ns()
                        job, version = await self._store.load(tenant, job_id)
                        pause_s = 0.0 if fault else self.resting.pause_s(job, error, waits, since_ns)
                        if not pause_s:
                            late = f"{job.device} did not come back in time: " if job.pinned and waits else ""
                            await self._fail(tenant, job_id, late + text)
                            return
                        waits += 1
                        await self._taken_back(job, version)
                        await self.resting.rest(job, pause_s, text)
                        without.clear()
                except Conflict:
                    self._log.info("job was written by somebody else", job=job_id)

    async def _taken_back(self, job: Job, version: int) -> None:
        """What did not begin at the device that it was sent to by name was no attempt. Raises ``Conflict``."""
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

    async def move(self, tenant: TenantId, job_id: str, why: str, without: Mapping[str, str]) -> bool:
        """To the best of what is left; whether there is any. Raises ``Conflict``.

        What may be at a vendor that has not said yet goes nowhere else.
        """
        job, version = await self._store.load(tenant, job_id)
        if job.state.final or job.sending:
            return job.state.final
        without, losses = dict(without), tuple[Loss, ...]()
        while True:
            found = await self._elsewhere.best(job, without) if changes_of(job, yielded=False) < MAX_JOB_MOVES else None
            if found is None:
                if not losses and await self._came_to_nothing(job):
                    losses = await self.losses(job)
                if losses:
                    await self._store.write(without_handles(job, losses), version)
                return False
            if found[1].device == job.device and not losses:
                return True
            losses = losses or await self.losses(job)
            try:
                await self._moved(job, version, found, why, losses)
            except Conflict:
                raise
            except PhalanxError as error:
                # Nobody may spend what that device costs: it is none for this job.
                without[found[1].device] = str(error)
                continue
            return True

    async def _moved(
        self, job: Job, version: int, found: tuple[str, Chosen], why: str, losses: tuple[Loss, ...]
    ) -> None:  # fmt: skip
        kind, chosen = found
        step = Move(at_ns=self._clock.wall_ns(), kind=kind, before=job.device, after=chosen.device, why=why)
        if kind == "degraded" and self._audit is not None:
            await self._audit.record(_entry(job, step))
        wishes = job.wishes
        if wishes.window and self.windows is not None and chosen.device != job.device:
            window, opens_ns = await self.windows.moved(job, chosen.device)
            wishes = msgspec.structs.replace(wishes, window=window, not_before_ns=opens_ns)
        moved = msgspec.structs.replace(
            without_handles(job, losses), device=chosen.device, reason=chosen.reason, state=JobState.QUEUED,
            attempts=0, moves=(*job.moves, step) if chosen.device != job.device else job.moves, wishes=wishes,
        )  # fmt: skip
        await self._store.write(moved, version)

    async def withdraw(self, tenant: TenantId, job_id: str, why: str) -> bool:
        """Have what still waits at its vendor done elsewhere; whether it is so.

        Nobody may be carrying the job out meanwhile. Raises ``Conflict``.
        """
        job, _ = await self._store.load(tenant, job_id)
        if not await self.waits_at_vendor(job):
            return False
        return await self.move(tenant, job_id, why, {}) and (await self._store.load(tenant, job_id))[0] != job

    async def belongs_elsewhere(self, job: Job) -> bool:
        """It still waits at its vendor, and the chooser would now send it to another device."""
        if not await self.waits_at_vendor(job):
            return False
        found = await self._elsewhere.best(job, {})
        return found is not None and found[0] == "moved" and found[1].device != job.device

    async def _came_to_nothing(self, job: Job) -> bool:
        """Its vendor has it, and will never give a result: asking for it again is of no use, sending it again is."""
        return bool(job.handle) and await stage_of(self._fleet.backend(job.device), job.handle) is Stage.NOTHING

    async def waits_at_vendor(self, job: Job) -> bool:
        """Sent to one vendor, by nobody's order to that one, and not begun there."""
        if job.pinned or job.state.final or not job.handle or job.second:
            return False
        return await stage_of(self._fleet.backend(job.device), job.handle) is Stage.WAITING

    async def _make_room(self, before: Job, booked: DeviceBooked) -> bool:
        """Leave a device that others have booked, for one that they have not; else wait there. Whether it has left.

        Raises ``Conflict``.
        """
        job, version = await self._store.load(before.tenant, before.id)
        if job.state.final or job.device != before.device:
            return True
        why = str(booked)
        if booked.device == job.second:
            await self._without_second(job, version)
            return True
        found = None
        if not job.pinned and changes_of(job, yielded=True) < MAX_JOB_YIELDS:
            found = await self._elsewhere.best(
                job, booked_devices(self._fleet, self._chooser, job.tenant) | {job.device: why}
            )
        goes = found is not None and found[0] == "moved"
        if not goes and not job.wishes.patient:
            await self._fail(job.tenant, job.id, why)
            return True
        losses = await self.losses(msgspec.structs.replace(job, sending={}))
        if found is not None and goes:
            left = both(maybe_there(job, self._clock.wall_ns()), booked.left)
            try:
                await self._moved(job, version, ("yielded", found[1]), why, (*losses, *left))
            except Conflict:
                raise
            except PhalanxError as error:
                self._log.info("it stays where others have booked", job=job.id, why=str(error))
            else:
                return True
        if job.state is JobState.RUNNING:
            step = Move(at_ns=self._clock.wall_ns(), kind="paused", before=job.device, after=job.device, why=why)
            moves = (*job.moves, step) if changes_of(job, yielded=True) < MAX_JOB_YIELDS else job.moves
            # What was on its way there is asked after, under the same key, when it begins again.
            back = msgspec.structs.replace(
                without_handles(job, (*losses, *maybe_there(job, self._clock.wall_ns(), but=job.device))),
                state=JobState.QUEUED, attempts=max(0, job.attempts - 1), moves=moves, sending=sending_to(job),
            )  # fmt: skip
            await self._store.write(back, version)
        return False

    async def _until_booked(self, live: LiveJob, backend: Backend) -> str:
        """Until it has to leave; never, where its vendor is done and only the result is on its way."""
        device = await until_booked(live, self._chooser, self._clock)
        if device != backend.device.name:
            return device
        while live.job.handle and await stage_of(backend, live.job.handle) is Stage.DONE:
            await self._clock.sleep(LOOK_AT_JOBS_S)
        return device

    async def _without_second(self, job: Job, version: int) -> None:
        """Others have booked where it was begun a second time: it goes on where it is."""
        now_ns = self._clock.wall_ns()
        lost = await let_go(self._fleet.backend(job.second), job.second_handle, now_ns)
        gone = (*([] if lost is None else [lost]), *maybe_there(job, now_ns, but=job.device))
        alone = msgspec.structs.replace(
            job, second="", second_handle="", losses=(*job.losses, *gone), attempts=max(0, job.attempts - 1),
            sending=sending_to(job),
        )  # fmt: skip
        await self._store.write(alone, version)

    async def _attempt(self, job: Job, failed: dict[str, Exception], *, stays: bool) -> None:
        """Until there is a result. ``failed`` is told what each device said that gave none."""
        name, device = (job.tenant, job.id), job.device
        backend = self._fleet.backend(device)
        if not (job.handle or job.pinned) and self._chooser.held_s(device) is not None:
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
            losses = await self.losses(live.job, but=winner)
            done = msgspec.structs.replace(
                live.job, device=winner, counts=result.counts, provenance=result.provenance, used_s=result.used_s,
                losses=(*live.job.losses, *losses), sending={},
                treated=result.treated if isinstance(result, TreatedResult) else None,
            )  # fmt: skip
            await self._store.end(done, live.version, JobState.COMPLETED)
        finally:
            self.waiting.pop(name, None)
            self.sent.pop(name, None)
            self._chooser.back(device)

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
            chosen = await self._elsewhere.second(live.job)
            if chosen is None:
                return None
            step = Move(at_ns=self._clock.wall_ns(), kind="hedged", before=job.device, after=chosen.device, why=SLOW)
            try:
                await live.write(second=chosen.device, moves=(*live.job.moves, step))
            except Conflict:
                raise
            except PhalanxError as error:
                self._log.info("a second attempt is not begun", job=job.id, why=str(error))
                return None
            return chosen.device, asyncio.ensure_future(self._on_second(live))

        return await first_of(attempts, failed, hurry, patience_s, self._clock.sleep)

    async def _on_second(self, live: LiveJob) -> ShotResult:
        device = live.job.second
        if not live.job.second_handle and self._chooser.opens_s(device, live.job.tenant) > 0.0:
            raise Unavailable(device, "others have booked it")
        self._chooser.sent(device)
        try:
            return await on_device(self._fleet.backend(device), live, self._offload, second=True)
        finally:
            self._chooser.back(device)

    async def _fail(self, tenant: TenantId, job_id: str, text: str) -> None:
        job, version = await self._store.load(tenant, job_id)
        if not job.state.final:
            told = [as_told(MaybeSent(device, key)) for key, device in job.sending.items()]
            text = "; ".join([text, *told])
            gone = without_handles(job, await self.losses(job))
            await self._store.end(msgspec.structs.replace(gone, error=text), version, JobState.FAILED)

    async def losses(self, job: Job, *, but: str = "") -> tuple[Loss, ...]:
        """Ask vendors to drop what they have of a job, except one that gave its result; what that comes to."""
        return await losses_of(job, self._fleet, self._clock.wall_ns(), but=but)

    def _slot(self, backend: Backend) -> asyncio.Semaphore:
        at_once = SENT_JOBS_AT_ONCE if isinstance(backend, QueuedBackend) else JOBS_AT_ONCE
        return self._slots.setdefault(backend.device.name, asyncio.Semaphore(at_once))


def _entry(job: Job, step: Move) -> AuditEntry:
    return AuditEntry(
        id=f"{job.id}-degraded-{len(job.moves)}", tenant=job.tenant, trace=job.trace, at_ns=step.at_ns, actor=ACTOR,
        action="job degraded to a classical simulator", subject=job.id, case="",
        body={"before": step.before, "after": step.after, "why": step.why, "circuit": job.work.digest},
    )  # fmt: skip
