"""Worker, node and server are killed in the middle of a step, for real: nothing that was done is done again or lost."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from phalanx.adapters.storage import SqliteStore
from phalanx.core import DEFAULT_TENANT, derive_id
from phalanx.testing import wait_until
from phalanx.workflows import Runs

pytest.importorskip("nats", reason="the extra `cluster` is not installed")
RUN = derive_id(10**18, "held")

_SCRIPT = Path(__file__).with_name("held_step.py")


class Rig:
    """Processes on one folder."""

    def __init__(self, home, stack):
        self.home, self.stack = home, stack
        os.mkfifo(home / "gate")

    def start(self, what, *more):
        process = subprocess.Popen([sys.executable, _SCRIPT, what, self.home, *more])
        self.stack.callback(self.end, process)
        return process

    def end(self, process):
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()

    async def node(self, lease_s=6.0):
        (self.home / "served").unlink(missing_ok=True)
        process = self.start("node", str(lease_s))
        await wait_until(lambda: (self.home / "served").exists() or process.poll() is not None)
        return process

    def began(self):
        return sorted(self.home.glob("began-*"))

    async def let_go(self):
        """Whoever waits at the gate goes on."""

        def opened():
            try:
                os.close(os.open(self.home / "gate", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                return False  # nobody waits yet
            return True

        await wait_until(opened)

    async def ended(self, node):
        await wait_until(lambda: node.poll() is not None)
        assert node.returncode == 0
        store = await SqliteStore.open(self.home / "store.sqlite")
        try:
            return {one.step: one for one in await Runs(store).steps(DEFAULT_TENANT, RUN)}
        finally:
            await store.close()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def run(tmp_path, scenario):
    with ExitStack() as stack:
        asyncio.run(scenario(Rig(tmp_path, stack)))


@pytest.mark.requirement("HWF-3")
def test_what_a_killed_worker_was_doing_is_done_here(tmp_path):
    async def scenario(rig):
        node = await rig.node(lease_s=2.0)
        worker = rig.start("worker")
        await wait_until(lambda: len(rig.began()) == 1)
        kill(worker)
        await wait_until(lambda: len(rig.began()) == 2)
        await rig.let_go()
        found = await rig.ended(node)
        assert {name: one.output for name, one in found.items()} == {"folder": str(rig.home), "held": 3, "after": 4}
        (piece,) = found["held"].pieces
        assert (piece.place, piece.reason, piece.given_out) == ("this node", "w fell silent", 2)
        assert found["folder"].pieces[0].place == "w"

    run(tmp_path, scenario)


@pytest.mark.requirement("HWF-4")
def test_what_was_done_while_the_node_was_dead_is_not_done_again(tmp_path):
    async def scenario(rig):
        node = await rig.node()
        rig.start("worker")
        await wait_until(lambda: len(rig.began()) == 1)
        kill(node)
        await rig.let_go()
        found = await rig.ended(await rig.node())
        assert {name: one.output for name, one in found.items()} == {"folder": str(rig.home), "held": 3, "after": 4}
        assert len(rig.began()) == 1
        assert found["held"].pieces[0].reason == "it was done when this node was away"

    run(tmp_path, scenario)


@pytest.mark.requirement("HWF-4")
def test_a_killed_server_is_waited_for(tmp_path):
    async def scenario(rig):
        node = await rig.node(lease_s=60.0)
        rig.start("worker")
        await wait_until(lambda: len(rig.began()) == 1)
        os.kill(int((rig.home / "cluster" / "pid").read_text()), signal.SIGKILL)
        await rig.let_go()
        found = await rig.ended(node)
        assert found["after"].output == 4
        assert len(rig.began()) == 1
        assert found["held"].pieces[0].place == "w"

    run(tmp_path, scenario)
