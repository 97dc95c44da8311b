"""What a run leaves behind, and the services that read it."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar

from phalanx.core import (
    MAX_PAGE_ROWS,
    Assessment,
    Provenance,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.workflows._limits import MAX_STEPS
from phalanx.workflows._windows import CircuitWindow
from phalanx.workflows.workers import PieceDone

CIRCUITS_WAY, FALLBACK_WAY = "circuits", "fallback"

RUNS = Table("runs", sealed=True)
STEP_RESULTS = Table("step-results", indexes=("run",), sealed=True)
ASSESSMENTS = Table("assessments", indexes=("case", "finding", "trace"), sealed=True)


class StepKind(Enum):
    """Where a step's answer comes from."""

    CLASSICAL = "classical"
    QUANTUM = "quantum"


class Run(Record, frozen=True, kw_only=True, tag="run"):
    """A workflow that was begun. All seeds of its steps follow from ``seed``.

    ``shape`` is the template's when it began; a run never goes on with another one.
    """

    template: str
    shape: str
    inputs: dict[str, Any]
    seed: int


class StepResult(Record, frozen=True, kw_only=True, tag="step-result"):
    """What one step of a run gave; kept before any step that needs it begins.

    ``degraded`` says why a quantum step was answered classically, and is empty when it was not. ``windows`` say where
    its circuits were, and why there; ``pieces`` where what keeps a core busy was done. ``way`` says who answered a
    quantum step, its ``circuits`` or its ``fallback``, and ``why`` what decided that, where the step said so or let the
    router decide.
    """

    VERSION: ClassVar[int] = 2
    # What version 2 added has defaults that say "not known".
    UPGRADES: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: dict}

    run: str
    step: str
    step_kind: StepKind
    output: Any
    provenance: tuple[Provenance, ...]
    started_ns: int
    finished_ns: int
    degraded: str = ""
    windows: tuple[CircuitWindow, ...] = ()
    pieces: tuple[PieceDone, ...] = ()
    way: str = ""
    why: str = ""

    @property
    def by_fallback(self) -> bool:
        """Whether the step's classical fallback answered, for whatever reason."""
        return bool(self.degraded) or self.way == FALLBACK_WAY


def step_result_id(run: str, step: str) -> str:
    """The one id that the result of this step of this run can have."""
    return derive_id(id_time_ns(run), "step-result", run, step)


def run_put(run: Run) -> Put:
    return Put(RUNS, run.tenant, run.id, encode(run))


def step_result_put(result: StepResult) -> Put:
    return Put(STEP_RESULTS, result.tenant, result.id, encode(result), {"run": (result.run,)})


def assessment_put(assessment: Assessment) -> Put:
    """For the ``writes`` of the step that assesses."""
    index = {"case": (assessment.case,), "finding": (assessment.finding,), "trace": _traces(assessment)}
    return Put(ASSESSMENTS, assessment.tenant, assessment.id, encode(assessment), index)


def _traces(record: Record) -> tuple[str, ...]:
    return (record.trace,) if record.trace else ()


class Runs:
    """Reads runs and the results of their steps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, tenant: TenantId, run: str) -> Run | None:
        row = await self._store.get(RUNS, tenant, run)
        return None if row is None else decode(row.value, Run)

    async def steps(self, tenant: TenantId, run: str) -> list[StepResult]:
        """What is finished of a run, in the order in which it was."""
        rows = await self._store.find(STEP_RESULTS, tenant, "run", run, limit=MAX_STEPS)
        results = [decode(row.value, StepResult) for row in rows]
        return sorted(results, key=lambda result: (result.finished_ns, result.started_ns, result.step))


class Assessments:
    """Reads assessments, for pages and the API."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, tenant: TenantId, assessment: str) -> Assessment | None:
        row = await self._store.get(ASSESSMENTS, tenant, assessment)
        return None if row is None else decode(row.value, Assessment)

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100, case: str | None = None
    ) -> list[Assessment]:
        """Assessments by id, past ``after``; of one case, or of all."""
        limit = min(limit, MAX_PAGE_ROWS)
        if case is None:
            rows = await self._store.scan(ASSESSMENTS, tenant, after=after, limit=limit)
        else:
            rows = await self._store.find(ASSESSMENTS, tenant, "case", case, after=after, limit=limit)
        return [decode(row.value, Assessment) for row in rows]
