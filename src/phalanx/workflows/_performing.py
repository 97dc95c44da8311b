"""One step: its attempts with waits between them, its limits, its classical fallback, and what it may return."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from phalanx.allocation.money import OverBudget
from phalanx.core import NS_PER_S, Clock, InvalidInput, LimitExceeded, Offload, Rng, Store, Unavailable
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.workflows._attempts import HOPELESS, StepAttempt, Work, attempt_id, attempt_put, effect_key
from phalanx.workflows._circuits import Circuits
from phalanx.workflows._desk import RoutedClassically
from phalanx.workflows._errors import StepFailed, Taken
from phalanx.workflows._keeping import Keeper
from phalanx.workflows._learned import StepTimes
from phalanx.workflows._limits import MAX_EXTRA_WRITES, MAX_OUTPUT_BYTES, MAX_REASON_CHARS, MAX_WINDOWS
from phalanx.workflows._placing import Mode
from phalanx.workflows._records import CIRCUITS_WAY, FALLBACK_WAY, Run, StepKind, StepResult
from phalanx.workflows._stays import Circumstances
from phalanx.workflows._step_circuits import StepCircuits
from phalanx.workflows._template import Step, StepContext, StepOutput, StepWork
from phalanx.workflows._turns import Turns
from phalanx.workflows._underway import Underway
from phalanx.workflows._windows import CircuitWindow
from phalanx.workflows.workers import Crew, PieceDone, StepPieces

SEED_BITS = 63
# Trying again changes nothing about these.
_FINAL = (*HOPELESS, OverBudget, RoutedClassically)
_FIELD = re.compile(r" - at `\$\.?(.*?)`$")

_packed = msgspec.msgpack.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every run of one engine shares. ``turns`` bound the steps of each kind that work at the same time; ``times``
    are what they take; the ``crew``, where there is one, spreads what steps have done in ``processes``.
    """

    store: Store
    clock: Clock
    telemetry: Telemetry
    fleet: Fleet
    circuits: Circuits
    offload: Offload
    processes: Offload
    crew: Crew | None
    times: StepTimes
    turns: dict[StepKind, Turns]


@dataclass(slots=True)
class Performed:
    """What a step gave, why it was answered classically if it should not have been, when it began and ended."""

    output: StepOutput
    degraded: str
    started_ns: int
    finished_ns: int
    windows: tuple[CircuitWindow, ...] = ()
    pieces: tuple[PieceDone, ...] = ()
    way: str = ""
    why: str = ""


