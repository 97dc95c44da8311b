"""Jobs: submitted once, carried out once, and found again after a restart.

Invariants: a job is durable before its submission is acknowledged. Its result is written under the version that
began it, so that two lives of a node, or a cancellation in between, never both decide how it ended. A job that a
stopped node left running is started again with the same seed (a simulator then gives the same result); what was
sent to a vendor is collected, not sent again: it is sent under the job's own id, which the vendor's side keeps
unique, or else is marked beforehand as on its way (``_sending``). How a job continues when its device fails is in
``_carrying``.
"""

import asyncio
import contextlib
import hashlib
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

import msgspec

from phalanx.core import (
    NO_TRACE,
    AuditSink,
    Circuit,
    Clock,
    Conflict,
    Expect,
    IdSource,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    Origin,
    Overloaded,
    Put,
    StorageError,
    Store,
    TenantId,
    TraceId,
    Unavailable,
    decode,
    encode,
)
from phalanx.devices._asking import check_asked, origin_of, same_job
from phalanx.devices._carrying import Carrier
from phalanx.devices._choosing import Chooser, FleetChooser, Windows, wish_of
from phalanx.devices._doubting import doubted
from phalanx.devices._emulated import beyond_emulation
from phalanx.devices._errors import TooDear
from phalanx.devices._failures import Failures
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import JOB_KEYS, JOBS, Job, JobState, JobWishes, Loss
from phalanx.devices._limits import LOOK_AT_JOBS_S, MAX_EMULATED_QUBITS, MAX_OPEN_JOBS
from phalanx.devices._programs import Program, check_takes
from phalanx.devices._purse import NoPurse, Purse, commit_paid
from phalanx.devices._running import silence_of
from phalanx.devices._sending import both
from phalanx.devices._treating import check_treatable
from phalanx.quantum import ShotResult, features
from phalanx.telemetry import Telemetry

_Name = tuple[TenantId, str]
P = ParamSpec("P")
T = TypeVar("T")


class _Inline:
    """Runs work on the spot, for who has no other place for it."""

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return work(*args, **kwargs)


