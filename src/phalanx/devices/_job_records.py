"""Jobs as they are stored, under the states of QRMI."""

from enum import StrEnum

import msgspec

from phalanx.core import Circuit, Provenance, Record, Table
from phalanx.devices._programs import Program, ProgramKind
from phalanx.devices._treating import Treated, treatment_cost

JOBS = Table("device_jobs", indexes=("state",), sealed=True)
# Which job a key of somebody's choosing stands for: what makes a repeated submission find the first.
JOB_KEYS = Table("device_job_keys", sealed=True)


class JobState(StrEnum):
    """What QRMI calls the states of a task."""

    QUEUED = "Queued"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def final(self) -> bool:
        return self in {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}


class JobWishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a job asks of its device. Zeros: nothing is asked. ``origin`` is the kind of result.

    ``deadline_at_ns`` is when it must be done, waiting included; ``regions`` empty: anywhere. An ``emergency``, like
    what has a deadline, goes only where it is known to go well. ``degrade``: where no device of the kind is left, a
    classical simulator will do. It is not begun before ``not_before_ns``: when its ``window`` opens, if it has one.
    Who is not ``patient`` would rather have it fail than wait for a device to come back.
    """

    origin: str = ""
    fidelity: float = 0.0
    deadline_at_ns: int = 0
    budget: float = 0.0
    regions: tuple[str, ...] = ()
    emergency: bool = False
    degrade: bool = True
    not_before_ns: int = 0
    patient: bool = True
    window: str = ""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Something that changed where a job is. ``kind`` is ``moved``, ``hedged``, ``degraded``, ``yielded``, ``paused``.

    The last two made room for who booked the device: it went elsewhere, or waits where it is.
    """

    at_ns: int
    kind: str
    before: str
    after: str
    why: str


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor was sent and gave no result for. ``charged``: it had begun, or nobody can say that it had not."""

    at_ns: int
    device: str
    handle: str
    charged: bool


class Job(Record, frozen=True, kw_only=True, tag="device-job"):
    """One circuit, or one program of a machine without gates, for one device. ``at_ns`` is when it was submitted.

    ``handle`` is what the vendor calls it, once it has been sent; ``attempts`` how often this or an earlier life of the
    node began it. ``pinned``: somebody named the device. ``counts`` and ``provenance`` are there when it is completed,
    ``used_s`` is the time on the machine that the vendor says it took, where it says so. ``error`` when it failed.
    ``moves`` say where it was before, ``second`` where it is as well, since it takes long; ``losses`` what
    vendors were sent for nothing. ``sending`` are keys under which it was about to be sent, and to which device, while
    it is not known what it is called there. ``mitigate`` and ``coherence`` are what is to be done against noise,
    ``treated`` what was. With an ``observable`` its mean is what is wanted: it is in ``treated``, and ``counts`` stay
    empty.
    """

    device: str
    circuit: Circuit | None = None
    program: Program | None = None
    shots: int
    seed: int
    reason: str
    wishes: JobWishes = JobWishes()
    pinned: bool = False
    moves: tuple[Move, ...] = ()
    second: str = ""
    second_handle: str = ""
    sending: dict[str, str] = msgspec.field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    state: JobState = JobState.QUEUED
    key: str = ""
    handle: str = ""
    attempts: int = 0
    started_at_ns: int = 0
    finished_at_ns: int = 0
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    provenance: Provenance | None = None
    error: str = ""
    used_s: float | None = None
    mitigate: str = ""
    coherence: str = ""
    observable: str = ""
    treated: Treated | None = None

    @property
    def work(self) -> Circuit | Program:
        """What is run."""
        found = self.circuit or self.program
        assert found is not None, self.id
        return found

    @property
    def shots_given(self) -> int:
        """Shots that were done, before what ``times`` says. Of photons counts are only those that were kept."""
        if self.observable or (self.program is not None and self.program.kind is ProgramKind.PHOTONIC):
            return self.shots
        return min(self.shots, sum(self.counts.values()))

    @property
    def times(self) -> int:
        """How many times its shots it takes: circuits that tell how the machine reads are run beside it."""
        return (
            round(treatment_cost(self.mitigate, self.shots, self.observable).shots / self.shots) if self.mitigate else 1
        )
