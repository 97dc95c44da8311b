"""A job on its way to a vendor and back: what is recorded about it, and what can be lost.

Invariants: every change of a job under way goes through ``LiveJob.write``, one at a time and under the version that
was read. If a vendor may not be able to say later whether it has a job, the intention to send it is durable before
anything leaves; the vendor's name for it is durable as soon as it is known. So a node that dies in between finds
the mark when it is back, and asks, or says that the job may be there: nothing is sent twice.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from phalanx.core import Clock, PhalanxError, StorageError
from phalanx.devices._backend import Backend, Mark, MarkedBackend, QueuedBackend, Stage, StagedBackend
from phalanx.devices._errors import LeftSending, MaybeSent, SentBefore
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job, Loss

Write = Callable[[Job, int], Awaitable[int]]


class LiveJob:
    """A job that is being carried out, as it is in the store."""

    def __init__(self, job: Job, version: int, write: Write, clock: Clock) -> None:
        self.job, self._version, self._write, self._clock = job, version, write, clock
        self._turn = asyncio.Lock()
        # What may be at a vendor, and is in the store at most as a mark: of who was stopped while sending, say.
        self.left: tuple[Loss, ...] = ()

    @property
    def version(self) -> int:
        return self._version

    async def write(self, **changes: Any) -> Job:
        """Raises ``Conflict`` when somebody else has written it meanwhile."""
        async with self._turn:
            made = msgspec.structs.replace(self.job, **changes)
            self._version = await self._write(made, self._version)
            self.job = made
        return made

    async def sent(self, submit: Callable[[str], Awaitable[str]], backend: Backend, *, second: bool) -> str:
        """What the vendor calls it; noted, as soon as it is known, and not asked for again then.

        What nobody can say is not there counts as lost, and as charged for.
        """
        name = "second_handle" if second else "handle"
        handle: str = getattr(self.job, name)
        if handle:
            return handle
        device, key = backend.device.name, key_of(self.job, backend, second=second)
        before, marked = key in self.job.sending, False

        async def mark() -> None:
            nonlocal marked
            if key not in self.job.sending:
                await self.write(sending={**self.job.sending, key: device})
            marked = True

        try:
            with _marking(backend, key, mark, before=before):
                handle = await submit(key)
        except MaybeSent as error:
            await self._lost_for_good(device, key)
            if before:
                raise SentBefore(device, key) from error
            raise
        except asyncio.CancelledError as left:
            if not (marked or isinstance(left, LeftSending)):
                raise
            # An attempt that begins anew asks under the same key what became of it.
            self._left_behind(device, key)
            raise asyncio.CancelledError from left
        except StorageError:
            raise
        except Exception:
            if marked:
                # It was not taken: nothing is there to be looked for.
                await self.write(sending=self._sending_but(key))
            raise
        await self.write(**{name: handle, "sending": self._sending_but(key)})
        return handle

    async def _lost_for_good(self, device: str, key: str) -> None:
        """It may be at a vendor that nobody can ask. Written at once, where the purse has something for what comes."""
        try:
            await self.write(losses=(*self.job.losses, self._loss(device, key)), sending=self._sending_but(key))
        except StorageError:
            raise
        except PhalanxError:
            self._left_behind(device, key)

    def _left_behind(self, device: str, key: str) -> None:
        """Of what is not waited for any more, with what is written next."""
        lost = self._loss(device, key)
        self.left = (*self.left, lost)
        self.job = msgspec.structs.replace(self.job, losses=(*self.job.losses, lost), sending=self._sending_but(key))

    def _sending_but(self, key: str) -> dict[str, str]:
        return {one: device for one, device in self.job.sending.items() if one != key}

    def _loss(self, device: str, key: str) -> Loss:
        return Loss(at_ns=self._clock.wall_ns(), device=device, handle=key, charged=True)


def _marking(backend: Backend, key: str, mark: Mark, *, before: bool) -> contextlib.AbstractContextManager[None]:
    if isinstance(backend, MarkedBackend):
        return backend.marking(key, mark, before=before)
    return contextlib.nullcontext()


def key_of(job: Job, backend: Backend, *, second: bool) -> str:
    """What a vendor keeps an attempt under. Every attempt is another job to a vendor.

    Most look for a key among the jobs of all their machines: one more machine, a second attempt, or one more after an
    attempt there came to nothing would find what another machine was sent. What is on its way keeps its key.
    """
    device = backend.device.name
    for key, there in job.sending.items():
        if there == device:
            return key
    kinds = [move.kind for move in job.moves]
    place = kinds.count("hedged") if second else 1 + sum(kind not in {"hedged", "paused"} for kind in kinds)
    lost = sum(one.device == device for one in job.losses)
    at = ("-second" if second else "") + (f"-at-{place}" if place > 1 else "")
    return job.id + at + (f"-{lost + 1}" if lost else "")


async def losses_of(job: Job, fleet: Fleet, now_ns: int, *, but: str = "") -> tuple[Loss, ...]:
    """Ask vendors to drop what they have of a job, except one that gave its result; what that comes to."""
    sent = [(job.device, job.handle), *([(job.second, job.second_handle)] if job.second else [])]
    found = [await let_go(fleet, device, handle, now_ns) for device, handle in sent if device != but]
    return (*(one for one in found if one is not None), *maybe_there(job, now_ns, but=but))


def maybe_there(job: Job, now_ns: int, *, but: str = "") -> tuple[Loss, ...]:
    """What was about to be sent when it was last heard of: nobody can say that it was not begun."""
    return tuple(
        Loss(at_ns=now_ns, device=device, handle=key, charged=True)
        for key, device in job.sending.items()
        if device != but
    )


def sending_to(job: Job) -> dict[str, str]:
    """What of it was about to be sent to the device where it is first."""
    return {key: device for key, device in job.sending.items() if device == job.device}


def both(losses: tuple[Loss, ...], more: tuple[Loss, ...]) -> tuple[Loss, ...]:
    """Each once, by what it is called."""
    named: Mapping[tuple[str, str], Loss] = {(one.device, one.handle): one for one in (*losses, *more)}
    return tuple(named.values())


def without_handles(job: Job, losses: tuple[Loss, ...]) -> Job:
    """Nothing of it is at a vendor any more, nor on its way there."""
    return msgspec.structs.replace(
        job, handle="", second="", second_handle="", losses=both(job.losses, losses), sending={}
    )


async def let_go(fleet: Fleet, device: str, handle: str, now_ns: int) -> Loss | None:
    """Ask a vendor to drop what nobody wants any more; what that was, and whether it is charged for.

    A vendor that cannot drop it, or is none of this node's now, is left alone. Only one that says that it never ran it
    charges nothing.
    """
    if not handle:
        return None
    if device not in fleet:
        return Loss(at_ns=now_ns, device=device, handle=handle, charged=True)
    backend = fleet.backend(device)
    if not isinstance(backend, QueuedBackend):
        return None
    before = after = await stage_of(backend, handle)
    if before not in {Stage.DONE, Stage.NOTHING}:
        with contextlib.suppress(Exception):
            await backend.recall(handle)
        after = await stage_of(backend, handle)
    charged = before in {Stage.RUNNING, Stage.DONE} or after is not Stage.NOTHING
    return Loss(at_ns=now_ns, device=device, handle=handle, charged=charged)


async def stage_of(backend: Backend, handle: str) -> Stage | None:
    """Where a job stands at its vendor; ``None`` where nobody says."""
    if not isinstance(backend, StagedBackend):
        return None
    try:
        return await backend.stage(handle)
    except Exception:  # noqa: BLE001 - a vendor's code may fail in any way, and what it has is then not known
        return None
