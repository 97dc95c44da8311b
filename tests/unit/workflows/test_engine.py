import asyncio
import dataclasses

import msgspec
import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Origin,
    Provenance,
    Put,
    Rng,
    StorageFull,
    Table,
    TenantId,
    TraceId,
    Unavailable,
    Waypoint,
    decode,
    derive_id,
)
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.quantum import Gates
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import (
    RUNS,
    STEP_RESULTS,
    Engine,
    InvalidTemplate,
    RunChanged,
    Runs,
    Step,
    StepFailed,
    StepKind,
    StepOutput,
    Template,
)

TRACE = TraceId(derive_id(1, "event"))
NOTES = Table("notes")


def classical(name, *needs, run):
    return Step(name=name, kind=StepKind.CLASSICAL, needs=needs, run=run)


def quantum(name, *needs, run, fallback):
    return Step(name=name, kind=StepKind.QUANTUM, needs=needs, run=run, fallback=fallback)


def constant(value):
    async def run(context):
        return value

    return run


def failing(error):
    async def run(context):
        raise error

    return run


async def coin(context):
    placement = context.fleet.place(1, shots=100)
    circuit = Gates(1).h(0).measure(0).circuit()
    result = await placement.backend.run(circuit, shots=100, seed=context.seed)
    return StepOutput(value=result.counts, provenance=(result.provenance,))


class Bench:
    """An engine on a simulated store, with one template."""

    def __init__(self, world, *steps, seed=1, backends=None, store=None):
        self.world = world
        self.store = store or world.store("node")
        self.telemetry = Telemetry(world.clock)
        backends = (
            local_provider(ProviderContext(world.offload, world.clock)).backends() if backends is None else backends
        )
        self.engine = Engine(
            self.store, world.clock, self.telemetry, Fleet(backends), world.offload, Rng(seed).child("workflows")
        )
        if steps:
            self.engine.register(Template(name="t", title="T", steps=steps))

    async def run(self, run="r", **inputs):
        return await self.engine.run(
            "t", run_id=derive_id(10**18, run), tenant=DEFAULT_TENANT, trace=TRACE, inputs=inputs
        )

    async def waypoints(self):
        rows = await self.store.find(WAYPOINTS, DEFAULT_TENANT, "trace", TRACE)
        return sorted((decode(row.value, Waypoint) for row in rows), key=lambda w: (w.at_ns, w.subject))


def simulated(main, seed=1):
    world = SimWorld(seed)
    return world.run(main)


@pytest.mark.requirement("HWF-4")
def test_results_flow_from_step_to_step_and_are_kept():
    async def double(context):
        return {"doubled": 2 * context.inputs["n"]}

    async def add(context):
        return context.results["double"].output["doubled"] + context.inputs["n"]

    async def main(world):
        bench = Bench(world, classical("add", "double", run=add), classical("double", run=double))
        outcome = await bench.run(n=7)
        assert list(outcome.results) == ["add", "double"]
        assert outcome.results["add"].output == 21
        assert outcome.results["add"].trace == TRACE
        kept = await Runs(bench.store).steps(DEFAULT_TENANT, outcome.run_id)
        assert kept == [outcome.results["double"], outcome.results["add"]]
        run = await Runs(bench.store).get(DEFAULT_TENANT, outcome.run_id)
        assert (run.template, run.inputs) == ("t", {"n": 7})
        assert [row.key for row in await bench.store.scan(RUNS, DEFAULT_TENANT)] == [run.id]

    simulated(main)


@pytest.mark.requirement("HWF-4")
def test_a_step_begins_only_after_what_it_needs_is_durable():
    async def main(world):
        async def check(context):
            row = await bench.store.get(STEP_RESULTS, DEFAULT_TENANT, context.results["first"].id)
            assert row is not None
            return True

        bench = Bench(world, classical("first", run=constant(1)), classical("second", "first", run=check))
        assert (await bench.run()).results["second"].output is True

    simulated(main)


@pytest.mark.requirement("HWF-3")
def test_independent_steps_overlap():
    async def main(world):
        def slow(seconds):
            async def run(context):
                await world.clock.sleep(seconds)

            return run

        steps = [classical(f"s{i}", run=slow(3)) for i in range(5)]
        bench = Bench(world, *steps, classical("end", *(step.name for step in steps), run=slow(1)))
        begun_ns = world.clock.monotonic_ns()
        await bench.run()
        assert (world.clock.monotonic_ns() - begun_ns) / 1e9 == pytest.approx(4, abs=0.5)

    simulated(main)


