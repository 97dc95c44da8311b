"""A node has its circuits placed and run by the manager of its cluster: two processes, a real NATS server, and a kill.

The manager is a process of its own that is killed with questions on their way, and started again on the same folder.
Whatever was asked is asked again under the same keys; afterwards each key is one job, charged once, in one window.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import phalanx.node.managers._managed as managed
from phalanx.allocation import shape_of
from phalanx.core import DEFAULT_TENANT, InvalidInput, NotFound, Origin, Unavailable
from phalanx.devices import JobState
from phalanx.node import ManagerAway, ManagerRefused, Work, build_node, load_settings, open_ports
from phalanx.node._limits import MANAGER
from phalanx.quantum import Gates
from phalanx.testing import wait_until

pytest.importorskip("nats", reason="the extra `cluster` is not installed")

GHZ = Gates(3).h(0).cx(0, 1).cx(1, 2).measure(0, 1, 2).circuit()
GRANTED = 40

SERVING = """
import asyncio, sys
from phalanx.allocation.money import Period
from phalanx.core import TenantId
from phalanx.node import build_node, load_settings, open_ports

folder, token, granted = sys.argv[1:]
flags = {
    "node.data_dir": folder, "node.name": "hq", "identity.organisation": "acme", "agents.per_role": 1,
    "cluster.token": token, "cluster.manages": "lab.other",
}


