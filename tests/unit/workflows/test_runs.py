"""Runs as a service: submitted, tried again, late, paused, resumed, cancelled and undone, taken up by others."""

import asyncio
import contextlib
import itertools

import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    InvalidInput,
    NotFound,
    Overloaded,
    Rng,
    StorageFull,
    TenantId,
    TraceId,
    Unavailable,
    derive_id,
)
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import (
    Engine,
    Retry,
    Runs,
    RunStates,
    RunStatus,
    RunStopped,
    Step,
    StepFailed,
    StepKind,
    Template,
)

RUN = derive_id(10**18, "run")
TRACE = TraceId(derive_id(1, "event"))
HOUR_S = 3600.0


def step(name, *needs, run, **how):
    return Step(name=name, kind=StepKind.CLASSICAL, needs=needs, run=run, **how)


def giving(value):
    async def run(context):
        return value

    return run


class House:
    """A store, and engines on it by name."""

    def __init__(self, world, *steps, **template):
        self.world = world
        self.store = world.store("node")
        self.template = Template(name="t", title="T", steps=steps, **template)

    def engine(self, name="engine", store=None):
        world = self.world
        made = Engine(
            store or self.store, world.clock, Telemetry(world.clock), Fleet([]), world.offload, Rng(1), name=name
        )
        made.register(self.template)
        return made

    @contextlib.asynccontextmanager
    async def serving(self, name="engine", store=None):
        made = self.engine(name, store)
        task = asyncio.ensure_future(made.serve())
        await self.world.clock.sleep(0.001)
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def state(self, run=RUN):
        return (await RunStates(self.store).held(DEFAULT_TENANT, run)).state

    async def until(self, status, run=RUN):
        while (state := await self.state(run)).status is not status:
            await self.world.clock.sleep(0.1)
        return state

    async def kept(self, run=RUN):
        return [one.step for one in await Runs(self.store).steps(DEFAULT_TENANT, run)]


def simulated(main, seed=1):
    return SimWorld(seed).run(main)


async def submitted(engine, run=RUN, **how):
    return await engine.submit("t", run_id=run, tenant=DEFAULT_TENANT, inputs=how.pop("inputs", {}), **how)


@pytest.mark.requirement("HWF-4")
def test_a_submitted_run_is_brought_to_its_end_by_whoever_serves():
    async def main(world):
        async def slow(context):
            await world.clock.sleep(5)
            return 1

        house = House(world, step("a", run=slow), step("b", "a", run=giving(2)))
        async with house.serving() as engine:
            state = await submitted(engine, by="ada")
            assert state.status is RunStatus.RUNNING
            assert await submitted(engine, by="bob") == state, "one id is one run"
            ended = await house.until(RunStatus.DONE)
        assert [move.status.value for move in ended.moves] == ["running", "done"]
        assert ended.by == "ada"
        assert await house.kept() == ["a", "b"]

    simulated(main)


def test_what_nobody_serves_is_queued_and_taken_up_later():
    async def main(world):
        house = House(world, step("a", run=giving(1)))
        assert (await submitted(house.engine())).status is RunStatus.QUEUED
        async with house.serving():
            await house.until(RunStatus.DONE)

    simulated(main)


@pytest.mark.requirement("HWF-4")
def test_a_restarted_engine_goes_on_at_once_and_another_one_after_the_lease():
    async def main(world):
        ran = []

        async def slow(context):
            ran.append(context.step)
            await world.clock.sleep(2)

        house = House(world, step("a", run=slow), step("b", "a", run=slow))
        async with house.serving() as engine:
            await submitted(engine)
            await world.clock.sleep(3)
        assert (await house.state()).status is RunStatus.RUNNING
        begun = world.clock.monotonic_ns()
        async with house.serving():
            await house.until(RunStatus.DONE)
        assert world.clock.monotonic_ns() - begun < 4e9
        assert ran == ["a", "b", "b"]

        other = derive_id(10**18, "other")
        async with house.serving() as engine:
            await submitted(engine, other)
            await world.clock.sleep(1)
        async with house.serving("second"):
            ended = await house.until(RunStatus.DONE, other)
        assert ended.owner == "second"

    simulated(main)


