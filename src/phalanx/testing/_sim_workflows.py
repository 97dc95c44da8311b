"""Simulation ``workflows``: two engines share a store over a network, are killed at any time, started again, and slow.

Runs are submitted, some of them twice. Commits take their time, and sometimes the process dies before it hears of one.
The network loses a question on its way to the store, or the store's answer: then nobody knows whether it was written.
One engine has workers, which are killed, cut off, hear of a piece twice, and answer when they were given up.
The checker stands at the store and looks at nothing but what is committed:

- the result of a step is written once, whoever worked on it, and never changes;
- a step's result follows from the results that were kept of what it needed, and is kept after them, however early a
  pure step began;
- no result is kept of a worker whose piece was given to somebody else since;
- every run ends as done, with a result of every step.

With ``deaf`` the store ignores what commits expect, with ``unfenced`` the crew takes whatever comes back: the checker
must see either.
"""

import asyncio
import zlib
from collections.abc import Callable, Sequence

from phalanx.core import DEFAULT_TENANT, Expect, Put, Rng, StorageError, Store, Write, decode, derive_id
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._sim_workflows_workers import Watched, sim_crew, sim_piece, sim_queue, workers_live
from phalanx.testing._world import SimWorld
from phalanx.workflows import (
    STEP_RESULTS,
    Engine,
    Runs,
    RunStates,
    RunStatus,
    Step,
    StepContext,
    StepKind,
    StepResult,
    Template,
    step_result_id,
)
from phalanx.workflows.workers import Crew, StepPieces

NAME = "workflows"
_NEEDS: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
_ENGINES = ("east", "west")
_RUNS, _LIVES = 4, 3
_PATIENCE_S = 600.0
# How often a question to the store is lost, and how often its answer.
_LOST = 0.02
# How often it is looked whether all is over.
_LOOK_S = 10.0


class _Watched:
    """The store as engines see it: slow, watched, and with ``deaf`` blind to what commits expect."""

    def __init__(self, store: Store, world: SimWorld, checker: Checker, watched: Watched, *, deaf: bool) -> None:
        self._store = store
        self._world = world
        self._rng = world.rng.child("store")
        self._checker = checker
        self._watched = watched
        self._deaf = deaf
        self._kept: set[str] = set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def _note(self, result: StepResult) -> None:
        self._checker.require(result.id not in self._kept, "a step's result was kept twice", result.id)
        rows = [await self._store.get(STEP_RESULTS, result.tenant, one) for one in self._needed(result)]
        early = [row for row in rows if row is None]
        self._checker.require(not early, "a result was kept before what it rests on", result.run, result.step)
        self._watched.kept(result.output["by"], result.run, result.step)
        self._kept.add(result.id)
        self._checker.count("results kept")

    def _needed(self, result: StepResult) -> list[str]:
        return [step_result_id(result.run, need) for need in _NEEDS[result.step]]

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        await self._world.clock.sleep(self._rng.exponential(0.05))
        if self._rng.chance(_LOST):
            self._checker.count("questions lost")
            raise StorageError("the store could not be reached")
        version = await self._store.commit(writes, expect=() if self._deaf else expect)
        for write in writes:
            if isinstance(write, Put) and write.table.name == STEP_RESULTS.name:
                await self._note(decode(write.value, StepResult))
        await self._world.clock.sleep(self._rng.exponential(0.05))
        if self._rng.chance(_LOST):
            self._checker.count("answers lost")
            raise StorageError("the store's answer was lost")
        return version


def _said(step: str, drawn: int, results: dict[str, int]) -> int:
    text = f"{step} {drawn} {sorted(results.items())}"
    return zlib.crc32(text.encode())


def _template(world: SimWorld, rng: Rng, checker: Checker) -> Template:
    async def work(context: StepContext) -> dict[str, int]:
        checker.count("steps worked on")
        by, drawn = 0, rng.bits(30)
        if isinstance(context.processes, StepPieces):
            # The same arguments at every attempt: what was done when the node was away is asked for again.
            found = await context.processes.run(sim_piece, context.run, context.step, context.seed % (1 << 30))
            by, drawn = found["by"], found["drawn"]
        else:
            await world.clock.sleep(rng.exponential(1.0))
        needed = {name: int(result.output["said"]) for name, result in context.results.items()}
        return {"drawn": drawn, "said": _said(context.step, drawn, needed), "by": by}

    steps = tuple(
        Step(name=name, kind=StepKind.CLASSICAL, run=work, needs=needs, pure=rng.chance(0.5))
        for name, needs in _NEEDS.items()
    )
    return Template(name="t", title="A diamond", steps=steps)


