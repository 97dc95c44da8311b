"""Jobs whose later fate nobody here knows, because the node was restored from a backup.

A job that was open when the backup was taken may have been sent, moved, begun a second time and paid since. So what
is at a vendor, or may be, stays at its device alone. What has no handle is marked as on its way: then it is looked for
before anything is sent, and ended where its vendor cannot be asked. What may have gone to any of several vendors is
ended at once, and says where to look.
"""

import msgspec

from phalanx.devices._backend import Backend, QueuedBackend
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job, JobState
from phalanx.devices._sending import key_of, maybe_there


def doubted(job: Job, fleet: Fleet, why: str, now_ns: int) -> tuple[Job, JobState]:
    """The job as it is to be from now on, and its state. Unchanged where no vendor may have been sent it."""
    backend = fleet.backend(job.device) if job.device in fleet else None
    if backend is not None and not isinstance(backend, QueuedBackend):
        return job, job.state
    there = {job.device, job.second} - {""}
    others = [name for name in fleet.names() if name not in there and _at_vendor(fleet.backend(name))]
    sending = dict(job.sending)
    if not job.handle:
        key = job.id if backend is None else key_of(job, backend, second=False)
        sending[key] = job.device
        if others and not job.pinned:
            lost = msgspec.structs.replace(job, sending=sending)
            told = f"{why}, and it may have been sent since: look for {key} at {', '.join((job.device, *others))}"
            ended = msgspec.structs.replace(
                job, sending={}, second="", second_handle="", losses=(*job.losses, *maybe_there(lost, now_ns)),
                error=told,
            )  # fmt: skip
            return ended, JobState.FAILED
    reason = job.reason if why in job.reason else f"{job.reason}; kept there, since {why}"
    return msgspec.structs.replace(job, sending=sending, pinned=True, reason=reason), job.state


def _at_vendor(backend: Backend) -> bool:
    return isinstance(backend, QueuedBackend)