class Jobs:
    """The jobs of all tenants of a node."""

    def __init__(
        self, store: Store, clock: Clock, ids: IdSource, fleet: Fleet, telemetry: Telemetry,
        chooser: Chooser | None = None, purse: Purse | None = None, audit: AuditSink | None = None,
        offload: Offload | None = None,
    ) -> None:  # fmt: skip
        self._purse = purse or NoPurse()
        self._store, self._clock, self._ids, self._fleet = store, clock, ids, fleet
        self._chooser: Chooser = chooser or FleetChooser(fleet)
        self._ended = telemetry.metrics.counter(
            "phalanx_device_jobs_total", "Jobs that ended, by device and how.", ("device", "state")
        )
        self._log = telemetry.log
        # Bounded where jobs are submitted: what is durable has a place here.
        self._fresh: asyncio.Queue[_Name] = asyncio.Queue()
        self._tasks: dict[_Name, asyncio.Task[None]] = {}
        # Of those who wait, for as long as they do.
        self._bells: WeakValueDictionary[_Name, asyncio.Event] = WeakValueDictionary()
        self.failures = Failures(store, clock)
        self._carrier = Carrier(
            self, fleet, self._chooser, clock, telemetry.log, audit, offload or _Inline(), self.failures
        )

    async def submit(
        self, tenant: TenantId, work: Circuit | Program, *, shots: int, device: str = "", origin: Origin | None = None,
        seed: int | None = None, key: str = "", trace: TraceId = NO_TRACE, wishes: JobWishes | None = None,
        reason: str = "", job_id: str = "", movable: bool = False, mitigate: str = "", coherence: str = "",
        observable: str = "",
    ) -> Job:  # fmt: skip
        """Durable when it returns. The same ``key`` again gives the first job; with another request it is refused.

        Without ``device`` one is chosen that grants the ``wishes``, among those whose results are of ``origin``; one
        that is named has to grant them. What the purse refuses is refused here, with nothing written. ``reason`` says
        why ``device`` was named, if there is more to say; where a policy named it the job is ``movable`` as if it had
        been chosen here. ``job_id`` is one that was drawn for it before. ``mitigate`` and ``coherence`` are what is
        done against noise, where the device is emulated; what that takes is paid for. With an ``observable`` its mean
        is given instead of outcomes.
        """
        asked = wishes or JobWishes()
        check_asked(
            work, asked, shots=shots, seed=seed, key=key, mitigate=mitigate, coherence=coherence, observable=observable
        )
        if key and (known := await self._of_key(tenant, key)) is not None:
            return same_job(known, work, shots, device, seed, (mitigate, coherence, observable))
        if len(self._tasks) + self._fresh.qsize() >= MAX_OPEN_JOBS:
            raise Overloaded("jobs on devices", retry_after_s=1)
        job_id = job_id or self._ids.new()
        origin = origin or origin_of(asked.origin)
        if origin is not None:
            asked = msgspec.structs.replace(asked, origin=origin.value)
        job = Job(
            id=job_id, tenant=tenant, trace=trace, at_ns=self._clock.wall_ns(), device=device,
            circuit=work if isinstance(work, Circuit) else None, program=work if isinstance(work, Program) else None,
            shots=shots, seed=_seed_of(job_id) if seed is None else seed, key=key, wishes=asked,
            pinned=bool(device) and not movable, reason=reason or f"{device} was asked for", mitigate=mitigate,
            coherence=coherence, observable=observable,
        )  # fmt: skip
        try:
            job = await self._committed(await self._placed(job, origin))
        except TooDear as error:
            if device or error.may_cost is None:
                raise
            try:
                job = await self._committed(await self._placed(job, origin, most=error.may_cost))
            except Unavailable:
                raise error from None  # No device does it for what is left.
        if job.id != job_id:
            return same_job(job, work, shots, device, seed, (mitigate, coherence, observable))
        self._fresh.put_nowait((tenant, job.id))
        return job

    async def _committed(self, job: Job) -> Job:
        """Durable and paid for; the job that its key stands for, where there is one already."""
        check_treatable(self._fleet.backend(job.device), job.mitigate, job.coherence, job.observable)
        writes, expect = [_put(job)], [Expect(JOBS, job.tenant, job.id, 0)]
        if job.key:
            writes.append(Put(JOB_KEYS, job.tenant, job.key, job.id.encode()))
            expect.append(Expect(JOB_KEYS, job.tenant, job.key, 0))
        try:
            await commit_paid(self._store, self._purse, job, writes, expect)
        except Conflict:
            known = await self._of_key(job.tenant, job.key)
            if known is None:
                raise
            return known
        return job

    def use_windows(self, windows: Windows) -> None:
        """From now on jobs that have a window get another one there when they move."""
        self._carrier.mover.windows = windows

    def rests(self, job: Job) -> tuple[int, str] | None:
        """Until when it waits, and why, where no device that it may go to works, or its vendor is away and has it."""
        if job.state.final:
            return None
        return self._carrier.resting.of(job.id) or silence_of(job, self._fleet)

    async def known(self, tenant: TenantId, key: str) -> Job | None:
        """The job that ``key`` stands for."""
        return await self._of_key(tenant, key)

    async def get(self, tenant: TenantId, job_id: str) -> Job:
        """Raises ``NotFound``."""
        return (await self.load(tenant, job_id))[0]

    async def newest(self, tenant: TenantId, *, limit: int, before: str = "") -> list[Job]:
        """Newest first, older than the job ``before``."""
        rows = await self._store.scan(JOBS, tenant, after=before, limit=limit, reverse=True)
        return [decode(row.value, Job) for row in rows]

    async def ended(self, tenant: TenantId, job_id: str) -> Job:
        """Wait for its end, in this process or in another one of the same store."""
        while True:
            bell = self._bells.setdefault((tenant, job_id), asyncio.Event())
            job = await self.get(tenant, job_id)
            if job.state.final:
                return job
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AT_JOBS_S):
                    await bell.wait()

    async def result(self, tenant: TenantId, job_id: str) -> ShotResult:
        """Raises ``InvalidInput`` when the job has not completed, saying what it is instead."""
        job = await self.get(tenant, job_id)
        if job.state is not JobState.COMPLETED or job.provenance is None:
            raise InvalidInput("job", f"{job_id} is {job.state.value}" + (f": {job.error}" if job.error else ""))
        return ShotResult(job.counts, job.provenance)

    async def cancel(self, tenant: TenantId, job_id: str) -> Job:
        """The job as it ended: cancelled, unless it had ended before. The vendor is asked to drop what it has.

        Whoever carries it out is stopped first: a vendor that dropped it would be taken for one that failed.
        """
        job = await self.get(tenant, job_id)
        task = self._tasks.get((tenant, job_id))
        try:
            if task is not None and not job.state.final:
                task.cancel()
                await asyncio.wait([task])
            left = self._carrier.left_behind(tenant, job_id)
            while not job.state.final:
                job, version = await self.load(tenant, job_id)
                with contextlib.suppress(Conflict):
                    job = await self._cancelled(job, version, left)
        finally:
            if not job.state.final:
                self._fresh.put_nowait((tenant, job_id))
        return job

    async def _cancelled(self, job: Job, version: int, left: tuple[Loss, ...]) -> Job:
        if job.state.final:
            return job
        lost = both(job.losses, (*await self._carrier.mover.losses(job), *left))
        return await self.end(msgspec.structs.replace(job, losses=lost, sending={}), version, JobState.CANCELLED)

    async def run(self) -> None:
        """Take up what an earlier life left, then what is submitted, until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for name in self._left():
                self._begin(group, name)
            while True:
                self._begin(group, await self._fresh.get())

    async def doubt(self, why: str) -> int:
        """Take it that what is open may have been sent to a vendor since it was written here; before ``run``.

        Returns how many jobs that changed. ``why`` is told with each.
        """
        changed = 0
        async for name in self._left():
            job, version = await self.load(*name)
            kept, state = doubted(job, self._fleet, why, self._clock.wall_ns())
            if state.final:
                await self.end(kept, version, state)
            elif kept != job:
                await self.write(kept, version)
            changed += kept != job
        return changed

    def _begin(self, group: asyncio.TaskGroup, name: _Name) -> None:
        if name not in self._tasks:
            task = self._tasks[name] = group.create_task(self._carrier.carry_out(*name), name=f"job {name[1]}")
            task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def load(self, tenant: TenantId, job_id: str) -> tuple[Job, int]:
        """The job and its version. Raises ``NotFound``."""
        with _as_storage():
            row = await self._store.get(JOBS, tenant, job_id)
        if row is None:
            raise NotFound("job", job_id)
        return decode(row.value, Job), row.version

    async def write(self, job: Job, version: int) -> int:
        """Raises ``Conflict`` when it is not as it was read."""
        expect = [Expect(JOBS, job.tenant, job.id, version)]
        with _as_storage():
            return await commit_paid(self._store, self._purse, job, [_put(job)], expect)

    async def end(self, job: Job, version: int, state: JobState) -> Job:
        """Write how it ended, and tell whoever chooses devices; the job as it ended."""
        job = msgspec.structs.replace(job, state=state, finished_at_ns=self._clock.wall_ns())
        await self.write(job, version)
        if (bell := self._bells.get((job.tenant, job.id))) is not None:
            bell.set()
        self._ended.labels(job.device, state.value).inc()
        try:
            await self._chooser.told(job)
        except Exception as error:  # noqa: BLE001 - the job has ended, whatever is learned from it
            self._log.warning("nothing was learned from a job", job=job.id, error=error)
        return job

    async def reconsider(self, device: str, why: str) -> int:
        """Jobs that wait for ``device`` and were not told to go there are placed anew; returns how many moved.

        Those that wait here, and those that wait at the vendor of ``device`` and have not begun there.
        """
        moved = await self._withdrawn(device, why)
        for name in [name for name, there in self._carrier.waiting.items() if there == device]:
            job, _ = await self.load(*name)
            task = self._tasks.get(name)
            if job.pinned or job.state is not JobState.QUEUED or task is None:
                continue
            try:
                gone = await self._carrier.mover.move(*name, why, {}) and (await self.get(*name)).device != device
            except Conflict:
                continue  # It has just begun.
            if gone:
                task.cancel()
                await asyncio.wait([task])
                self._fresh.put_nowait(name)
                moved += 1
        return moved

    async def _withdrawn(self, device: str, why: str) -> int:
        moved = 0
        for name in [name for name, there in self._carrier.sent.items() if there == device]:
            task = self._tasks.get(name)
            if task is None or not await self._carrier.mover.belongs_elsewhere(await self.get(*name)):
                continue
            # Nobody else carries it out while it is being moved; where it stays it is collected again.
            task.cancel()
            await asyncio.wait([task])
            try:
                moved += await self._carrier.mover.withdraw(*name, why)
            except Conflict:
                self._log.info("job was written by somebody else", job=name[1])
            finally:
                self._fresh.put_nowait(name)
        return moved

    async def _of_key(self, tenant: TenantId, key: str) -> Job | None:
        row = await self._store.get(JOB_KEYS, tenant, key)
        return None if row is None else await self.get(tenant, row.value.decode())

    async def _left(self) -> AsyncIterator[_Name]:
        for tenant in await self._store.tenants(JOBS):
            for state in (JobState.RUNNING, JobState.QUEUED):
                after = ""
                while rows := await self._store.find(JOBS, tenant, "state", state.value, after=after):
                    after = rows[-1].key
                    for row in rows:
                        yield tenant, row.key

    async def _placed(self, job: Job, origin: Origin | None, *, most: float = math.inf) -> Job:
        """At a device that grants what is wished, for ``most`` that may be spent."""
        wish = wish_of(job, self._clock.wall_ns(), origin, {})
        wish = replace(wish, budget=min(wish.budget, most))
        if not job.device:
            chosen = await self._chooser.choose(wish)
            return msgspec.structs.replace(job, device=chosen.device, reason=chosen.reason)
        self._check_named(job)
        # Whoever weighed it against others has looked at the wishes already.
        if job.pinned and (refusal := self._chooser.refusal(job.device, wish)):
            raise InvalidInput("device", f"{job.device} was asked for, but {refusal}")
        return job

    def _check_named(self, job: Job) -> None:
        """The device that was named can take it."""
        wanted = self._fleet.backend(job.device).device
        if job.program is not None:
            check_takes(wanted, job.program, job.shots)
            return
        assert job.circuit is not None, job.id
        if not wanted.features.gates:
            raise InvalidInput("device", f"{job.device} runs no gates: it takes programs of its own kind")
        if job.circuit.n_qubits > wanted.reach:
            if not wanted.status.takes_work:
                raise Unavailable(
                    job.device, f"it is {wanted.status.value}, and is not known to reach so far",
                    hint="submit it again when `phalanx devices list` shows it online",
                )  # fmt: skip
            what = f"connected qubits of {job.device} that work"
            raise LimitExceeded(what, maximum=wanted.reach, seen=job.circuit.n_qubits)
        if beyond_emulation([wanted], job.circuit):
            what = f"qubits of a circuit on {job.device}, which is emulated here"
            raise LimitExceeded(what, maximum=MAX_EMULATED_QUBITS, seen=features(job.circuit).n_active)
        if not 1 <= job.shots <= wanted.max_shots:
            raise LimitExceeded(f"shots of one job on {job.device}", maximum=wanted.max_shots, seen=job.shots)


@contextlib.contextmanager
def _as_storage() -> Iterator[None]:
    """A database that is away is no device that is."""
    try:
        yield
    except Unavailable as error:
        raise StorageError(error.message, hint=error.hint) from error


def _put(job: Job) -> Put:
    return Put(JOBS, job.tenant, job.id, encode(job), {"state": [job.state.value]})


def _seed_of(job_id: str) -> int:
    """Six bytes, so that it is the same number in JSON and in every vendor's SDK."""
    return int.from_bytes(hashlib.blake2b(job_id.encode(), digest_size=6).digest())
