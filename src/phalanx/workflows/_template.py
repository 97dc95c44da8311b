"""What a workflow is: steps, what each needs, and what each is given and gives back."""

import graphlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from phalanx.core import MAX_NAME_CHARS, Offload, Provenance, TenantId, TraceId, Waypoint, Write
from phalanx.devices import Fleet
from phalanx.quantum import ShotRunner
from phalanx.workflows._errors import InvalidTemplate
from phalanx.workflows._limits import MAX_STEPS

if TYPE_CHECKING:
    from phalanx.workflows._records import StepResult


class StepKind(Enum):
    """Where a step's answer comes from."""

    CLASSICAL = "classical"
    QUANTUM = "quantum"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step may use. ``results`` has the results of the steps that it needs, by name.

    ``seed`` belongs to this step of this run: a step that is repeated after a crash draws the same
    numbers. ``started_ns`` is the wall time at which it began. Inputs and outputs are plain data, keys in
    order, also when the step before it ran a moment ago: a resumed run sees nothing else. They are
    shared with the other steps, so a step changes none of them. ``run_circuit`` places each circuit where it is done
    first among the devices that are as good as the fleet's choice.
    """

    run: str
    step: str
    tenant: TenantId
    trace: TraceId
    inputs: Mapping[str, Any]
    results: Mapping[str, "StepResult"]
    seed: int
    started_ns: int
    fleet: Fleet
    run_circuit: ShotRunner
    offload: Offload


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """What a step found, and what is to be kept with it.

    ``writes`` and ``waypoints`` are committed together with the result, so they happen exactly once.
    A quantum step gives ``provenance``. A step that has nothing of the kind to add returns its bare value.
    """

    value: Any
    provenance: tuple[Provenance, ...] = ()
    writes: tuple[Write, ...] = ()
    waypoints: tuple[Waypoint, ...] = ()


StepWork = Callable[[StepContext], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One piece of work. ``run`` may be called again if the process dies before its result is kept.

    A quantum step declares ``fallback``, the classical answer for when no device can be had.
    """

    name: str
    kind: StepKind
    run: StepWork
    needs: tuple[str, ...] = ()
    fallback: StepWork | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A directed acyclic graph of steps. Raises ``InvalidTemplate``, which names the step."""

    name: str
    title: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= MAX_NAME_CHARS:
            raise InvalidTemplate(self.name, "", f"a name has 1 to {MAX_NAME_CHARS} characters")
        if not 1 <= len(self.steps) <= MAX_STEPS:
            raise InvalidTemplate(self.name, "", f"it has {len(self.steps)} steps; 1 to {MAX_STEPS} are allowed")
        names = {step.name for step in self.steps}
        seen: set[str] = set()
        for step in self.steps:
            if step.name in seen:
                raise InvalidTemplate(self.name, step.name, "another step has the same name")
            seen.add(step.name)
            self._check(step, names)
        try:
            graphlib.TopologicalSorter({step.name: step.needs for step in self.steps}).prepare()
        except graphlib.CycleError as error:
            around = error.args[1][::-1]  # graphlib tells a cycle from need to needer
            raise InvalidTemplate(self.name, around[0], f"it needs itself: {' needs '.join(around)}") from None

    @property
    def shape(self) -> str:
        """A digest of what a half-finished run depends on: the steps, their kinds and their needs."""
        lines = [f"{step.name}\x1f{step.kind.value}\x1f{chr(31).join(step.needs)}" for step in self.steps]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _check(self, step: Step, names: set[str]) -> None:
        if not 1 <= len(step.name) <= MAX_NAME_CHARS:
            raise InvalidTemplate(self.name, step.name, f"a name has 1 to {MAX_NAME_CHARS} characters")
        for need in step.needs:
            if need not in names:
                raise InvalidTemplate(self.name, step.name, f"it needs {need!r}, which is no step")
        if len(set(step.needs)) != len(step.needs):
            raise InvalidTemplate(self.name, step.name, "it needs one step twice")
        if step.kind is StepKind.QUANTUM and step.fallback is None:
            raise InvalidTemplate(self.name, step.name, "a quantum step declares a classical fallback")
        if step.kind is StepKind.CLASSICAL and step.fallback is not None:
            raise InvalidTemplate(self.name, step.name, "only a quantum step has a fallback")
