"""What a workflow is: steps, what each depends on, and each one's input and result."""

import graphlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from phalanx.core import MAX_NAME_CHARS, Circuit, Offload, Provenance, TenantId, TraceId, Waypoint, Write
from phalanx.devices import Fleet
from phalanx.quantum import ShotRunner
from phalanx.workflows._attempts import ONCE, Retry
from phalanx.workflows._errors import InvalidTemplate
from phalanx.workflows._limits import MAX_DEADLINE_S, MAX_STEPS
from phalanx.workflows._placing import PLAIN, Placing
from phalanx.workflows._records import StepKind, StepResult

if TYPE_CHECKING:
    from phalanx.quantum.mitigation import Mean


class MeanRunner(Protocol):
    """Gives the mean of an observable after the gates of a circuit."""

    async def __call__(self, circuit: Circuit, observable: str, /, *, shots: int, seed: int) -> "Mean": ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step may use. ``results`` has the results of the steps that it needs, by name.

    ``seed`` belongs to this step of this run: a step that is repeated after a crash draws the same
    numbers. ``started_ns`` is the wall time at which it began. Inputs and outputs are plain data, keys in
    order, also when the step before it ran a moment ago: a resumed run sees nothing else. They are
    shared with the other steps, so a step changes none of them. ``run_circuit`` places each circuit where it is done
    first among the devices that are as good as the fleet's choice. ``processes`` take
    work that keeps a core busy, off the event loop.

    ``key`` is the same for every attempt at this step of this run: a step that acts outside hands it on, so that who
    is acted on can tell a repetition. ``run_mean`` gives the mean of an observable, mitigated as the step is placed;
    where there is none, nobody mitigates. An ``undo`` is given the step's own result as ``done``, or ``None`` when the
    step began and nobody knows how far it got.
    """

    run: str
    step: str
    tenant: TenantId
    trace: TraceId
    inputs: Mapping[str, Any]
    results: Mapping[str, StepResult]
    seed: int
    started_ns: int
    fleet: Fleet
    run_circuit: ShotRunner
    offload: Offload
    processes: Offload
    key: str
    attempt: int = 1
    done: StepResult | None = None
    run_mean: MeanRunner | None = None


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

    A quantum step declares ``fallback``, the classical answer for when no device can be had. ``undo`` takes back what
    the step did outside, when the run is cancelled; it too may be called again. ``limit_s`` bounds all attempts
    together (0: none), ``least_s`` is what the step takes at the least: a deadline that cannot be met is refused.
    ``gives`` is the type that the output must convert to. ``placing`` is what a quantum step asks of who answers it.

    A ``pure`` step acts on nothing outside: it may begin as soon as what it needs is there, before that is on disk.
    Its own result is kept after theirs, so a crash costs its work again and nothing else. Where all that a pure step
    does is to call one ``function`` of a module, workers can be asked for it under the name of template and step.
    """

    name: str
    kind: StepKind
    run: StepWork
    needs: tuple[str, ...] = ()
    fallback: StepWork | None = None
    undo: StepWork | None = None
    retry: Retry = ONCE
    limit_s: float = 0.0
    least_s: float = 0.0
    gives: Any = None
    pure: bool = False
    function: Callable[..., Any] | None = None
    placing: Placing = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A directed acyclic graph of steps. Raises ``InvalidTemplate``, which names the step.

    ``takes`` is the type that inputs must convert to. ``limit_s`` is how long a run may take when nobody says
    otherwise (0: as long as it needs). ``revision`` tells two templates apart whose steps differ in more than their
    names: a run goes on with the one that it began with.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    takes: Any = None
    limit_s: float = 0.0
    revision: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= MAX_NAME_CHARS:
            raise InvalidTemplate(self.name, "", f"a name has 1 to {MAX_NAME_CHARS} characters")
        if not 1 <= len(self.steps) <= MAX_STEPS:
            raise InvalidTemplate(self.name, "", f"it has {len(self.steps)} steps; 1 to {MAX_STEPS} are allowed")
        if not 0 <= self.limit_s <= MAX_DEADLINE_S:  # also refuses NaN
            reason = f"0 to {MAX_DEADLINE_S:g} are allowed, not {self.limit_s:g}"
            raise InvalidTemplate(self.name, "", reason, field="limit_s")
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
            reason = f"it needs itself: {' needs '.join(around)}"
            raise InvalidTemplate(self.name, around[0], reason, field="needs") from None

    @property
    def shape(self) -> str:
        """A digest of what a half-finished run depends on: the steps, their kinds and their needs."""
        lines = [f"{step.name}\x1f{step.kind.value}\x1f{chr(31).join(step.needs)}" for step in self.steps]
        if self.revision:
            lines.append(self.revision)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def order(self) -> tuple[str, ...]:
        """The steps in an order in which they can be done."""
        return tuple(graphlib.TopologicalSorter({step.name: step.needs for step in self.steps}).static_order())

    def least_s(self) -> tuple[float, tuple[str, ...]]:
        """What a run takes at the least by what its steps declare, and the steps that make it so."""
        by_name = {step.name: step for step in self.steps}
        longest: dict[str, tuple[float, tuple[str, ...]]] = {}
        for name in self.order():
            step = by_name[name]
            before = max((longest[need] for need in step.needs), default=(0.0, ()))
            longest[name] = (before[0] + step.least_s, (*before[1], name))
        return max(longest.values())

    def _check(self, step: Step, names: set[str]) -> None:
        if not 1 <= len(step.name) <= MAX_NAME_CHARS:
            raise InvalidTemplate(self.name, step.name, f"a name has 1 to {MAX_NAME_CHARS} characters")
        for need in step.needs:
            if need not in names:
                raise InvalidTemplate(self.name, step.name, f"it needs {need!r}, which is no step", field="needs")
        if len(set(step.needs)) != len(step.needs):
            raise InvalidTemplate(self.name, step.name, "it needs one step twice", field="needs")
        for field, seconds in (("limit_s", step.limit_s), ("least_s", step.least_s)):
            if not 0 <= seconds <= MAX_DEADLINE_S:  # also refuses NaN
                reason = f"0 to {MAX_DEADLINE_S:g} are allowed, not {seconds:g}"
                raise InvalidTemplate(self.name, step.name, reason, field=field)
        if 0 < step.limit_s < step.least_s:
            reason = f"it takes {step.least_s:g} s at the least and may take {step.limit_s:g}"
            raise InvalidTemplate(self.name, step.name, reason, field="limit_s")
        if step.pure and step.undo is not None:
            raise InvalidTemplate(self.name, step.name, "a pure step acts on nothing and has no undo")
        if step.kind is StepKind.QUANTUM and step.fallback is None:
            raise InvalidTemplate(self.name, step.name, "a quantum step declares a classical fallback")
        if step.kind is StepKind.CLASSICAL and step.fallback is not None:
            raise InvalidTemplate(self.name, step.name, "only a quantum step has a fallback")
        if step.kind is StepKind.CLASSICAL and step.placing != PLAIN:
            raise InvalidTemplate(self.name, step.name, "only a quantum step is placed")
