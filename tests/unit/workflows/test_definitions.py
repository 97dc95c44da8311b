"""Workflows that users brought are known again, and a run done again says what differs."""

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Clock, InvalidInput, NotFound, Rng, derive_id
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import Definitions, Engine, Step, StepKind, Template
from phalanx.workflows.operations import BUILT_IN

FILE = """\
name: seen
inputs: {values: list}
steps:
  index:
    use: look-up-indicators
    with: {values: "${inputs.values}", wanted: [b]}
"""
RUN = derive_id(10**18, "run")


def opened(world, store):
    clock: Clock = world.clock
    engine = Engine(store, clock, Telemetry(clock), Fleet([]), world.offload, Rng(1))
    return Definitions(store, clock, Telemetry(clock), engine)


async def ran(engine, template, **inputs):
    return await engine.run(template, run_id=RUN, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs=inputs)


@pytest.mark.requirement("HWF-1")
def test_a_file_is_known_again_after_a_restart_and_replaced_by_its_name():
    async def main(world):
        store = world.store("n")
        first = opened(world, store)
        await first.add(FILE, by="kim")
        again = opened(world, store)
        assert await again.load() == []
        assert [one.name for one in again.engine.templates] == ["seen"]
        assert await again.text("seen") == FILE
        outcome = await ran(again.engine, "seen", values=["a", "b"])
        assert outcome.results["index"].output["found"] == ["b"]
        other = await again.add(FILE.replace("[b]", "[a]"), by="kim")
        assert other.shape != first.engine.template("seen").shape

    SimWorld(1).run(main)


def test_a_file_whose_operation_is_gone_is_left_out_and_a_plugins_name_is_not_taken():
    async def main(world):
        store = world.store("n")
        await opened(world, store).add(FILE, by="kim")
        poorer = opened(world, store)
        poorer._operations.pop("look-up-indicators")
        assert await poorer.load() == ["seen"]
        assert poorer.engine.templates == []

        async def nothing(context):
            return None

        taken = opened(world, store)
        taken.engine.register(
            Template(name="seen", title="S", steps=(Step(name="a", kind=StepKind.CLASSICAL, run=nothing),))
        )
        with pytest.raises(InvalidInput, match="comes with the node"):
            await taken.add(FILE, by="kim")
        with pytest.raises(InvalidInput, match="two are called"):
            taken.accept(BUILT_IN[0])

    SimWorld(1).run(main)


@pytest.mark.requirement("HWF-4")
def test_a_run_done_again_says_which_step_gives_something_else():
    async def main(world):
        store, said, acted = world.store("n"), {"n": 1}, []

        async def draw(context):
            return {"drawn": Rng(context.seed).bits(30), "said": said["n"]}

        async def act(context):
            acted.append(context.step)
            return len(acted)

        async def after(context):
            return context.results["draw"].output["said"]

        made = opened(world, store).engine
        made.register(
            Template(
                name="t", title="T",
                steps=(
                    Step(name="draw", kind=StepKind.CLASSICAL, run=draw, pure=True),
                    Step(name="act", kind=StepKind.CLASSICAL, run=act, needs=("draw",)),
                    Step(name="after", kind=StepKind.CLASSICAL, run=after, needs=("draw",), pure=True),
                ),
            )
        )  # fmt: skip
        await ran(made, "t")
        told = {one.step: one.outcome for one in await made.replay(DEFAULT_TENANT, RUN)}
        assert told == {"draw": "same", "act": "not done again", "after": "same"}
        assert acted == ["act"]
        said["n"] = 2
        draw_again, *_, after_again = await made.replay(DEFAULT_TENANT, RUN)
        assert (draw_again.outcome, draw_again.said["said"], draw_again.kept["said"]) == ("different", 2, 1)
        assert after_again.outcome == "same", "it is given what is kept of the step before it"
        (only,) = await made.replay(DEFAULT_TENANT, RUN, step="after")
        assert only.step == "after"
        with pytest.raises(InvalidInput, match="no step"):
            await made.replay(DEFAULT_TENANT, RUN, step="none")
        with pytest.raises(NotFound):
            await made.replay(DEFAULT_TENANT, derive_id(10**18, "other"))

    SimWorld(1).run(main)