async def main():
    settings = load_settings(file=None, environ={}, flags=flags).settings
    async with open_ports(settings) as ports, build_node(settings, ports) as node:
        if float(granted):
            await node.budgets.put(
                TenantId("lab.other/default"), "grant", unit="jobs", limit=float(granted), period=Period.ONCE
            )
        print("ready", flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
"""


class Hq:
    """The manager's process."""

    def __init__(self, folder, token):
        self.folder, self.token = folder, token
        self.process = None

    def begin(self, granted):
        source = Path(__file__).resolve().parents[3] / "src"
        command = [sys.executable, "-c", SERVING, str(self.folder), str(self.token), str(granted)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONPATH": str(source)},
        )  # fmt: skip

    async def start(self, granted=GRANTED):
        self.begin(granted)
        line = await asyncio.get_running_loop().run_in_executor(None, self.process.stdout.readline)
        assert line == "ready\n", "the manager ended by itself"

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@contextlib.asynccontextmanager
async def two_nodes(folder, granted=GRANTED):
    """The node that asks, here, which runs the server, and the manager elsewhere."""
    flags = {
        "node.data_dir": folder / "lab", "node.name": "lab", "identity.organisation": "other", "agents.per_role": 1,
        "cluster.serve": "true", "cluster.manager": "hq.acme",
    }  # fmt: skip
    settings = load_settings(file=None, environ={}, flags=flags).settings
    async with open_ports(settings) as ports, build_node(settings, ports) as lab:
        token = folder / "token"
        token.write_text(await lab.cluster.invite("hq"))
        token.chmod(0o600)
        hq = Hq(folder / "hq", token)
        try:
            await hq.start(granted)
            await wait_until(lambda: lab.bus.directory.find(f"hq.acme/{MANAGER}"))
            yield lab, hq
        finally:
            hq.close()


async def persistent(ask):
    """Asked until there is an answer, as a user who was told to ask again."""
    while True:
        try:
            return await ask()
        except ManagerAway:
            continue


@pytest.mark.slow
@pytest.mark.requirement("QRM-3", "QRM-7", "QRM-11")
def test_a_manager_that_is_killed_runs_and_charges_each_job_once(tmp_path, monkeypatch):
    work = Work(circuit=GHZ, shots=100, seed=3)
    keys = [f"k{n}" for n in range(8)]

    # What nobody answers is given up sooner than a user would.
    monkeypatch.setattr(managed, "MANAGER_PLACE_S", 1.5)
    monkeypatch.setattr(managed, "MANAGER_ANSWER_S", 2.0)

    async def main():
        async with two_nodes(tmp_path) as (lab, hq):
            ask = lab.managed
            placed = await persistent(lambda: ask.place(DEFAULT_TENANT, work, key="k0", fall_back=False))
            assert (placed.by, placed.own) == ("hq.acme", False)
            assert placed.explanation.device == "local.statevector"
            assert placed.window.tenant == "default"
            assert placed.window.state.value == "held"
            assert await ask.place(DEFAULT_TENANT, work, key="k0") == placed, "asked again it is the same window"

            first = await persistent(lambda: ask.submit(DEFAULT_TENANT, work, key="k0", fall_back=False))
            assert (first.at, first.job.tenant) == ("hq.acme", "lab.other/default")
            asked = [
                asyncio.create_task(
                    persistent(lambda k=k: ask.submit(DEFAULT_TENANT, work, key=k, fall_back=False))
                )
                for k in keys
            ]  # fmt: skip
            await wait_until(lambda: any(task.done() for task in asked))
            hq.kill()

            own = await ask.place(DEFAULT_TENANT, work, key="alone")
            assert (own.by, own.own) == ("lab.other", True)
            assert own.explanation.device == "local.statevector"
            with pytest.raises(ManagerAway):
                await ask.place(DEFAULT_TENANT, work, fall_back=False)
            here = await ask.submit(DEFAULT_TENANT, work, key="here")
            assert (here.own, here.at) == (True, "lab.other")

            await hq.start()
            jobs = await asyncio.gather(*asked)
            again = [await persistent(lambda k=k: ask.submit(DEFAULT_TENANT, work, key=k)) for k in keys]
            assert [one.job.id for one in again] == [one.job.id for one in jobs], "a key is one job"
            assert len({one.job.id for one in jobs}) == len(keys)
            assert again[0].job.id == first.job.id
            for key in keys:
                await wait_for_end(ask, key)
            budget = (await persistent(lambda: ask.granted(DEFAULT_TENANT))).budgets[0]
            assert (budget.spent, budget.held) == (len(keys), 0.0), "each charged once"
            await one_window_each(lab, keys)
            # What was begun here while the manager was away stays here.
            assert (await ask.job(DEFAULT_TENANT, "here")).own
            noted = [one.entry for one in await lab.ledger.entries(-1, 1_000)]
            assert {"alone", "here"} <= {one.subject for one in noted if one.action.startswith("manager away")}

    asyncio.run(main())


async def wait_for_end(ask, key):
    while True:
        found = await persistent(lambda: ask.job(DEFAULT_TENANT, key))
        if found.job.state.final:
            assert found.job.state is JobState.COMPLETED
            assert set(found.job.counts) == {"000", "111"}
            return
        # Two processes work: how long that takes is theirs to say.
        await asyncio.sleep(0.05)


async def one_window_each(lab, keys):
    windows = await lab.reservations.bookings("default")
    used = [one for one in windows if one.state.value != "expired"]
    assert sorted(one.id for one in used) == sorted({one.id for one in used})
    by_key = {key: [one for one in used if one.id.startswith(f"default/{key}.")] for key in keys}
    assert all(len(found) <= 1 for found in by_key.values()), by_key
    live = sorted((one.start_ns, one.end_ns) for one in windows if one.is_live)
    assert all(end <= start for (_, end), (start, _) in pairwise(live))


@pytest.mark.slow
@pytest.mark.requirement("QRM-8")
def test_a_manager_refuses_what_nobody_pays_for_and_says_what_is_wrong(tmp_path):
    work = Work(circuit=GHZ, shots=100)

    async def main():
        async with two_nodes(tmp_path, granted=0) as (lab, _):
            ask = lab.managed
            with pytest.raises(ManagerRefused, match="no budget was granted") as refused:
                await ask.submit(DEFAULT_TENANT, work, key="unpaid")
            assert refused.value.refusal == Unavailable.code
            assert "phalanx budgets set" in refused.value.hint
            shown = await ask.place(DEFAULT_TENANT, Work(shape=shape_of(GHZ), shots=100), key="counts")
            assert shown.explanation.device == "local.statevector", "by its counts alone"
            assert shown.window is not None
            with pytest.raises(InvalidInput, match="stands for other work"):
                await ask.place(DEFAULT_TENANT, Work(circuit=GHZ, shots=7), key="counts")
            wide = await ask.place(DEFAULT_TENANT, Work(shape=shape_of(Gates(900).rx(0.3, 0).circuit())), key="wide")
            assert wide.explanation.device == "", "nothing fits, and each says why"
            with pytest.raises(NotFound):
                await ask.job(DEFAULT_TENANT, "nothing")
            with pytest.raises(InvalidInput, match="hold_s"):
                await ask.place(DEFAULT_TENANT, Work(circuit=GHZ, hold_s=0.0))
            with pytest.raises(InvalidInput, match="circuit"):
                await ask.submit(DEFAULT_TENANT, Work(shape=shape_of(GHZ)))
            with pytest.raises(InvalidInput, match="origin"):
                await ask.place(DEFAULT_TENANT, Work(circuit=GHZ, origin=f"no-{Origin.SIMULATED}"))

    asyncio.run(main())
