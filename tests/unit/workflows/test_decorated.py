"""Workflows written as functions."""

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Rng, derive_id
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import Engine, InvalidTemplate, StepFailed, Workflow

RUN = derive_id(10**18, "run")


class Seen(msgspec.Struct):
    n: int


def twice(collect: Seen) -> int:
    return 2 * collect.n


def made(wrong=False):
    flow = Workflow("f", title="F")

    @flow.step()
    async def collect(context) -> Seen:
        return {"n": "x"} if wrong else Seen(context.inputs["n"])

    flow.step(in_process=True)(twice)

    async def exactly(collect: Seen):
        return collect.n + 0.5

    @flow.quantum(fallback=exactly)
    async def estimate(context, collect: Seen) -> float:
        context.fleet.place(1, shots=1)
        return 0.0

    @flow.step()
    async def judge(twice: int, estimate: float) -> float:
        return twice + estimate

    return flow.template()


def outcome(template):
    async def main(world):
        engine = Engine(world.store("n"), world.clock, Telemetry(world.clock), Fleet([]), world.offload, Rng(1))
        engine.register(template)
        return await engine.run("f", run_id=RUN, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs={"n": 3})

    return SimWorld(1).run(main)


@pytest.mark.requirement("HWF-1")
def test_needs_are_parameters_and_results_come_in_their_types():
    template = made()
    assert [(step.name, step.needs) for step in template.steps] == [
        ("collect", ()), ("twice", ("collect",)), ("estimate", ("collect",)), ("judge", ("twice", "estimate")),
    ]  # fmt: skip
    results = outcome(template).results
    assert results["judge"].output == 9.5
    assert results["estimate"].degraded


def test_what_a_step_gives_is_held_to_its_annotation():
    with pytest.raises(StepFailed, match="Expected `int`") as caught:
        outcome(made(wrong=True))
    assert (caught.value.step, caught.value.field) == ("collect", "output.n")


def test_what_cannot_be_a_step_is_refused_by_name():
    flow = Workflow("f", title="F")
    with pytest.raises(InvalidTemplate, match=r"step 'twice'.*async def"):
        flow.step()(twice)

    async def other(thing):
        return None

    async def estimate(collect):
        return None

    with pytest.raises(InvalidTemplate, match="its fallback needs thing, not collect"):
        flow.quantum(fallback=other)(estimate)
    flow.step()(estimate)
    with pytest.raises(InvalidTemplate, match="needs 'collect', which is no step"):
        flow.template()
