"""Work in processes of its own, and a watch on who holds the event loop, against the real operating system."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from phalanx.adapters import LoopWatch
from phalanx.adapters.processes import ProcessOffload
from phalanx.agents import Capability, Role, SkillManifest, Toolbox, ToolForbidden, Workers
from phalanx.core import LimitExceeded, Unavailable


def who(number):
    return os.getpid(), number


def die():
    os._exit(3)


def refuse():
    raise ValueError("no")


def refuse_input():
    raise LimitExceeded("rows", maximum=3, seen=5, hint="fewer")


@pytest.mark.requirement("AGT-4")
def test_work_runs_in_another_process_and_its_error_comes_back():
    async def scenario():
        processes = ProcessOffload(1)
        try:
            pid, number = await processes.run(who, 7)
            assert (pid != os.getpid(), number) == (True, 7)
            with pytest.raises(ValueError, match="no"):
                await processes.run(refuse)
            # An error of our own neither arrives as something else nor takes the processes with it.
            with pytest.raises(LimitExceeded, match="limited to 3, got 5") as caught:
                await processes.run(refuse_input)
            assert (caught.value.seen, caught.value.hint) == (5, "fewer")
            assert (await processes.run(who, 8))[0] == pid
        finally:
            processes.close()
        with pytest.raises(Unavailable, match="closed"):
            await processes.run(who, 1)

    asyncio.run(scenario())


def test_processes_let_the_event_loop_go_first():
    async def scenario():
        with contextlib.closing(ProcessOffload(1)) as processes:
            return await processes.run(os.nice, 0)

    assert asyncio.run(scenario()) == min(19, os.nice(0) + 10)


@pytest.mark.requirement("AGT-4")
def test_a_process_that_dies_is_told_of_and_the_next_call_has_another():
    async def scenario():
        processes = ProcessOffload(1)
        try:
            with pytest.raises(Unavailable, match="one of them died"):
                await processes.run(die)
            assert (await processes.run(who, 1))[0] != os.getpid()
        finally:
            processes.close()

    asyncio.run(scenario())


KILLED_AT_WORK = """
import asyncio, os, signal
from phalanx.adapters.processes import ProcessOffload

async def main():
    processes = ProcessOffload(2)
    await asyncio.gather(*(processes.run(os.getpid) for _ in range(4)))
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_processes_end_when_the_one_that_began_them_is_killed(tmp_path):
    program = tmp_path / "killed.py"
    program.write_text(KILLED_AT_WORK)
    # They have its standard output, so that ends with the last of them.
    ended = subprocess.run([sys.executable, str(program)], capture_output=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_only_a_skill_that_says_it_is_cpu_bound_gets_processes():
    tools = Toolbox()
    tools.provide(Workers, Workers(ProcessOffload(1)))
    manifest = SkillManifest("s", Role.HUNTER, (Capability.DETECTION,), (), (), 1.0, (), cpu_bound=True)
    assert tools.limited(manifest).get(Workers)
    with pytest.raises(ToolForbidden):
        tools.limited(SkillManifest("s", Role.HUNTER, (), (), (), 1.0, ())).get(Workers)


def nothing():
    """What has nothing to import."""


@pytest.mark.requirement("LRN-4")
def test_processes_begin_before_they_are_asked_and_end_when_they_are_not_needed():
    async def scenario():
        pool = ProcessOffload(2)
        try:
            assert not pool.cool(), "there are none"
            await pool.warm(1, nothing)
            assert (pool.alive, pool.asked) == (1, 0)
            await pool.warm(9, nothing)
            assert pool.alive == pool.most == 2
            assert await pool.run(abs, -3) == 3
            assert (pool.alive, pool.asked) == (2, 1)
            assert pool.cool()
            assert pool.alive == 0
            assert await pool.run(abs, -4) == 4, "it begins anew when it is asked"
        finally:
            pool.close()

    asyncio.run(scenario())


@pytest.mark.requirement("AGT-5")
def test_a_task_that_holds_the_event_loop_is_named_and_the_place_shown():
    async def scenario():
        told = asyncio.get_running_loop().create_future()
        watch = LoopWatch()
        watch.start(0.02, lambda *found: told.done() or told.set_result(found))

        async def hog():
            # Until it has been seen, however slow the machine is.
            while not watch.looked.wait(0.01):
                pass

        try:
            holding = asyncio.create_task(hog(), name="agent hunter-1.1 crunch")
            name, seconds, where = await told
            await holding
            assert name == "agent hunter-1.1 crunch"
            assert seconds > 0
            assert "hog (test_processes.py" in where
        finally:
            watch.close()

    asyncio.run(scenario())


def test_numeric_libraries_keep_to_their_share_of_the_cores():
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="it comes with the extra of learned models")

    async def main():
        with contextlib.closing(ProcessOffload(os.cpu_count())) as processes:
            for _ in range(20):
                await processes.run(np.linalg.norm, [3.0, 4.0])
                pools = await processes.run(threadpoolctl.threadpool_info)
                if pools:
                    return pools
        raise AssertionError("no process has loaded a library with threads")

    assert {pool["num_threads"] for pool in asyncio.run(main())} == {1}
