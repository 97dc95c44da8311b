"""A batch job, and its form for each scheduler. Pure.

Formats: slurmrestd ``v0.0.40`` (``job/submit``), ``sbatch`` with the option ``--qpu`` that QRMI's SPANK plug-in adds,
and Kubernetes ``batch/v1``.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from phalanx.core import InvalidInput
from phalanx.devices import JobState

# What Kubernetes takes as a name (RFC 1123), which suits Slurm too.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESOURCE = re.compile(r"[A-Za-z0-9_.-]+")
LABEL = "phalanx.dev/job"


class BatchJob(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` is its identity. ``qpus`` are QRMI resources used beside ``cpus``; ``image`` is for Kubernetes."""

    name: str
    command: tuple[str, ...]
    image: str = ""
    environment: dict[str, str] = {}
    cpus: int = 1
    memory_mib: int = 512
    limit_s: int = 3_600
    qpus: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidInput("name", f"{self.name!r}: 1 to 63 of a-z, 0-9 and -, neither first nor last a -")
        if not self.command or any("\0" in part for part in self.command):
            raise InvalidInput("command", "a job has one")
        if any(not _VARIABLE.fullmatch(one) or "\0" in value for one, value in self.environment.items()):
            raise InvalidInput("environment", "names are letters, digits and _")
        if min(self.cpus, self.memory_mib, self.limit_s) < 1:
            raise InvalidInput("cpus", "CPUs, memory and time are at least 1")
        if not all(_RESOURCE.fullmatch(one) for one in self.qpus):
            raise InvalidInput("qpus", "a resource is letters, digits, dot, _ and -")


class BatchState(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands. ``id`` is what the scheduler calls it; ``exit_code`` is there when it has ended and is known."""

    id: str
    state: JobState
    reason: str = ""
    exit_code: int | None = None


class BatchLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs of anybody wait and run at a scheduler, as far as it shows them."""

    pending: int = 0
    running: int = 0


class BatchSystem(Protocol):
    """A scheduler. All raise ``Unavailable`` when it cannot be asked, and ``ensure`` may then be asked again."""

    async def ensure(self, job: BatchJob, /) -> BatchState:
        """Have it run, once. The same name again is the same job."""
        ...

    async def state(self, name: str, /) -> BatchState:
        """Raises ``NotFound``."""
        ...

    async def cancel(self, name: str, /) -> None:
        """Nothing happens where it has ended, or never was."""
        ...

    async def load(self) -> BatchLoad:
        """What goes on there now."""
        ...


def kubernetes_job(job: BatchJob) -> dict[str, Any]:
    """The manifest. It is tried once: who wants another try takes another name. QPUs are told by environment."""
    if not job.image:
        raise InvalidInput("image", "a job on Kubernetes needs one")
    told = {**job.environment, **({"QRMI_RESOURCES": ",".join(job.qpus)} if job.qpus else {})}
    takes = {"cpu": str(job.cpus), "memory": f"{job.memory_mib}Mi"}
    container = {
        "name": "job", "image": job.image, "command": list(job.command),
        "env": [{"name": name, "value": value} for name, value in sorted(told.items())],
        "resources": {"requests": takes, "limits": takes},
    }  # fmt: skip
    labels = {LABEL: job.name}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job.name, "labels": labels},
        "spec": {
            "backoffLimit": 0, "activeDeadlineSeconds": job.limit_s,
            "template": {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }  # fmt: skip


def kubernetes_state(found: Mapping[str, Any]) -> BatchState:
    """From a ``batch/v1`` Job as the API server tells it."""
    status = found.get("status") or {}
    name = str(found["metadata"]["name"])
    for condition in status.get("conditions") or ():
        if condition.get("status") != "True":
            continue
        why = str(condition.get("reason") or condition.get("message") or "")
        if condition["type"] == "Complete":
            return BatchState(id=name, state=JobState.COMPLETED, exit_code=0)
        if condition["type"] == "Failed":
            return BatchState(id=name, state=JobState.FAILED, reason=why)
    if found["metadata"].get("deletionTimestamp"):
        return BatchState(id=name, state=JobState.CANCELLED)
    return BatchState(id=name, state=JobState.RUNNING if status.get("active") else JobState.QUEUED)


def sbatch_script(job: BatchJob) -> str:
    """For ``sbatch``: the options are in the script, those of QRMI's plug-in among them."""
    options = [
        f"--job-name={job.name}", f"--comment={LABEL}={job.name}", "--dependency=singleton",
        f"--cpus-per-task={job.cpus}", f"--mem={job.memory_mib}M", f"--time={-(-job.limit_s // 60)}",
    ]  # fmt: skip
    if job.qpus:
        options.append(f"--qpu={','.join(job.qpus)}")
    lines = ["#!/bin/sh", *(f"#SBATCH {option}" for option in options), _script(job)]
    return "\n".join(lines)


def slurm_request(job: BatchJob) -> dict[str, Any]:
    """The body of ``job/submit``. QPUs need ``sbatch``: slurmrestd reads no options of plug-ins."""
    if job.qpus:
        raise InvalidInput("qpus", "slurmrestd takes no options of SPANK plug-ins: submit it through sbatch")
    return {
        "script": f"#!/bin/sh\n{_script(job)}",
        "job": {
            "name": job.name, "comment": f"{LABEL}={job.name}", "dependency": "singleton",
            "cpus_per_task": job.cpus, "memory_per_node": {"number": job.memory_mib, "set": True, "infinite": False},
            "time_limit": {"number": -(-job.limit_s // 60), "set": True, "infinite": False},
            "environment": ["PATH=/usr/local/bin:/usr/bin:/bin"], "current_working_directory": "/tmp",  # noqa: S108
        },
    }  # fmt: skip


def _script(job: BatchJob) -> str:
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(job.environment.items())]
    return "\n".join([*exports, f"exec {shlex.join(job.command)}", ""])


_SLURM = {
    "PENDING": JobState.QUEUED, "CONFIGURING": JobState.QUEUED, "REQUEUED": JobState.QUEUED,
    "SUSPENDED": JobState.QUEUED, "RUNNING": JobState.RUNNING, "COMPLETING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING, "COMPLETED": JobState.COMPLETED, "CANCELLED": JobState.CANCELLED,
}  # fmt: skip


def slurm_state(found: Mapping[str, Any]) -> BatchState:
    """From an entry of ``jobs``, the controller's or accounting's; states that are none of these are failures."""
    states = found.get("job_state") or (found.get("state") or {}).get("current") or ["PENDING"]
    word = str(states[0] if isinstance(states, list) else states).split()[0]
    state = _SLURM.get(word, JobState.FAILED)
    code = ((found.get("exit_code") or {}).get("return_code") or {}).get("number") if state.final else None
    return BatchState(
        id=str(found["job_id"]), state=state, exit_code=code,
        reason=word if state is JobState.FAILED else "",
    )  # fmt: skip


def load_of(states: Iterable[BatchState]) -> BatchLoad:
    """Jobs as a listing has them, counted."""
    found = [one.state for one in states]
    return BatchLoad(pending=found.count(JobState.QUEUED), running=found.count(JobState.RUNNING))
