"""Steps that act on nothing need not wait for the disk; what they give is kept after what they needed."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, Rng, StorageFull, TraceId, decode, derive_id
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import (
    STEP_RESULTS,
    Engine,
    InvalidTemplate,
    Runs,
    Step,
    StepKind,
    StepResult,
    Template,
)

RUN = derive_id(10**18, "run")
DISK_S = 1.0


class SlowDisk:
    """A store whose commits take a second, and that remembers what each brought."""

    def __init__(self, world, *, full_from=None):
        self._store, self._clock = world.store("node"), world.clock
        self._full_from = full_from
        self.kept = []

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        await self._clock.sleep(DISK_S)
        steps = [decode(write.value, StepResult).step for write in writes if write.table is STEP_RESULTS]
        if self._full_from in steps:
            raise StorageFull("the disk")
        version = await self._store.commit(writes, expect=expect)
        self.kept.append(steps)
        return version


def chain(world, pure, began, *, n=6, takes_s=0.0):
    async def work(context):
        began[context.step] = world.clock.monotonic_ns() / 1e9
        await world.clock.sleep(takes_s)
        return sum(result.output for result in context.results.values()) + 1

    steps = tuple(
        Step(
            name=f"s{at}", kind=StepKind.CLASSICAL, run=work, needs=(f"s{at - 1}",) if at else (), pure=pure(at)
        )
        for at in range(n)
    )  # fmt: skip
    return Template(name="t", title="T", steps=steps)


def engine(world, store, template):
    made = Engine(store, world.clock, Telemetry(world.clock), Fleet([]), world.offload, Rng(1))
    made.register(template)
    return made


async def run(made):
    return await made.run("t", run_id=RUN, tenant=DEFAULT_TENANT, trace=TraceId(""), inputs={})


@pytest.mark.requirement("HWF-5")
def test_a_chain_of_pure_steps_waits_for_the_disk_a_few_times_and_not_for_each_step():
    async def main(world):
        disk, began = SlowDisk(world), {}
        outcome = await run(engine(world, disk, chain(world, lambda _: True, began)))
        assert [result.output for result in outcome.results.values()] == [1, 2, 3, 4, 5, 6]
        assert max(began.values()) - min(began.values()) < DISK_S
        # The run, and then results in the order in which they were found, those that gather together.
        assert [step for kept in disk.kept for step in kept] == [f"s{at}" for at in range(6)]
        assert len(disk.kept) <= 3

    SimWorld(1).run(main)


def test_a_step_that_may_act_outside_begins_when_all_before_it_is_kept():
    async def main(world):
        disk, began = SlowDisk(world), {}
        await run(engine(world, disk, chain(world, lambda at: at != 3, began)))
        assert began["s2"] - began["s0"] < DISK_S
        assert began["s3"] - began["s2"] >= DISK_S
        before = [kept for kept in disk.kept if kept and kept[-1] < "s3"]
        assert [step for kept in before for step in kept] == ["s0", "s1", "s2"]

    SimWorld(1).run(main)


def test_what_was_found_before_a_result_that_cannot_be_kept_is_kept_and_nothing_after_it():
    async def main(world):
        disk, began = SlowDisk(world, full_from="s3"), {}
        with pytest.raises(StorageFull):
            await run(engine(world, disk, chain(world, lambda _: True, began)))
        assert disk.kept == [[], ["s0"], ["s1"], ["s2"]]
        assert {result.step for result in await Runs(disk).steps(DEFAULT_TENANT, RUN)} == {"s0", "s1", "s2"}

    SimWorld(1).run(main)


def test_a_failure_keeps_what_was_found_before_it():
    async def main(world):
        disk, began = SlowDisk(world), {}
        whole = chain(world, lambda _: True, began)

        async def fails(context):
            raise ValueError("no")

        steps = (*whole.steps, Step(name="last", kind=StepKind.CLASSICAL, run=fails, needs=("s5",), pure=True))
        made = engine(world, disk, Template(name="t", title="T", steps=steps))
        with pytest.raises(Exception, match="no"):
            await run(made)
        assert {result.step for result in await Runs(disk).steps(DEFAULT_TENANT, RUN)} == {f"s{at}" for at in range(6)}

    SimWorld(1).run(main)


def test_stopping_an_engine_leaves_nothing_at_work():
    async def main(world):
        disk, began = SlowDisk(world), {}
        running = asyncio.ensure_future(run(engine(world, disk, chain(world, lambda _: True, began))))
        await world.clock.sleep(1.5 * DISK_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        kept = list(disk.kept)
        await world.clock.sleep(10 * DISK_S)
        assert disk.kept == kept, "what is stopped keeps nothing more"

    SimWorld(1).run(main)


def test_a_pure_step_has_nothing_to_undo():
    async def nothing(context):
        return None

    step = Step(name="a", kind=StepKind.CLASSICAL, run=nothing, undo=nothing, pure=True)
    with pytest.raises(InvalidTemplate, match="pure"):
        Template(name="t", title="T", steps=(step,))


@pytest.mark.requirement("HWF-3")
def test_a_burst_of_runs_waits_for_the_store_and_is_not_turned_away():
    class Narrow:
        """Turns away whoever comes while it is asked as much as it can take."""

        most = busiest = asked = 0

        def __init__(self, store, clock):
            self._store, self._clock = store, clock

        def __getattr__(self, name):
            async def call(*args, **kwargs):
                self.asked += 1
                self.busiest = max(self.busiest, self.asked)
                try:
                    await self._clock.sleep(0.001)
                    return await getattr(self._store, name)(*args, **kwargs)
                finally:
                    self.asked -= 1

            return call

    async def main(world):
        narrow = Narrow(world.store("node"), world.clock)
        made = engine(world, narrow, chain(world, lambda _: True, {}, n=2))
        serving = asyncio.ensure_future(made.serve())
        runs = [derive_id(10**18, str(n)) for n in range(2_000)]
        await asyncio.gather(*(made.submit("t", run_id=run, tenant=DEFAULT_TENANT, inputs={}) for run in runs))
        for one in runs:
            while (await made.states.held(DEFAULT_TENANT, one)).state.status.value != "done":
                await world.clock.sleep(0.1)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert 256 < narrow.busiest <= 512

    SimWorld(1).run(main)