@pytest.mark.requirement("HWF-4")
def test_an_engine_that_was_thought_dead_keeps_nothing_more():
    async def main(world):
        gate = asyncio.Event()
        drawn = []

        async def held_up(context):
            drawn.append(len(drawn))
            if drawn[-1] == 0:
                await gate.wait()
            return drawn[-1]

        house = House(world, step("a", run=held_up), step("b", "a", run=giving(2)))
        first = house.engine("first")
        one = asyncio.ensure_future(first.run("t", run_id=RUN, tenant=DEFAULT_TENANT, trace=TRACE, inputs={}))
        await world.clock.sleep(60)
        async with house.serving("second"):
            await house.until(RunStatus.DONE)
        gate.set()
        outcome = await one
        assert drawn == [0, 1]
        assert outcome.results["a"].output == 1, "what the second kept counts"

    simulated(main)


@pytest.mark.requirement("HWF-4")
def test_a_step_is_tried_again_after_growing_waits():
    async def main(world):
        at = []

        async def flaky(context):
            at.append((context.attempt, world.clock.monotonic_ns() / 1e9, context.key))
            if len(at) < 4:
                raise Unavailable("a service", "it is away")
            return "there"

        retry = Retry(attempts=4, first_s=1, factor=3, most_s=5, jitter=0.2)
        house = House(world, step("a", run=flaky, retry=retry))
        outcome = await house.engine().run("t", run_id=RUN, tenant=DEFAULT_TENANT, trace=TRACE, inputs={})
        assert outcome.results["a"].output == "there"
        assert [n for n, *_ in at] == [1, 2, 3, 4]
        assert len({key for *_, key in at}) == 1
        waits = [b - a for (_, a, _), (_, b, _) in itertools.pairwise(at)]
        for wait, longest in zip(waits, (1, 3, 5), strict=True):
            assert 0.8 * longest <= wait <= longest + 0.01

    simulated(main)


def test_attempts_are_counted_on_after_a_crash_and_anew_when_a_person_resumes():
    async def main(world):
        tried = []

        async def broken(context):
            tried.append(context.attempt)
            raise Unavailable("a service", "it is away")

        house = House(world, step("a", run=broken, retry=Retry(attempts=3, first_s=10, jitter=0)))
        async with house.serving() as engine:
            await submitted(engine)
            await world.clock.sleep(1)
        assert tried == [1]
        async with house.serving() as engine:
            failed = await house.until(RunStatus.FAILED)
            assert tried == [1, 2, 3]
            assert (failed.step, "away" in failed.reason) == ("a", True)
            await engine.resume(DEFAULT_TENANT, RUN, by="ada")
            await world.clock.sleep(1)
            await house.until(RunStatus.FAILED)
        assert tried == [1, 2, 3, 4, 5, 6]

    simulated(main)


def test_what_is_wrong_for_good_is_not_tried_again():
    async def main(world):
        tried = []

        async def wrong(context):
            tried.append(1)
            return {"n": "many"}

        house = House(world, step("a", run=wrong, gives=dict[str, int], retry=Retry(attempts=5)))
        with pytest.raises(StepFailed, match="Expected `int`, got `str`") as caught:
            await house.engine().run("t", run_id=RUN, tenant=DEFAULT_TENANT, trace=TRACE, inputs={})
        assert (caught.value.step, caught.value.field) == ("a", "output[...]")
        assert tried == [1]
        state = await house.state()
        assert (state.status, state.step, state.field) == (RunStatus.FAILED, "a", "output[...]")

    simulated(main)


def test_limits_of_a_step_and_of_a_run():
    async def main(world):
        async def forever(context):
            await world.clock.sleep(HOUR_S)

        house = House(world, step("a", run=giving(1)), step("b", "a", run=forever, limit_s=2))
        with pytest.raises(StepFailed, match="longer than 2 s") as caught:
            await house.engine().run("t", run_id=RUN, tenant=DEFAULT_TENANT, trace=TRACE, inputs={})
        assert caught.value.field == "limit_s"
        late = House(world, step("a", run=giving(1)), step("c", "a", run=forever))
        other = derive_id(10**18, "other")
        async with late.serving() as engine:
            await submitted(engine, other, deadline_s=3)
            state = await late.until(RunStatus.FAILED, other)
            assert (state.step, state.field) == ("c", "deadline")
            with pytest.raises(InvalidInput, match="give it another"):
                await engine.resume(DEFAULT_TENANT, other, by="ada")
            await engine.resume(DEFAULT_TENANT, other, by="ada", deadline_s=5)
            assert (await late.state(other)).status is not RunStatus.FAILED

    simulated(main)


