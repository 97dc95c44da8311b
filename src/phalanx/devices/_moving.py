"""Where a job goes when it cannot stay where it is, and what becomes of what it leaves behind.

Invariant: whatever was sent to a vendor and is not waited for any more is in the job's losses, in the commit that says
where the job goes on, or how it ended. That something was lost is never refused: where the purse has nothing left for
another attempt, the job ends, and what its vendors had begun is charged.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from phalanx.core import AuditEntry, AuditSink, Clock, PhalanxError, StorageError, TenantId
from phalanx.devices._backend import Stage
from phalanx.devices._choosing import Chooser, Chosen, Windows
from phalanx.devices._elsewhere import Elsewhere
from phalanx.devices._errors import MaybeSent, as_told
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job, JobState, Loss, Move
from phalanx.devices._limits import MAX_JOB_MOVES, MAX_JOB_YIELDS
from phalanx.devices._running import changes_of
from phalanx.devices._sending import both, let_go, losses_of, maybe_there, sending_to, stage_of, without_handles
from phalanx.devices._windows import DeviceBooked, booked_devices
from phalanx.telemetry import Logger

ACTOR = "devices"


class JobStore(Protocol):
    """Jobs as they are kept. Raises ``StorageError`` where they cannot be read or written now."""

    async def load(self, tenant: TenantId, job_id: str) -> tuple[Job, int]: ...

    async def write(self, job: Job, version: int) -> int: ...

    async def end(self, job: Job, version: int, state: JobState) -> Job: ...


class Mover:
    """Moves jobs and ends them. ``audit`` is told when a job is done classically instead.

    All of it raises ``Conflict`` when somebody else wrote the job meanwhile.
    """

    def __init__(
        self, store: JobStore, fleet: Fleet, chooser: Chooser, clock: Clock, log: Logger, audit: AuditSink | None
    ) -> None:  # fmt: skip
        self._store, self._fleet, self._chooser = store, fleet, chooser
        self._clock, self._log, self._audit = clock, log, audit
        self.elsewhere = Elsewhere(fleet, chooser, clock)
        self.windows: Windows | None = None

    async def move(
        self, tenant: TenantId, job_id: str, why: str, without: Mapping[str, str], left: tuple[Loss, ...] = ()
    ) -> bool:
        """To the best of what is left; whether the job has gone on, or has ended. ``left`` is known to be lost already.

        What may be at a vendor that has not said yet goes nowhere else.
        """
        job, version = await self._store.load(tenant, job_id)
        if job.state.final or job.sending:
            return job.state.final
        without, losses = dict(without), tuple[Loss, ...]()
        while True:
            found = await self.elsewhere.best(job, without) if changes_of(job, yielded=False) < MAX_JOB_MOVES else None
            if found is None:
                if not losses and await self._came_to_nothing(job):
                    losses = both(await self.losses(job), left)
                return bool(losses) and not await self._written(without_handles(job, losses), version, why)
            if found[1].device == job.device and not losses:
                return True
            losses = losses or both(await self.losses(job), left)
            try:
                await self._moved(job, version, found, why, losses)
            except StorageError:
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

    async def _written(self, made: Job, version: int, why: str) -> bool:
        """Whether ``made`` goes on; it has ended where nobody may pay for one more attempt at its device."""
        try:
            await self._store.write(made, version)
        except StorageError:
            raise
        except PhalanxError as error:
            ended = msgspec.structs.replace(made, error=f"{why}; it is not begun again: {error}")
            await self._store.end(ended, version, JobState.FAILED)
            return False
        return True

    async def withdraw(self, tenant: TenantId, job_id: str, why: str) -> bool:
        """Have what still waits at its vendor done elsewhere; whether it is so.

        Nobody may be carrying the job out meanwhile.
        """
        job, _ = await self._store.load(tenant, job_id)
        if not await self.waits_at_vendor(job):
            return False
        return await self.move(tenant, job_id, why, {}) and (await self._store.load(tenant, job_id))[0] != job

    async def belongs_elsewhere(self, job: Job) -> bool:
        """It still waits at its vendor, and the chooser would now send it to another device."""
        if not await self.waits_at_vendor(job):
            return False
        found = await self.elsewhere.best(job, {})
        return found is not None and found[0] == "moved" and found[1].device != job.device

    async def _came_to_nothing(self, job: Job) -> bool:
        """Its vendor has it, and will never give a result: asking for it again is of no use, sending it again is."""
        return bool(job.handle) and await stage_of(self._fleet.backend(job.device), job.handle) is Stage.NOTHING

    async def waits_at_vendor(self, job: Job) -> bool:
        """Sent to one vendor, by nobody's order to that one, and not begun there."""
        if job.pinned or job.state.final or not job.handle or job.second:
            return False
        return await stage_of(self._fleet.backend(job.device), job.handle) is Stage.WAITING

    async def make_room(self, before: Job, booked: DeviceBooked) -> bool:
        """Leave a device that others have booked, for one that they have not; else wait there. Whether it has left."""
        job, version = await self._store.load(before.tenant, before.id)
        if job.state.final or job.device != before.device:
            return True
        why = str(booked)
        if booked.device == job.second:
            await self._without_second(job, version)
            return True
        found = None
        if not job.pinned and changes_of(job, yielded=True) < MAX_JOB_YIELDS:
            found = await self.elsewhere.best(
                job, booked_devices(self._fleet, self._chooser, job.tenant) | {job.device: why}
            )
        goes = found is not None and found[0] == "moved"
        if not goes and not job.wishes.patient:
            await self.fail(job.tenant, job.id, why, booked.left)
            return True
        losses = await self.losses(msgspec.structs.replace(job, sending={}))
        if found is not None and goes:
            left = both(maybe_there(job, self._clock.wall_ns()), booked.left)
            try:
                await self._moved(job, version, ("yielded", found[1]), why, (*losses, *left))
            except StorageError:
                raise
            except PhalanxError as error:
                self._log.info("it stays where others have booked", job=job.id, why=str(error))
            else:
                return True
        if job.state is not JobState.RUNNING:
            return False
        step = Move(at_ns=self._clock.wall_ns(), kind="paused", before=job.device, after=job.device, why=why)
        moves = (*job.moves, step) if changes_of(job, yielded=True) < MAX_JOB_YIELDS else job.moves
        # What was on its way there is asked after, under the same key, when it begins again.
        gone = both(maybe_there(job, self._clock.wall_ns()), booked.left)
        back = msgspec.structs.replace(
            without_handles(job, (*losses, *(one for one in gone if one.device != job.device))),
            state=JobState.QUEUED, attempts=max(0, job.attempts - 1), moves=moves, sending=sending_to(job),
        )  # fmt: skip
        return not await self._written(back, version, why)

    async def _without_second(self, job: Job, version: int) -> None:
        """Others have booked where it was begun a second time: it goes on where it is."""
        now_ns = self._clock.wall_ns()
        lost = await let_go(self._fleet, job.second, job.second_handle, now_ns)
        gone = (*([] if lost is None else [lost]), *maybe_there(job, now_ns, but=job.device))
        alone = msgspec.structs.replace(
            job, second="", second_handle="", losses=(*job.losses, *gone), attempts=max(0, job.attempts - 1),
            sending=sending_to(job),
        )  # fmt: skip
        await self._store.write(alone, version)

    async def fail(self, tenant: TenantId, job_id: str, text: str, left: tuple[Loss, ...] = ()) -> None:
        """End it without a result, unless it has ended. ``left`` is known to be lost already."""
        job, version = await self._store.load(tenant, job_id)
        if not job.state.final:
            told = [as_told(MaybeSent(device, key)) for key, device in job.sending.items()]
            gone = without_handles(job, both(await self.losses(job), left))
            ended = msgspec.structs.replace(gone, error="; ".join([text, *told]))
            await self._store.end(ended, version, JobState.FAILED)

    async def losses(self, job: Job, *, but: str = "") -> tuple[Loss, ...]:
        """Ask vendors to drop what they have of a job, except one that gave its result; what that comes to."""
        return await losses_of(job, self._fleet, self._clock.wall_ns(), but=but)


def _entry(job: Job, step: Move) -> AuditEntry:
    return AuditEntry(
        id=f"{job.id}-degraded-{len(job.moves)}", tenant=job.tenant, trace=job.trace, at_ns=step.at_ns, actor=ACTOR,
        action="job degraded to a classical simulator", subject=job.id, case="",
        body={"before": step.before, "after": step.after, "why": step.why, "circuit": job.work.digest},
    )  # fmt: skip