async def _engine_lives(
    world: SimWorld,
    name: str,
    store: Store,
    template: Template,
    checker: Checker,
    crew_of: Callable[[Rng], Crew] | None,
) -> None:
    """Start an engine, kill it, start it again; the last life goes on until every run has ended."""
    rng = world.rng.child(f"lives/{name}")
    for life in range(_LIVES + 1):
        crew = None if crew_of is None else crew_of(rng)
        engine = Engine(
            store, world.clock, Telemetry(world.clock), Fleet([]), world.offload, Rng(rng.bits(30)), name=name,
            crew=crew,
        )  # fmt: skip
        engine.register(template)
        serving = asyncio.ensure_future(_serve(world, engine, crew))
        try:
            for run in range(_RUNS):
                if life == 0 and rng.chance(0.7):
                    await _submit(engine, run, checker)
            await (world.clock.sleep(rng.exponential(2.0)) if life < _LIVES else _all_ended(world, store))
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        if life < _LIVES:
            checker.count("engines killed")
        await world.clock.sleep(rng.exponential(5.0))


async def _all_ended(world: SimWorld, store: Store) -> None:
    """Until every run that was submitted has ended, and nobody may submit any more; or patience is over."""
    states, until_s = RunStates(store), world.loop.time() + _PATIENCE_S
    while world.loop.time() < until_s:
        await world.clock.sleep(_LOOK_S)
        held = [await states.held(DEFAULT_TENANT, run) for run in map(_run_id, range(_RUNS))]
        if all(one is None or one.state.status is RunStatus.DONE for one in held):
            return


async def _serve(world: SimWorld, engine: Engine, crew: Crew | None) -> None:
    """As a node does: a service that fails is started again."""
    async with asyncio.TaskGroup() as group:
        if crew is not None:
            group.create_task(crew.serve())
        while True:
            try:
                await engine.serve()
            except* StorageError:
                await world.clock.sleep(1.0)


async def _submit(engine: Engine, run: int, checker: Checker) -> None:
    try:
        await engine.submit("t", run_id=_run_id(run), tenant=DEFAULT_TENANT, inputs={})
    except StorageError:
        checker.count("submissions that nobody knows of")


def _run_id(run: int) -> str:
    return derive_id(10**18, NAME, str(run))


async def _judge(store: Store, checker: Checker) -> None:
    states, runs = RunStates(store), Runs(store)
    for run in map(_run_id, range(_RUNS)):
        held = await states.held(DEFAULT_TENANT, run)
        if held is None:
            continue  # Nobody wanted it.
        checker.count("runs")
        done = {result.step: result for result in await runs.steps(DEFAULT_TENANT, run)}
        checker.require(held.state.status is RunStatus.DONE, "a run did not end", run, held.state.status.value)
        checker.require(set(done) == set(_NEEDS), "a step's result is lost", run, sorted(done))
        for step, result in done.items():
            needed = {need: int(done[need].output["said"]) for need in _NEEDS[step] if need in done}
            follows = result.output["said"] == _said(step, result.output["drawn"], needed)
            checker.require(follows, "a result does not follow from what was kept", run, step)


def workflows_simulation(*, deaf: bool = False, unfenced: bool = False) -> Simulation:
    """The simulation; ``deaf`` is a store that the checker must complain of, ``unfenced`` a crew."""

    def run(seed: int) -> SimReport:
        world, checker = SimWorld(seed), Checker()

        async def main(world: SimWorld) -> None:
            inner = world.store("shared")
            watched, queue, over = Watched(checker), sim_queue(world), asyncio.Event()
            store: Store = _Watched(inner, world, checker, watched, deaf=deaf)  # type: ignore[assignment]
            template = _template(world, world.rng.child("work"), checker)

            def crew_of(rng: Rng) -> Crew:
                return sim_crew(world, queue, watched, rng, unfenced=unfenced)

            working = asyncio.ensure_future(workers_live(world, queue, watched, over))
            async with asyncio.TaskGroup() as group:
                for name in _ENGINES:
                    made = crew_of if name == _ENGINES[0] else None
                    group.create_task(_engine_lives(world, name, store, template, checker, made), name=name)
            over.set()
            await working
            await _judge(inner, checker)

        return judged_in(world, main, checker, simulation=NAME)

    return Simulation(
        NAME, "engines and workers that die, are slow and hear twice: no step's result lost or doubled", run
    )
