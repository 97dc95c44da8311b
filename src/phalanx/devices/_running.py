"""One attempt at a job: at its device, and at a second one if the first takes longer than it should.

Invariants: every change of a job goes through ``LiveJob.write``, so that two attempts, a cancellation or another
life of the node never both decide. Of two attempts the first result counts; the other is dropped, and its vendor is
asked to drop it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from phalanx.core import NS_PER_S, Clock, Offload, Origin, Overloaded
from phalanx.devices._backend import AskedBackend, Backend, QueuedBackend
from phalanx.devices._choosing import Chooser
from phalanx.devices._errors import VendorAway
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job
from phalanx.devices._limits import JOB_WAIT_S, MAX_JOB_MOVES, MAX_JOB_WAITS, NAMED_WAIT_S, TRIAL_LOOK_S, TRIAL_LOOKS
from phalanx.devices._programs import ProgramKind, QueuedAnalog, QueuedAnnealer, QueuedPhotonic, perform, with_best
from phalanx.devices._sending import LiveJob
from phalanx.devices._treating import TreatingBackend, check_treatable
from phalanx.quantum import ShotResult

_P_contra = TypeVar("_P_contra", contravariant=True)


class Resting:
    """Jobs that no device takes just now: until when, and why."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._of = clock, dict[str, tuple[int, str]]()

    def of(self, job_id: str) -> tuple[int, str] | None:
        return self._of.get(job_id)

    def pause_s(self, job: Job, error: Exception, waits: int, since_ns: int) -> float:
        """How long it waits for a device to come back, after so many waits since then; 0 where it does not, or no more.

        One that was sent to a device by name waits for its vendor alone, until its deadline or for a bounded time.
        """
        if not job.wishes.patient:
            return 0.0
        pause_s = JOB_WAIT_S * 2.0 ** min(waits, MAX_JOB_WAITS - 1)
        if not job.pinned:
            return pause_s if waits < MAX_JOB_WAITS else 0.0
        if job.handle or not isinstance(error, VendorAway | Overloaded):
            return 0.0
        end_ns = job.wishes.deadline_at_ns or since_ns + round(NAMED_WAIT_S * NS_PER_S)
        return min(pause_s, max(0.0, (end_ns - self._clock.wall_ns()) / NS_PER_S))

    async def behind_a_trial(self, job: Job, chooser: Chooser) -> None:
        """While another run tries whether the device works again: what waits goes after it, and not beside it.

        A trial that has not failed for so long may be in a vendor's queue: then the others need not wait for its end.
        """
        for _ in range(TRIAL_LOOKS):
            if job.handle or job.pinned or chooser.held_s(job.device) != 0.0:
                return
            await self.rest(job, TRIAL_LOOK_S, "it failed, and one run tries it first")

    async def rest(self, job: Job, wait_s: float, failed: str) -> None:
        """For so long. ``failed`` is what came of it last."""
        why = "no device that fits works now"
        if job.pinned:
            why = f"{job.device} is away, and it was sent there by name"
        elif changes_of(job, yielded=False) >= MAX_JOB_MOVES:
            why = f"{job.device} does not work now, and it may move no more than {MAX_JOB_MOVES} times"
        self._of[job.id] = self._clock.wall_ns() + round(wait_s * NS_PER_S), f"{why} ({failed})"
        try:
            await self._clock.sleep(wait_s)
        finally:
            del self._of[job.id]


def silence_of(job: Job, fleet: Fleet) -> tuple[int, str] | None:
    """Until when the vendor that has it is asked on, and what it says, where it does not say how the job is."""
    if not job.handle or job.device not in fleet:
        return None
    backend = fleet.backend(job.device)
    silence = backend.silence if isinstance(backend, AskedBackend) else None
    if silence is None:
        return None
    return silence.until_ns, f"{job.device} has it, and does not say how it is ({silence.why})"


def changes_of(job: Job, *, yielded: bool) -> int:
    """Changes of where it is: those that made room for who booked, or the others."""
    return sum((move.kind in {"yielded", "paused"}) is yielded for move in job.moves)