def test_results_are_listed_in_the_order_they_were_finished():
    async def main(world):
        def slow(seconds):
            async def run(context):
                await world.clock.sleep(seconds)

            return run

        bench = Bench(world, *(classical(f"s{seconds}", run=slow(seconds)) for seconds in (4, 1, 5, 3, 2)))
        outcome = await bench.run()
        kept = await Runs(bench.store).steps(DEFAULT_TENANT, outcome.run_id)
        assert [result.step for result in kept] == ["s1", "s2", "s3", "s4", "s5"]

    simulated(main)


def test_steps_that_work_at_once_are_bounded():
    async def main(world):
        working, most = 0, 0

        async def count(context):
            nonlocal working, most
            working += 1
            most = max(most, working)
            await world.clock.sleep(1)
            working -= 1

        bench = Bench(world, *(classical(f"s{i}", run=count) for i in range(50)))
        async with asyncio.TaskGroup() as group:
            for name in ("a", "b", "c"):
                group.create_task(bench.run(name))
        assert most == 64

    simulated(main)


@pytest.mark.requirement("HWF-1")
def test_a_quantum_step_keeps_where_its_result_came_from():
    async def main(world):
        bench = Bench(world, quantum("coin", run=coin, fallback=constant(None)))
        result = (await bench.run()).results["coin"]
        (source,) = result.provenance
        assert (source.origin, source.device, source.shots) == (Origin.SIMULATED, "local.statevector", 100)
        assert result.degraded == ""
        assert sum(result.output.values()) == 100
        (step,) = await bench.waypoints()
        assert (step.room, step.stage, step.subject) == ("workflows", "step", result.id)
        assert step.summary == "coin: quantum, simulated on local.statevector"

    simulated(main)


@pytest.mark.requirement("IRS-5")
@pytest.mark.parametrize("why", ["no device", "device lost"])
def test_without_a_device_the_fallback_answers_and_says_why(why):
    async def main(world):
        run = coin if why == "no device" else failing(Unavailable("test.qpu", "it was switched off"))
        bench = Bench(world, quantum("coin", run=run, fallback=constant({"0": 50})), backends=[])
        result = (await bench.run()).results["coin"]
        assert result.output == {"0": 50}
        assert result.provenance == ()
        says = "there are no devices" if why == "no device" else "it was switched off"
        assert says in result.degraded
        (step,) = await bench.waypoints()
        assert step.summary.startswith("coin: answered classically: ")
        assert bench.telemetry.metrics.snapshot()["phalanx_workflow_steps_total"]["samples"] == [
            {"labels": {"template": "t", "step": "coin", "ended": "degraded"}, "value": 1}
        ]

    simulated(main)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (classical("s", run=failing(ValueError("bad luck"))), "ValueError: bad luck"),
        (classical("s", run=failing(Unavailable("x", "gone"))), "x is not available: gone"),
        (quantum("s", run=failing(ValueError("wrong")), fallback=constant(1)), "ValueError: wrong"),
        (
            quantum("s", run=failing(Unavailable("x", "y")), fallback=failing(ValueError("both"))),
            "ValueError: both; it was answered classically since x is not available: y",
        ),
        (quantum("s", run=constant(1), fallback=constant(1)), "says where its result came from"),
        (classical("s", run=constant(object())), "cannot be kept"),
        (classical("s", run=constant(1 << 70)), "cannot be kept"),
        (classical("s", run=constant("x" * (1 << 20))), "output (bytes) is limited"),
        (
            classical("s", run=constant(StepOutput(value=1, writes=(Put(NOTES, TenantId("other"), "k", b""),)))),
            "cannot write for 'other'",
        ),
        (
            classical("s", run=constant(StepOutput(value=1, writes=257 * (Put(NOTES, DEFAULT_TENANT, "k", b""),)))),
            "rows written",
        ),
    ],
)
def test_a_failed_step_is_named_and_nothing_of_it_is_kept(step, says):
    async def main(world):
        bench = Bench(world, step)
        with pytest.raises(StepFailed) as caught:
            await bench.run()
        assert caught.value.step == "s"
        assert says in str(caught.value)
        assert caught.value.__cause__ is not None
        assert await bench.store.scan(STEP_RESULTS, DEFAULT_TENANT) == []
        assert await bench.waypoints() == []

    simulated(main)