class Performer:
    """Performs the steps of one run."""

    def __init__(self, around: Surroundings, run: Run, keeper: Keeper, attempts: Sequence[StepAttempt]) -> None:
        self._around = around
        self._run = run
        self._keeper = keeper
        self._log = around.telemetry.log.bind(room="workflows", run=run.id, trace=run.trace)
        self.rest_s: Callable[[str], float] = _none_known
        self._at_ns = run.at_ns - 1
        self._last: dict[tuple[str, Work], int] = {}
        self._failed: dict[tuple[str, Work], int] = {}
        self._runners: dict[str, StepCircuits] = {}
        self._at_work: dict[str, Underway] = {}
        for one in attempts:
            key = one.step, one.work
            self._last[key] = max(self._last.get(key, 0), one.number)
            if one.ended_ns and one.started_ns >= keeper.state.queued_ns:
                self._failed[key] = self._failed.get(key, 0) + 1

    async def perform(self, step: Step, results: dict[str, StepResult]) -> Performed:
        """Run the step, as often as its policy says. Raises ``StepFailed``."""
        self._at_work[step.name] = Underway(ready_ns=self._around.clock.wall_ns())
        try:
            return await self._performed(step, results)
        finally:
            del self._at_work[step.name]

    def underway(self) -> dict[str, Underway]:
        """What each step that is not done does now."""
        return {
            name: replace(one, circuits=tuple(each.now() for each in self._runners[name].open.values()))
            if name in self._runners
            else one
            for name, one in self._at_work.items()
        }

    async def _performed(self, step: Step, results: dict[str, StepResult]) -> Performed:
        needed = {need: results[need] for need in step.needs}
        if step.kind is StepKind.QUANTUM and step.placing.mode is Mode.CLASSICAL:
            return await self._fallen_back(step, needed, "", why="the step is to be answered classically")
        try:
            async with _within(step.limit_s):
                return await self._tried(step, Work.RUN, step.run, needed, None)
        except RoutedClassically as routed:
            return await self._fallen_back(step, needed, "", why=routed.reason)
        except Unavailable as error:
            if step.fallback is None:
                raise self._failure(step, error) from error
            reason = str(error)[:MAX_REASON_CHARS]
        except TimeoutError as error:
            if step.fallback is None:
                raise StepFailed(
                    self._run.id, step.name, f"it took longer than {step.limit_s:g} s", field="limit_s"
                ) from error
            reason = f"no answer within {step.limit_s:g} s"
            await self._runners[step.name].abandon()
        except (StepFailed, Taken):
            raise
        except Exception as error:  # whatever a step raises is its failure
            raise self._failure(step, error) from error
        return await self._fallen_back(step, needed, reason)

    async def again(self, step: Step, results: Mapping[str, StepResult], *, degraded: bool) -> Any:
        """What the step gives now, with the same seed; nothing is kept. Raises ``StepFailed``."""
        act = step.fallback if degraded and step.fallback is not None else step.run
        context = self._context(step, {need: results[need] for need in step.needs}, 1, None)
        # At the time at which it began then: what a step gives may say when it was.
        started_ns = results[step.name].started_ns
        context = replace(context, processes=self._around.processes, started_ns=started_ns)
        try:
            async with self._around.turns[step.kind].of(self._run.tenant), _within(step.limit_s):
                return self._checked(step, await act(context), "again" if degraded else "").value
        except Exception as error:
            raise self._failure(step, error) from error

    async def undo(self, step: Step, results: dict[str, StepResult]) -> Performed:
        """Take back what the step did. Raises ``StepFailed``."""
        assert step.undo is not None
        needed = {need: results[need] for need in step.needs if need in results}
        try:
            async with _within(step.limit_s):
                return await self._tried(step, Work.UNDO, step.undo, needed, results.get(step.name))
        except (StepFailed, Taken):
            raise
        except Exception as error:
            raise self._failure(step, error) from error

    async def abandon(self) -> None:
        """The run is cancelled: what its steps sent to devices is not wanted any more."""
        for runner in self._runners.values():
            await runner.abandon()

    async def _fallen_back(
        self, step: Step, needed: dict[str, StepResult], reason: str, *, why: str = ""
    ) -> Performed:  # fmt: skip
        """The fallback's answer, for the ``reason`` that no device gave one, or since somebody decided so (``why``)."""
        assert step.fallback is not None
        if reason:
            self._log.warning("step degraded", step=step.name, reason=reason)
        context = replace(self._context(step, needed, 1, None), started_ns=self._begun_ns())
        self._begins(step, context.started_ns)
        try:
            async with _within(step.limit_s):
                given = await step.fallback(context)
            ended_ns = self._ended_ns(context.started_ns)
            if (desk := self._around.circuits.desk) is not None and step.placing.mode is Mode.AUTO:
                took_s = (ended_ns - context.started_ns) / NS_PER_S
                desk.took(f"{self._run.template}/{step.name}", step.placing, took_s)
            return Performed(
                self._checked(step, given, reason or why), reason, context.started_ns, ended_ns,
                pieces=_pieces(context), way=FALLBACK_WAY, why=why[:MAX_REASON_CHARS],
            )  # fmt: skip
        except Exception as error:
            raise self._failure(step, error, instead=reason) from error

    async def _tried(
        self, step: Step, work: Work, act: StepWork, needed: dict[str, StepResult], done: StepResult | None
    ) -> Performed:
        key, retry = (step.name, work), step.retry
        while True:
            number = self._last[key] = self._last.get(key, 0) + 1
            context = self._context(step, needed, number, done)
            if step.undo is not None and work is Work.RUN:
                await self._note(context, work, "", ended=False)
            try:
                turn = self._around.turns[step.kind].of(self._run.tenant, first=bool(step.needs))
                async with turn, _within(retry.attempt_s):
                    context = replace(context, started_ns=self._begun_ns())
                    self._begins(step, context.started_ns)
                    given = await self._acted(act, context)
                ended_ns = self._ended_ns(context.started_ns)
                way, why = self._way(step)
                return Performed(
                    self._checked(step, given, ""), "", context.started_ns, ended_ns, _windows(context),
                    _pieces(context), way, why,
                )  # fmt: skip
            except _FINAL:
                raise
            except Exception as error:
                failed = self._failed[key] = self._failed.get(key, 0) + 1
                if retry.attempts > 1:
                    await self._note(context, work, f"{type(error).__name__}: {error}", ended=True)
                if failed >= retry.attempts:
                    if isinstance(error, TimeoutError) and retry.attempt_s:
                        raise Unavailable(
                            f"step {step.name!r}", f"an attempt took longer than {retry.attempt_s:g} s"
                        ) from error
                    raise
                self._log.warning("step is tried again", step=step.name, attempt=number, reason=str(error))
                rng = Rng(self._run.seed).child(f"retry/{step.name}/{number}")
                await self._around.clock.sleep(retry.wait_s(failed, rng))

    async def _acted(self, act: StepWork, context: StepContext) -> Any:
        """What the step gave; the machine that it had is the next one's then."""
        ran = context.run_circuit
        try:
            given = await act(context)
        except asyncio.CancelledError:
            # Its window stays: who goes on with the run finds it, or it ends by itself.
            if isinstance(ran, StepCircuits):
                await ran.close(give_back=False)
            raise
        except BaseException:
            if isinstance(ran, StepCircuits):
                await ran.close()
            raise
        if isinstance(ran, StepCircuits):
            await ran.close()
        return given

    def _way(self, step: Step) -> tuple[str, str]:
        """Who answered a quantum step, and who decided that."""
        if step.kind is not StepKind.QUANTUM:
            return "", ""
        runner = self._runners[step.name]
        if step.placing.mode is not Mode.AUTO:
            return CIRCUITS_WAY, ""
        if self._around.circuits.desk is None:
            return CIRCUITS_WAY, "this engine has no router"
        return CIRCUITS_WAY, runner.route[:MAX_REASON_CHARS] or "it ran no circuit: there was nothing to route"

    def _runner(self, step: Step) -> StepCircuits:
        run, now_ns = self._run, self._around.clock.wall_ns()
        within = [now_ns + int(step.limit_s * NS_PER_S)] if step.limit_s else []
        if self._keeper.state.deadline_ns:
            within.append(self._keeper.state.deadline_ns)
        of = Circumstances(
            tenant=run.tenant, trace=run.trace, template=run.template, run=run.id, step=step.name, asked=step.placing,
            deadline_ns=min(within, default=0),
        )  # fmt: skip
        made = self._runners[step.name] = self._around.circuits.runner(f"{run.id}/{step.name}", run.tenant, of)
        return made

    def _begins(self, step: Step, started_ns: int) -> None:
        if step.name in self._at_work:  # What is undone or done again is not shown.
            self._at_work[step.name].started_ns = started_ns

    def _begun_ns(self) -> int:
        """Now, and later than anything that ended before: what follows is told after what it rests on."""
        self._at_ns = max(self._around.clock.wall_ns(), self._at_ns + 1)
        return self._at_ns

    def _ended_ns(self, begun_ns: int) -> int:
        ended_ns = max(self._around.clock.wall_ns(), begun_ns)
        self._at_ns = max(self._at_ns, ended_ns)
        return ended_ns

    async def _note(self, context: StepContext, work: Work, reason: str, *, ended: bool) -> None:
        now_ns = self._around.clock.wall_ns()
        attempt = StepAttempt(
            id=attempt_id(context.run, context.step, work, context.attempt), tenant=context.tenant,
            trace=context.trace, at_ns=now_ns, run=context.run, step=context.step, work=work, number=context.attempt,
            started_ns=context.started_ns, ended_ns=now_ns if ended else 0, reason=reason[:MAX_REASON_CHARS],
        )  # fmt: skip
        await self._keeper.commit((attempt_put(attempt),))

    def _context(self, step: Step, needed: dict[str, StepResult], attempt: int, done: StepResult | None) -> StepContext:
        around, run = self._around, self._run
        return StepContext(
            run=run.id,
            step=step.name,
            tenant=run.tenant,
            trace=run.trace,
            inputs=run.inputs,
            results=needed,
            seed=Rng(run.seed).child(f"step/{step.name}").bits(SEED_BITS),
            started_ns=around.clock.wall_ns(),
            fleet=around.fleet,
            run_circuit=(runner := self._runner(step)),
            run_mean=runner.mean,
            offload=around.offload,
            processes=self._processes(step, attempt),
            key=effect_key(run.id, step.name),
            attempt=attempt,
            done=done,
        )

    def _processes(self, step: Step, attempt: int) -> Offload:
        crew = self._around.crew
        if crew is None or not step.pure:
            return self._around.processes
        again = attempt > 1 or self._keeper.state.fence > 1
        return StepPieces(
            crew, run=self._run.id, step=step.name, tenant=self._run.tenant, again=again, rest_s=self.rest_s(step.name)
        )

    def _checked(self, step: Step, value: Any, degraded: str) -> StepOutput:
        """The step's output in the form it will have when it is read back."""
        output = value if isinstance(value, StepOutput) else StepOutput(value=value)
        if step.kind is StepKind.QUANTUM and not degraded and not output.provenance:
            raise InvalidInput("provenance", "a quantum step says where its result came from")
        if len(output.writes) + len(output.waypoints) > MAX_EXTRA_WRITES:
            n_extra = len(output.writes) + len(output.waypoints)
            raise LimitExceeded("rows written with a step's result", maximum=MAX_EXTRA_WRITES, seen=n_extra)
        for row in (*output.writes, *output.waypoints):
            if row.tenant != self._run.tenant:
                raise InvalidInput("tenant", f"a step of {self._run.tenant!r} cannot write for {row.tenant!r}")
        kept = plain("a step's output", output.value, MAX_OUTPUT_BYTES)
        if step.gives is not None:
            converted(kept, step.gives, "output")
        return replace(output, value=kept)

    def _failure(self, step: Step, error: Exception, *, instead: str = "") -> StepFailed:
        """``instead`` is why the step was answered by its fallback, which failed as well."""
        field = error.field if isinstance(error, InvalidInput) else ""
        if isinstance(error, OverBudget):
            field = "budget"
        since = f"; it was answered classically since {instead}" if instead else ""
        return StepFailed(self._run.id, step.name, f"{type(error).__name__}: {error}{since}", field=field)