def test_a_deadline_that_cannot_be_met_is_refused_with_the_steps_named():
    async def main(world):
        house = House(world, step("a", run=giving(1), least_s=2), step("b", "a", run=giving(1), least_s=3))
        with pytest.raises(InvalidInput, match="steps 'a', 'b' take 5 s at the least, not 4") as caught:
            await submitted(house.engine(), deadline_s=4)
        assert caught.value.field == "deadline_s"
        with pytest.raises(InvalidInput, match="are allowed"):
            await submitted(house.engine(), deadline_s=float("nan"))

    simulated(main)


def test_inputs_of_the_wrong_type_are_refused_with_the_field_named():
    async def main(world):
        house = House(world, step("a", run=giving(1)), takes=dict[str, int])
        with pytest.raises(InvalidInput, match="Expected `int`"):
            await submitted(house.engine(), inputs={"n": "x"})
        assert await Runs(house.store).get(DEFAULT_TENANT, RUN) is None

    simulated(main)


@pytest.mark.requirement("HWF-4")
def test_a_paused_run_begins_no_step_and_goes_on_when_resumed():
    async def main(world):
        async def slow(context):
            await world.clock.sleep(5)

        house = House(world, step("a", run=slow), step("b", "a", run=slow))
        async with house.serving() as engine:
            await submitted(engine)
            await world.clock.sleep(1)
            await engine.pause(DEFAULT_TENANT, RUN, by="ada", reason="maintenance")
            state = await house.until(RunStatus.PAUSED)
            assert (state.by, state.reason) == ("ada", "maintenance")
            assert await house.kept() == ["a"]
            await world.clock.sleep(60)
            assert await house.kept() == ["a"]
            with pytest.raises(RunStopped, match="paused: maintenance"):
                await engine.run("t", run_id=RUN, tenant=DEFAULT_TENANT, trace=TRACE, inputs={})
            await engine.resume(DEFAULT_TENANT, RUN, by="bob")
            await house.until(RunStatus.DONE)
            with pytest.raises(InvalidInput, match="it is done"):
                await engine.cancel(DEFAULT_TENANT, RUN, by="ada")
        with pytest.raises(NotFound):
            await engine.pause(DEFAULT_TENANT, derive_id(1, "no"), by="ada")
        with pytest.raises(NotFound):
            await engine.pause(TenantId("other"), RUN, by="ada")

    simulated(main)


def acting(world, log, name, seconds):
    async def act(context):
        log.append(f"do {name}")
        await world.clock.sleep(seconds)
        return name

    async def undo(context):
        log.append(f"undo {name} {context.done.output if context.done else None}")
        await world.clock.sleep(1)

    return {"run": act, "undo": undo}


@pytest.mark.requirement("HWF-4")
def test_a_cancelled_run_takes_back_what_it_did_the_last_first():
    async def main(world):
        log = []
        house = House(
            world,
            step("a", **acting(world, log, "a", 1)),
            step("b", "a", **acting(world, log, "b", 1)),
            step("c", "b", **acting(world, log, "c", HOUR_S)),
            step("d", "c", **acting(world, log, "d", 1)),
        )
        async with house.serving() as engine:
            await submitted(engine)
            await world.clock.sleep(3)
            await engine.cancel(DEFAULT_TENANT, RUN, by="ada", reason="false alarm")
            state = await house.until(RunStatus.CANCELLED)
        assert log == ["do a", "do b", "do c", "undo c None", "undo b b", "undo a a"]
        assert (state.by, state.reason) == ("ada", "false alarm")

    simulated(main)


@pytest.mark.requirement("HWF-4")
def test_a_crash_while_taking_back_undoes_nothing_twice_that_was_recorded():
    async def main(world):
        log = []
        house = House(
            world,
            *(
                step(name, *needs, **acting(world, log, name, 1))
                for name, needs in {"a": (), "b": ("a",), "c": ("b",), "d": ("c",)}.items()
            ),
        )
        async with house.serving() as engine:
            await submitted(engine)
            await world.clock.sleep(3.5)
            await engine.cancel(DEFAULT_TENANT, RUN, by="ada")
            await world.clock.sleep(1.5)
        async with house.serving():
            await house.until(RunStatus.CANCELLED)
        assert log[4:] == ["undo d None", "undo c c", "undo c c", "undo b b", "undo a a"]

    simulated(main)