def test_a_failed_step_stops_the_others_but_what_is_done_stays_done():
    async def main(world):
        ran = []

        async def early(context):
            ran.append("early")
            return "kept"

        async def late(context):
            ran.append("late")
            await world.clock.sleep(60)
            ran.append("never")

        async def broken(context):
            await world.clock.sleep(1)
            if len(ran) < 4:
                raise ValueError("first time")

        steps = [classical("early", run=early), classical("late", run=late), classical("broken", "early", run=broken)]
        bench = Bench(world, *steps)
        with pytest.raises(StepFailed, match="first time"):
            await bench.run()
        assert ran == ["early", "late"]
        ran.append("again")
        outcome = await bench.run()
        assert ran == ["early", "late", "again", "late", "never"]
        assert outcome.results["early"].output == "kept"

    simulated(main)


def test_what_a_step_writes_is_committed_with_its_result():
    note = Waypoint(
        id=derive_id(5, "note"), tenant=DEFAULT_TENANT, trace=TRACE, at_ns=5,
        room="incidents", stage="assessment", subject="a", summary="assessed",
    )  # fmt: skip

    async def main(world):
        async def assess(context):
            return StepOutput(value=1, writes=(Put(NOTES, DEFAULT_TENANT, "k", b"v"),), waypoints=(note,))

        bench = Bench(world, classical("assess", run=assess))
        feed = bench.telemetry.feed.subscribe(DEFAULT_TENANT)
        await bench.run()
        rows = [await bench.store.get(NOTES, DEFAULT_TENANT, "k"), *await bench.store.scan(WAYPOINTS, DEFAULT_TENANT)]
        assert len({row.version for row in rows}) == 1
        assert [w.stage for w in await bench.waypoints()] == ["assessment", "step"]
        feed.close()
        assert [w.stage async for w in feed] == ["step", "assessment"]
        assert await bench.run()
        assert len(await bench.waypoints()) == 2

    simulated(main)


class Losing:
    """A store that is full for one commit."""

    def __init__(self, store, at):
        self._store, self._left = store, at

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        self._left -= 1
        if self._left == 0:
            raise StorageFull("test")
        return await self._store.commit(writes, expect=expect)


def test_a_full_disk_is_told_as_such_and_waited_out():
    async def main(world):
        bench = Bench(world, classical("s", run=constant(1)), store=Losing(world.store("node"), at=2))
        with pytest.raises(StorageFull):
            await bench.run()
        assert (await bench.run()).results["s"].output == 1

    simulated(main)


def test_a_live_run_and_a_resumed_one_see_the_same_data():
    @dataclasses.dataclass
    class Found:
        z: tuple
        a: dict

    async def main(world):
        seen = []

        async def look(context):
            seen.append((list(context.results["find"].output), context.results["find"]))
            if len(seen) == 1:
                raise ValueError("again")

        value = Found(z=(1, 2), a={3: Origin.SIMULATED, "k": b"x"})
        bench = Bench(world, classical("find", run=constant(value)), classical("look", "find", run=look))
        with pytest.raises(StepFailed):
            await bench.run()
        await bench.run()
        assert seen[0] == seen[1]
        assert seen[0][1].output == {"a": {"3": "simulated", "k": "eA=="}, "z": [1, 2]}
        assert seen[0][0] == ["a", "z"]

    simulated(main)


def test_a_finished_run_is_only_read_and_keeps_its_first_inputs():
    async def main(world):
        ran = []

        async def note(context):
            ran.append(context.inputs["n"])
            return ran[-1]

        first = Bench(world, classical("s", run=note))
        second = Bench(world, classical("s", run=note), store=first.store)
        assert await first.run(n=1) == await second.run(n=2)
        assert ran == [1]

    simulated(main)


def test_two_engines_on_one_run_keep_one_result():
    async def main(world):
        drawn = []

        async def draw(context):
            await world.clock.sleep(1)
            drawn.append(len(drawn))
            seeds.append(context.seed)
            return drawn[-1]

        async def use(context):
            return context.results["draw"].output

        seeds = []
        steps = classical("draw", run=draw), classical("use", "draw", run=use)
        benches = [Bench(world, *steps, seed=1)]
        benches.append(Bench(world, *steps, seed=2, store=benches[0].store))
        one, two = await asyncio.gather(*(bench.run() for bench in benches))
        assert sorted(drawn) == [0, 1], "both worked on it"
        assert one == two, "and one result counts"
        assert seeds[0] == seeds[1], "one of them began the run"
        assert one.results["use"].output == one.results["draw"].output
        assert len(await benches[0].waypoints()) == 2

    simulated(main)


