"""Work with circuits waits for its kernels, once; what speaks to vendors does not."""

import asyncio

import pytest

from phalanx.core import Unavailable
from phalanx.devices import ProviderContext
from phalanx.node.quantum._calculating import CompiledFirst
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


def test_vendors_are_spoken_to_aside():
    plain, waiting = object(), object()
    assert ProviderContext(waiting, None).io is waiting
    assert ProviderContext(waiting, None, aside=plain).io is plain