def test_an_undoing_that_fails_is_told_and_the_others_go_on():
    async def main(world):
        log, broken = [], [True]

        async def undo(context):
            if broken:
                raise Unavailable("the firewall", "it is away")
            log.append("undo b at last")

        house = House(
            world,
            step("a", **acting(world, log, "a", 1)),
            step("b", "a", run=giving(1), undo=undo),
            step("c", "b", **acting(world, log, "c", HOUR_S)),
        )
        async with house.serving() as engine:
            await submitted(engine)
            await world.clock.sleep(3)
            await engine.cancel(DEFAULT_TENANT, RUN, by="ada")
            state = await house.until(RunStatus.FAILED)
            assert (state.step, state.field) == ("b", "undo")
            assert log[-1] == "undo a a"
            with pytest.raises(InvalidInput, match="cancel it again"):
                await engine.resume(DEFAULT_TENANT, RUN, by="ada")
            broken.clear()
            await engine.cancel(DEFAULT_TENANT, RUN, by="ada")
            await house.until(RunStatus.CANCELLED)
        assert log[-1] == "undo b at last"
        assert log.count("undo a a") == 1

    simulated(main)


def test_what_is_queued_and_never_began_is_cancelled_at_once():
    async def main(world):
        house = House(world, step("a", run=giving(1)))
        engine = house.engine()
        await submitted(engine)
        assert (await engine.cancel(DEFAULT_TENANT, RUN, by="ada")).status is RunStatus.CANCELLED
        with pytest.raises(RunStopped, match="cancelled"):
            await engine.run("t", run_id=RUN, tenant=DEFAULT_TENANT, trace=TRACE, inputs={})

    simulated(main)


def test_a_wish_reaches_a_run_that_another_engine_has():
    async def main(world):
        async def slow(context):
            await world.clock.sleep(5)

        house = House(world, step("a", run=slow), step("b", "a", run=slow))
        async with house.serving("first") as first:
            await submitted(first)
            await world.clock.sleep(1)
            await house.engine("second").pause(DEFAULT_TENANT, RUN, by="ada")
            await house.until(RunStatus.PAUSED)
        assert await house.kept() == ["a"]

    simulated(main)


@pytest.mark.requirement("HWF-1")
def test_one_run_that_fails_harms_no_other():
    async def main(world):
        async def maybe(context):
            await world.clock.sleep(1)
            if context.inputs["bad"]:
                raise ValueError("bad")
            return 1

        house = House(world, step("a", run=maybe), step("b", "a", run=giving(2)))
        runs = [derive_id(10**18, f"r{n}") for n in range(10)]
        async with house.serving() as engine:
            for n, run in enumerate(runs):
                await submitted(engine, run, inputs={"bad": n == 3})
            await world.clock.sleep(3)
            states = [(await house.state(run)).status for run in runs]
        assert states == [RunStatus.FAILED if n == 3 else RunStatus.DONE for n in range(10)]

    simulated(main)


@pytest.mark.requirement("HWF-3")
def test_tenants_take_turns():
    async def main(world):
        order = []

        async def work(context):
            order.append(context.tenant)
            await world.clock.sleep(1)

        house = House(world, step("a", run=work))
        async with house.serving() as engine:
            for n in range(300):
                await engine.submit("t", run_id=derive_id(10**18, f"big {n}"), tenant=TenantId("big"), inputs={})
            await world.clock.sleep(0.5)
            await engine.submit("t", run_id=derive_id(10**18, "small"), tenant=TenantId("small"), inputs={})
            await world.clock.sleep(10)
        assert len(order) == 301
        assert order.index("small") <= 65, "it waits for one turn, not for the 300 before it"

    simulated(main)


class Full:
    """A store that is full for a while."""

    def __init__(self, store, error):
        self._store, self.is_full, self.error = store, False, error

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        if self.is_full:
            raise self.error
        return await self._store.commit(writes, expect=expect)


@pytest.mark.parametrize("error", [StorageFull("test"), Overloaded("the writer", retry_after_s=1)], ids=str)
def test_storage_that_takes_nothing_is_waited_out(error):
    async def main(world):
        async def slow(context):
            await world.clock.sleep(2)

        house = House(world, step("a", run=slow), step("b", "a", run=slow))
        store = Full(house.store, error)
        async with house.serving(store=store) as engine:
            await submitted(engine)
            store.is_full = True
            await world.clock.sleep(4)
            assert (await house.state()).status is RunStatus.RUNNING
            store.is_full = False
            await house.until(RunStatus.DONE)

    simulated(main)


def test_a_template_that_is_gone_fails_the_run_and_says_so():
    async def main(world):
        house = House(world, step("a", run=giving(1)))
        await submitted(house.engine())
        house.template = Template(name="u", title="U", steps=(step("a", run=giving(1)),))
        async with house.serving():
            state = await house.until(RunStatus.FAILED)
        assert "there is no workflow template 't'" in state.reason

    simulated(main)