def test_seeds_follow_from_the_run_not_from_the_process():
    async def main(world):
        seeds = {}

        async def seed(context):
            seeds.setdefault(context.step, []).append(context.seed)
            if len(seeds[context.step]) == 1 and context.step == "b":
                raise ValueError("die")
            return

        steps = classical("a", run=seed), classical("b", "a", run=seed)
        first = Bench(world, *steps, seed=1)
        with pytest.raises(StepFailed):
            await first.run()
        await Bench(world, *steps, seed=2, store=first.store).run()
        assert len(seeds["b"]) == 2
        assert seeds["b"][0] == seeds["b"][1] != seeds["a"][0]
        await first.run("another")
        assert seeds["a"][1] != seeds["a"][0]

    simulated(main)


def test_a_run_does_not_go_on_with_another_template():
    async def main(world):
        first = Bench(world, classical("a", run=constant(1)))
        run_id = (await first.run()).run_id
        changed = Bench(world, classical("a", run=constant(1)), classical("b", run=constant(1)), store=first.store)
        with pytest.raises(RunChanged, match="have changed") as caught:
            await changed.run()
        assert caught.value.run == run_id
        changed.engine.register(Template(name="u", title="U", steps=(classical("a", run=constant(1)),)))
        with pytest.raises(RunChanged, match="begun by template 't'"):
            await changed.engine.run("u", run_id=run_id, tenant=DEFAULT_TENANT, trace=TRACE, inputs={})

    simulated(main)


def test_what_cannot_be_run_is_refused_before_anything_is_kept():
    async def main(world):
        bench = Bench(world, classical("a", run=constant(1)))
        good = {"run_id": derive_id(1, "r"), "tenant": DEFAULT_TENANT, "trace": TRACE, "inputs": {}}
        for changes, error in [
            ({"run_id": "r"}, InvalidInput),
            ({"inputs": {"x": object()}}, InvalidInput),
            ({"inputs": {"x": "y" * (1 << 20)}}, LimitExceeded),
        ]:
            with pytest.raises(error):
                await bench.engine.run("t", **good | changes)
        with pytest.raises(NotFound, match="workflow template 'v'"):
            await bench.engine.run("v", **good)
        with pytest.raises(InvalidTemplate, match="same name"):
            bench.engine.register(Template(name="t", title="T", steps=(classical("a", run=constant(1)),)))
        assert await bench.store.scan(RUNS, DEFAULT_TENANT) == []

    simulated(main)


def test_spans_and_timings_are_recorded():
    async def main(world):
        async def slow(context):
            await world.clock.sleep(2)

        bench = Bench(world, classical("s", run=slow))
        await bench.run()
        await bench.run()
        spans = {span.name: span for span in bench.telemetry.tracer.spans(TRACE)}
        assert spans["s"].parent == min(s.id for s in bench.telemetry.tracer.spans(TRACE) if s.name == "run")
        assert spans["s"].duration_ns >= 2e9
        metrics = bench.telemetry.metrics.snapshot()
        assert metrics["phalanx_workflow_step_seconds"]["samples"][0]["count"] == 1
        ended = {s["labels"]["ended"]: s["value"] for s in metrics["phalanx_workflow_steps_total"]["samples"]}
        assert ended == {"done": 1, "reused": 1}

    simulated(main)


def test_provenance_is_kept_whole():
    source = Provenance(
        origin=Origin.EMULATED, device="test.emulator", circuits=("abc",), shots=5, seed=6, mitigation="m",
        calibrated_at_ns=7,
    )  # fmt: skip

    async def main(world):
        output = StepOutput(value=None, provenance=(source,))
        bench = Bench(world, quantum("q", run=constant(output), fallback=constant(1)))
        outcome = await bench.run()
        (kept,) = await Runs(bench.store).steps(DEFAULT_TENANT, outcome.run_id)
        assert kept.provenance == (source,)
        assert msgspec.to_builtins(kept)["step_kind"] == "quantum"

    simulated(main)