def _windows(context: StepContext) -> tuple[CircuitWindow, ...]:
    ran = context.run_circuit
    return tuple(ran.windows) if isinstance(ran, StepCircuits) else ()


def _pieces(context: StepContext) -> tuple[PieceDone, ...]:
    ran = context.processes
    return tuple(ran.done[:MAX_WINDOWS]) if isinstance(ran, StepPieces) else ()


def _none_known(_: str) -> float:
    return 0.0


def _within(limit_s: float) -> asyncio.Timeout:
    return asyncio.timeout(limit_s or None)


def converted(value: Any, wanted: Any, field: str) -> Any:
    """``value`` as the type ``wanted``. Raises ``InvalidInput``, which names the field within ``field``."""
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _FIELD.search(text)
        inner = found.group(1) if found else ""
        where = f"{field}{inner}" if inner.startswith("[") else ".".join(filter(None, (field, inner)))
        raise InvalidInput(where, _FIELD.sub("", text)) from error


def plain(what: str, value: Any, max_bytes: int) -> Any:
    """``value`` as plain data, keys in order: exactly what reading it from the store will give.

    Raises ``InvalidInput`` when it cannot be said so and ``LimitExceeded`` when it is too big.
    """
    try:
        packed = _packed.encode(msgspec.to_builtins(value, str_keys=True))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(what, f"cannot be kept: {error}") from error
    if len(packed) > max_bytes:
        raise LimitExceeded(f"{what} (bytes)", maximum=max_bytes, seen=len(packed))
    return msgspec.msgpack.decode(packed)
