"""When a step is tried again, and the record of every attempt that matters.

An attempt is recorded when it failed and another will follow, so that a resumed run continues the count. A step
that can be undone is recorded before it acts: after a crash nobody else knows that it may have acted.
"""

from dataclasses import dataclass
from enum import Enum

from phalanx.core import (
    MAX_PAGE_ROWS,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Put,
    Record,
    Rng,
    Store,
    Table,
    TenantId,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.workflows._limits import MAX_ATTEMPTS, MAX_BACK_OFF_S, MAX_STEPS

# What is wrong with these stays wrong however often it is tried.
HOPELESS = (InvalidInput, LimitExceeded, NotFound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a step is tried, and how long it is waited in between.

    The wait before attempt n + 1 is ``first_s * factor ** (n - 1)``, at most ``most_s``, less a random part of up to
    ``jitter`` of it. ``attempt_s`` is how long one attempt may take; 0 for no limit.
    """

    attempts: int = 1
    first_s: float = 0.2
    factor: float = 2.0
    most_s: float = 30.0
    jitter: float = 0.5
    attempt_s: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= MAX_ATTEMPTS:
            raise InvalidInput("attempts", f"1 to {MAX_ATTEMPTS} are allowed, not {self.attempts}")
        for name, low, high in (
            ("first_s", 0.0, MAX_BACK_OFF_S),
            ("factor", 1.0, 10.0),
            ("most_s", 0.0, MAX_BACK_OFF_S),
            ("jitter", 0.0, 1.0),
            ("attempt_s", 0.0, MAX_BACK_OFF_S),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidInput(name, f"{low:g} to {high:g} are allowed, not {value:g}")

    def wait_s(self, failed: int, rng: Rng) -> float:
        """How long to wait after the ``failed``-th attempt."""
        longest = min(self.most_s, self.first_s * self.factor ** (failed - 1))
        return longest * (1.0 - self.jitter * rng.random())


ONCE = Retry()


class Work(Enum):
    """What was attempted."""

    RUN = "run"
    UNDO = "undo"


class StepAttempt(Record, frozen=True, kw_only=True, tag="step-attempt"):
    """One attempt at a step. ``ended_ns`` is 0 and ``reason`` empty while nobody knows how it ended."""

    run: str
    step: str
    work: Work
    number: int
    started_ns: int
    ended_ns: int = 0
    reason: str = ""


class StepUndo(Record, frozen=True, kw_only=True, tag="step-undo"):
    """A step was undone; ``number`` counts them in the order in which they were."""

    run: str
    step: str
    number: int
    output: object
    started_ns: int
    finished_ns: int


STEP_ATTEMPTS = Table("step-attempts", indexes=("run",), sealed=True)
STEP_UNDOS = Table("step-undos", indexes=("run",), sealed=True)


def attempt_id(run: str, step: str, work: Work, number: int) -> str:
    return derive_id(id_time_ns(run), "step-attempt", run, step, work.value, str(number))


def undo_id(run: str, step: str) -> str:
    """The one id that the undoing of this step of this run can have."""
    return derive_id(id_time_ns(run), "step-undo", run, step)


def effect_key(run: str, step: str) -> str:
    """The same for every attempt at this step of this run, and for nothing else."""
    return derive_id(id_time_ns(run), "effect", run, step)


def attempt_put(attempt: StepAttempt) -> Put:
    return Put(STEP_ATTEMPTS, attempt.tenant, attempt.id, encode(attempt), {"run": (attempt.run,)})


def undo_put(undo: StepUndo) -> Put:
    return Put(STEP_UNDOS, undo.tenant, undo.id, encode(undo), {"run": (undo.run,)})


async def attempts_of(store: Store, tenant: TenantId, run: str) -> list[StepAttempt]:
    """What was noted of attempts, in the order in which they began."""
    found: list[StepAttempt] = []
    after = ""
    while True:
        rows = await store.find(STEP_ATTEMPTS, tenant, "run", run, after=after)
        found += [decode(row.value, StepAttempt) for row in rows]
        if len(rows) < MAX_PAGE_ROWS:
            break
        after = rows[-1].key
    return sorted(found, key=lambda one: (one.started_ns, one.step, one.number))


async def undos_of(store: Store, tenant: TenantId, run: str) -> list[StepUndo]:
    """What was undone, in the order in which it was."""
    rows = await store.find(STEP_UNDOS, tenant, "run", run, limit=MAX_STEPS)
    return sorted((decode(row.value, StepUndo) for row in rows), key=lambda one: one.number)
