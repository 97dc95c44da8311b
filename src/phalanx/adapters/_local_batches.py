"""Batch jobs on this machine: commands that the settings name, as processes of the lowest priority, a few at a time.

A ``BatchSystem`` as schedulers are. What it knows is in memory: a job that ran when the node stopped was ended with it.
"""

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from phalanx.adapters._limits import BATCH_TAIL_BYTES, MAX_LOCAL_BATCHES
from phalanx.core import InvalidInput, LimitExceeded, NotFound

if TYPE_CHECKING:
    from phalanx.allocation.batches import BatchJob, BatchLoad, BatchState

_GRACE_S = 5.0


class LocalBatches:
    """``commands`` are the executables that may be run, by the words that jobs use. ``slots`` run at once."""

    def __init__(self, commands: tuple[str, ...], slots: int) -> None:
        self._commands, self._turns = frozenset(commands), asyncio.Semaphore(slots)
        self._states: dict[str, BatchState] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ensure(self, job: "BatchJob", /) -> "BatchState":
        """Raises ``InvalidInput`` for a command that no setting allows."""
        from phalanx.allocation.batches import BatchState
        from phalanx.devices import JobState

        if job.name in self._states:
            return self._states[job.name]
        if job.command[0] not in self._commands:
            raise InvalidInput("command", f"{job.command[0]!r} is none that may be run on this machine")
        if len(self._tasks) >= MAX_LOCAL_BATCHES:
            raise LimitExceeded("batch jobs on this machine", maximum=MAX_LOCAL_BATCHES, seen=len(self._tasks) + 1)
        for name in [name for name, one in self._states.items() if one.state.final][:-MAX_LOCAL_BATCHES]:
            del self._states[name]
        made = self._states[job.name] = BatchState(id=job.name, state=JobState.QUEUED)
        task = self._tasks[job.name] = asyncio.create_task(self._carried(job), name=f"batch {job.name}")
        task.add_done_callback(lambda _: self._tasks.pop(job.name, None))
        return made

    async def state(self, name: str, /) -> "BatchState":
        if name not in self._states:
            raise NotFound("batch job", name)
        return self._states[name]

    async def cancel(self, name: str, /) -> None:
        from phalanx.allocation.batches import BatchState
        from phalanx.devices import JobState

        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not self._states[name].state.final:  # It had not begun at all.
                self._states[name] = BatchState(id=name, state=JobState.CANCELLED, reason="cancelled")

    async def load(self) -> "BatchLoad":
        from phalanx.allocation.batches import BatchLoad
        from phalanx.devices import JobState

        states = [one.state for one in self._states.values()]
        return BatchLoad(pending=states.count(JobState.QUEUED), running=states.count(JobState.RUNNING))

    async def close(self) -> None:
        """End what runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _carried(self, job: "BatchJob") -> None:
        from phalanx.allocation.batches import BatchState
        from phalanx.devices import JobState

        def now(state: JobState, reason: str = "", code: int | None = None) -> None:
            self._states[job.name] = BatchState(id=job.name, state=state, reason=reason, exit_code=code)

        try:
            async with self._turns:
                now(JobState.RUNNING)
                code, tail = await _ran(job)
        except asyncio.CancelledError:
            now(JobState.CANCELLED, "cancelled")
            raise
        except TimeoutError:
            now(JobState.FAILED, f"it took longer than {job.limit_s} s")
        except OSError as error:
            now(JobState.FAILED, f"{job.command[0]} cannot be run: {error.strerror or error}")
        else:
            now(JobState.FAILED if code else JobState.COMPLETED, tail if code else "", code)


async def _ran(job: "BatchJob") -> tuple[int, str]:
    """Exit code, and the end of what it said of errors."""
    process = await _begun(job)
    assert process.stderr is not None
    tail = bytearray()
    try:
        async with asyncio.timeout(job.limit_s):
            while piece := await process.stderr.read(4_096):
                tail += piece
                del tail[:-BATCH_TAIL_BYTES]
            return await process.wait(), tail.decode(errors="replace").strip()
    finally:
        if process.returncode is None:
            await _ended(process)


async def _begun(job: "BatchJob") -> "asyncio.subprocess.Process":
    """Whoever is cancelled meanwhile has a process that has begun, and can end it."""
    beginning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            "nice", "-n", "19", "--", *job.command, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True,
            env={"PATH": f"{os.defpath}:/usr/local/bin", **job.environment},
        )
    )  # fmt: skip
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        await _ended(await beginning)
        raise


async def _ended(process: "asyncio.subprocess.Process") -> None:
    """All that it began ends with it: asked first, then made to."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await process.wait()
                return