async def on_device(backend: Backend, live: LiveJob, offload: Offload, *, second: bool) -> ShotResult:
    """Run it there; what was sent to a vendor is collected, not sent again."""
    job = live.job
    if job.program is not None:
        if job.program.kind is ProgramKind.ANALOG and isinstance(backend, QueuedAnalog):
            return await _at_vendor(backend, job.program.analog, live, offload, second=second)
        if job.program.kind is ProgramKind.PHOTONIC and isinstance(backend, QueuedPhotonic):
            return await _at_vendor(backend, job.program.photonic, live, offload, second=second)
        if job.program.kind is ProgramKind.ISING and isinstance(backend, QueuedAnnealer):
            return await _at_vendor(backend, job.program.ising, live, offload, second=second)
        return await perform(backend, job.program, shots=job.shots, seed=job.seed, offload=offload)
    assert job.circuit is not None, job.id
    # A job that was degraded to a simulator finds no noise there to be treated; a mean is worked out by who treats.
    if job.observable or ((job.mitigate or job.coherence) and backend.device.origin is not Origin.SIMULATED):
        check_treatable(backend, job.mitigate, job.coherence, job.observable)
        assert isinstance(backend, TreatingBackend), backend
        return await backend.run_treated(
            job.circuit, shots=job.shots, seed=job.seed, mitigate=job.mitigate, coherence=job.coherence,
            observable=job.observable,
        )  # fmt: skip
    if not isinstance(backend, QueuedBackend):
        return await backend.run(job.circuit, shots=job.shots, seed=job.seed)
    circuit = job.circuit
    handle = await live.sent(
        lambda key: backend.submit(circuit, shots=job.shots, seed=job.seed, key=key), backend, second=second
    )
    return await backend.collect(handle, circuit, shots=job.shots, seed=job.seed)


class _Queued(Backend, Protocol[_P_contra]):
    """A machine at a vendor that takes one kind of program."""

    async def submit_program(self, program: _P_contra, /, *, shots: int, seed: int, key: str) -> str: ...

    async def collect_program(self, handle: str, program: _P_contra, /, *, shots: int, seed: int) -> ShotResult: ...


async def _at_vendor(
    backend: _Queued[_P_contra], asked: _P_contra, live: LiveJob, offload: Offload, *, second: bool
) -> ShotResult:
    """As with circuits: the handle is durable before the result is waited for."""
    job = live.job
    assert job.program is not None, job.id
    handle = await live.sent(
        lambda key: backend.submit_program(asked, shots=job.shots, seed=job.seed, key=key), backend, second=second
    )
    result = await backend.collect_program(handle, asked, shots=job.shots, seed=job.seed)
    return await with_best(backend.device, job.program, result, offload)


async def first_of(
    attempts: dict[str, asyncio.Task[ShotResult]], failed: dict[str, Exception],
    hurry: Callable[[], Awaitable[tuple[str, asyncio.Task[ShotResult]] | None]], patience_s: float,
    sleep: Callable[[float], Awaitable[None]],
) -> tuple[str, ShotResult]:  # fmt: skip
    """The first result and the device it is from. After ``patience_s`` ``hurry`` may begin a second attempt.

    ``failed`` is told what each device said that failed. When all did, what the first of ``attempts`` said is raised.
    """
    task: asyncio.Task[ShotResult]
    waiting: set[asyncio.Future[Any]] = set(attempts.values())
    bell = asyncio.ensure_future(sleep(patience_s)) if patience_s < float("inf") else None
    if bell is not None:
        waiting.add(bell)
    first = next(iter(attempts))
    try:
        while any(task in waiting for task in attempts.values()):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for device, task in attempts.items():
                if task in done:
                    error = task.exception()
                    if error is None:
                        return device, task.result()
                    assert isinstance(error, Exception), error
                    failed[device] = error
            if bell in done:
                more = await hurry()
                if more is not None:
                    attempts[more[0]] = more[1]
                    waiting.add(more[1])
        raise failed[first]
    finally:
        every: list[asyncio.Future[Any]] = [*attempts.values(), *([bell] if bell is not None else [])]
        left = [one for one in every if not one.done()]
        for one in left:
            one.cancel()
        if left:
            await asyncio.wait(left)
        for task in attempts.values():
            # Looked at, so that nobody complains of what ended beside the first result.
            if not task.cancelled():
                task.exception()
