"""A run is killed wherever it can be, and resumed by another process: nothing is done twice, nothing is lost."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, Put, Rng, Table, TraceId, Waypoint, decode, derive_id
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.quantum import Gates
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import STEP_RESULTS, Engine, Runs, Step, StepKind, StepOutput, StepResult, Template

RUN_ID = derive_id(10**18, "run")
TRACE = TraceId(derive_id(1, "event"))
EFFECTS = Table("effects")
NEEDS = {"a": (), "b": (), "c": ("a",), "coin": ("a", "b"), "d": ("c", "coin"), "e": ("coin",), "end": ("d", "e")}


class Journalled:
    """What ran, and what had been kept when it did. Lives outside the node, so that a crash does not touch it."""

    def __init__(self, store_of):
        self.store_of = store_of
        self.ran = []
        self.again = []

    async def note(self, step):
        kept = await self.store_of().find(STEP_RESULTS, DEFAULT_TENANT, "run", RUN_ID)
        if step in {decode(row.value, StepResult).step for row in kept}:
            self.again.append(step)
        self.ran.append(step)


def template(journal, clock, pure):
    def work(name):
        async def run(context):
            await journal.note(name)
            rng = Rng(context.seed)
            await clock.sleep(rng.uniform(0, 2))
            total = sum(len(str(result.output)) for result in context.results.values())
            found = {"drawn": rng.random(), "total": total, "n": context.inputs["n"]}
            return StepOutput(value=found, writes=(Put(EFFECTS, DEFAULT_TENANT, name, str(found).encode()),))

        return run

    async def coin(context):
        await journal.note("coin")
        placement = context.fleet.place(2, shots=64)
        circuit = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
        result = await placement.backend.run(circuit, shots=64, seed=context.seed)
        return StepOutput(value=result.counts, provenance=(result.provenance,))

    async def no_coin(context):
        raise AssertionError("there is a device")

    steps = [
        Step(name=name, kind=StepKind.QUANTUM, needs=needs, run=coin, fallback=no_coin, pure=pure)
        if name == "coin"
        else Step(name=name, kind=StepKind.CLASSICAL, needs=needs, run=work(name), pure=pure)
        for name, needs in NEEDS.items()
    ]
    return Template(name="t", title="T", steps=tuple(steps))


def engine(world, store, journal, *, seed, pure=False):
    backends = local_provider(ProviderContext(world.offload, world.clock)).backends()
    made = Engine(store, world.clock, Telemetry(world.clock), Fleet(backends), world.offload, Rng(seed))
    made.register(template(journal, world.clock, pure))
    return made


async def bring_to_end(made):
    return await made.run("t", run_id=RUN_ID, tenant=DEFAULT_TENANT, trace=TRACE, inputs={"n": 3})


def found(outcome):
    """What a run found, without when."""
    return {name: (result.output, result.provenance, result.degraded) for name, result in outcome.results.items()}


async def effects(store):
    rows = await store.scan(EFFECTS, DEFAULT_TENANT)
    waypoints = [decode(row.value, Waypoint) for row in await store.find(WAYPOINTS, DEFAULT_TENANT, "trace", TRACE)]
    return [(row.key, row.value) for row in rows], sorted(w.summary for w in waypoints)


class Killing:
    """A store during whose n-th commit the process dies: before anything was written, or before it heard of it."""

    def __init__(self, store, at, *, written):
        self._store, self._at, self._written = store, at, written
        self.commits = 0
        self.kill = None

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        self.commits += 1
        if self.commits != self._at:
            return await self._store.commit(writes, expect=expect)
        if self._written:
            await self._store.commit(writes, expect=expect)
        self.kill()
        return await asyncio.Event().wait()


def undisturbed(seed=1):
    async def main(world):
        store = world.store("node")
        outcome = await bring_to_end(engine(world, store, Journalled(lambda: store), seed=seed))
        return found(outcome), await effects(store)

    return SimWorld(1).run(main)


def n_commits():
    async def main(world):
        store = Killing(world.store("node"), 0, written=False)
        await bring_to_end(engine(world, store, Journalled(lambda: store), seed=1))
        return store.commits

    return SimWorld(1).run(main)


def test_there_is_one_commit_for_the_run_and_one_for_each_step():
    assert n_commits() == 1 + len(NEEDS)


@pytest.mark.requirement("HWF-4")
@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("at", range(1, 2 + len(NEEDS)))
def test_killed_at_any_commit(at, written):
    async def main(world):
        store = world.store("node")
        killing = Killing(store, at, written=written)
        journal = Journalled(lambda: store)
        first = asyncio.ensure_future(bring_to_end(engine(world, killing, journal, seed=1)))
        killing.kill = first.cancel
        with pytest.raises(asyncio.CancelledError):
            await first
        # Only before the run itself was kept may the next process draw its seed anew.
        next_seed = 1 if at == 1 and not written else 2
        outcome = await bring_to_end(engine(world, store, journal, seed=next_seed))
        assert journal.again == []
        assert len(journal.ran) >= len(NEEDS)
        assert set(journal.ran) == set(NEEDS)
        return found(outcome), await effects(store)

    assert SimWorld(at).run(main) == undisturbed()


@pytest.mark.requirement("HWF-4")
@pytest.mark.parametrize("pure", [False, True], ids=["waiting for the disk", "pure"])
@pytest.mark.parametrize("seed", range(12))
def test_power_lost_at_any_time_any_number_of_times(seed, pure):
    async def main(world):
        node, rng = world.node("n"), world.rng.child("crashes")
        current = {}
        journal = Journalled(lambda: current["store"])
        crashes, ended = 0, None

        async def program(node):
            store = current["store"] = world.store("n")
            return await bring_to_end(engine(world, store, journal, seed=node.incarnation, pure=pure))

        while ended is None:
            task = node.start(program)
            done, _ = await asyncio.wait([task], timeout=rng.uniform(0, 3))
            if done:
                ended = task.result()
            else:
                await node.crash(power_loss=rng.chance(0.7))
                crashes += 1
        assert crashes > 0
        assert journal.again == []
        results = await Runs(current["store"]).steps(DEFAULT_TENANT, RUN_ID)
        assert {result.step: result for result in results} == ended.results
        return len((await effects(current["store"]))[1])

    assert SimWorld(seed).run(main) == len(NEEDS)


def test_the_same_seed_gives_the_same_run():
    assert undisturbed() == undisturbed()
    assert undisturbed() != undisturbed(seed=2)
