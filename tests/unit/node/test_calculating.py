"""Work with circuits waits for its kernels, once; what speaks to vendors does not."""

import asyncio
from dataclasses import replace

import pytest

from phalanx.core import DEFAULT_TENANT, Origin, Unavailable
from phalanx.devices import JobState, ProviderContext
from phalanx.node import Settings, build_node
from phalanx.node.quantum._calculating import CompiledFirst
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld


class Compiler:
    """Is done when it is told, or fails."""

    def __init__(self, *, fails):
        self.done, self.asked, self.fails = asyncio.Event(), [], fails

    async def compile(self, *groups):
        self.asked.append(groups)
        await self.done.wait()
        if self.fails:
            raise Unavailable("the kernel compiler", "there is none")


@pytest.mark.parametrize("fails", [False, True])
def test_work_begins_when_the_kernels_are_there_or_cannot_be_had(fails):
    async def main(world):
        told, done, compiler = [], [], Compiler(fails=fails)
        offload = CompiledFirst(world.offload, compiler, Telemetry(world.clock, log_sink=told.append))
        waiting = [world.loop.create_task(offload.run(done.append, name)) for name in ("one", "two")]
        await world.clock.sleep(1.0)
        assert done == []
        compiler.done.set()
        await asyncio.gather(*waiting)
        await offload.run(done.append, "three")
        assert done == ["one", "two", "three"]
        assert compiler.asked == [("simulators", "mapping", "allocation")], "asked once"
        assert ["there is none" in str(line) for line in told] == ([True] if fails else [])

    SimWorld(1).run(main)


@pytest.mark.parametrize("fails", [False, True])
def test_a_node_has_kernels_compiled_before_the_first_circuit_comes(fails):
    async def main(world):
        compiler = Compiler(fails=fails)
        compiler.done.set()
        async with build_node(Settings(), replace(world.ports("n"), kernels=compiler)) as node:
            await world.clock.sleep(1.0)
            assert ("simulators", "mapping", "allocation") in compiler.asked
            assert node.health()["kernels"].ok
            assert node.health()["kernels"].detail == "running"

    SimWorld(1).run(main)


def test_vendors_are_spoken_to_aside():
    plain, waiting = object(), object()
    assert ProviderContext(waiting, None).io is waiting
    assert ProviderContext(waiting, None, aside=plain).io is plain


def test_a_job_that_is_placed_without_kernels_is_taken_before_they_are_there():
    async def main(world):
        compiler, settings = Compiler(fails=False), Settings()
        ports = replace(world.ports("n"), kernels=compiler)
        async with build_node(settings, ports) as node:
            work = Gates(1).h(0).measure(0).circuit()
            async with asyncio.timeout(5):
                job = await node.jobs.submit(DEFAULT_TENANT, work, shots=10, origin=Origin.SIMULATED)
            assert job.device == "local.statevector"
            compiler.done.set()
            assert (await node.jobs.ended(DEFAULT_TENANT, job.id)).state is JobState.COMPLETED

    SimWorld(1).run(main)
