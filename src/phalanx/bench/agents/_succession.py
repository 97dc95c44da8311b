"""Take-over between nodes: three nodes in processes of their own over a NATS server, one of which is killed at work.

Each round the owner is given missions that it holds on to. When both heirs say that they have copies of all, it gets
SIGKILL; the clock stops when an heir has performed the first mission that was the owner's, and goes on until the last.
Then the owner comes back, and every store is read: each mission must be done in one of them and nowhere else.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from phalanx.adapters import SystemClock
from phalanx.adapters.nats import NatsServer, NatsServerPlan
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile
from phalanx.telemetry import Telemetry

_NAMES = ("north", "south", "east")
_MISSIONS = 24
_PATIENCE_S = 90.0


class NodeProcess:
    """A node of ``_agents_host``, which may be killed and started again on what it left."""

    def __init__(self, name: str, folder: Path, url: str) -> None:
        self.name, self.performed = name, list[dict[str, Any]]()
        self._folder, self._url = folder / name, url
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.chain = self.process = ""

    async def start(self, *, holds: bool) -> None:
        given = {"name": self.name, "folder": str(self._folder), "url": self._url, "holds": holds}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "phalanx.bench.agents._host", json.dumps(given),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**22,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        said = await asyncio.wait_for(self._answers.get(), _PATIENCE_S)
        self.chain, self.process = said["chain"], said["process"]

    async def ask(self, **order: Any) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await asyncio.wait_for(self._answers.get(), _PATIENCE_S)

    async def until(self, holds: Callable[[dict[str, Any]], object], **order: Any) -> dict[str, Any]:
        """What it answers once that is what is waited for."""
        ends_s = time.monotonic() + _PATIENCE_S
        while True:
            said = await self.ask(**order)
            if holds(said):
                return said
            assert time.monotonic() < ends_s, (self.name, order, said)
            await asyncio.sleep(0.1)

    async def kill(self) -> int:
        """SIGKILL; returns when, in wall time."""
        assert self._process is not None
        assert self._reading is not None
        at_ns = time.time_ns()
        os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._reading.cancel()
        return at_ns

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "performed" in said:
                self.performed.append(said)
            else:
                self._answers.put_nowait(said)


@contextlib.asynccontextmanager
async def three_nodes(folder: Path) -> AsyncIterator[list[NodeProcess]]:
    """Three nodes that trust each other, the first of which holds on to its missions; all killed in the end."""
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        server = await NatsServer.start(NatsServerPlan(folder / "nats"), clock=clock, telemetry=Telemetry(clock))
        stack.push_async_callback(server.stop)
        nodes = [NodeProcess(name, folder, f"nats://127.0.0.1:{server.port}") for name in _NAMES]
        for node in nodes:
            await node.start(holds=node is nodes[0])
            stack.push_async_callback(node.kill)
        for node in nodes:
            for other in nodes:
                if other is not node:
                    await node.ask(do="trust", chain=other.chain)
        for node in nodes:
            await node.until(lambda said: len(said["present"]) == len(_NAMES) - 1, do="view")
        yield nodes


async def take_over(nodes: list[NodeProcess], n_missions: int, seed: int) -> dict[str, Any]:
    """One round: the first node is given missions and killed, then comes back."""
    owner, *heirs = nodes
    for heir in heirs:
        heir.performed.clear()
    await owner.ask(do="give", n=n_missions, seed=seed)
    await owner.until(lambda said: sum(said["heirs"].values()) == n_missions, do="view")
    before = {name for name, _ in _own(await owner.ask(do="missions"))}
    killed_ns = await owner.kill()
    ends_s = time.monotonic() + _PATIENCE_S
    while sum(len(heir.performed) for heir in heirs) < n_missions:
        assert time.monotonic() < ends_s, "not all missions were taken over"
        await asyncio.sleep(0.02)
    took_s = sorted((one["at_ns"] - killed_ns) / 1e9 for heir in heirs for one in heir.performed)
    await owner.start(holds=True)
    back = await owner.until(
        lambda said: all(where[0] == "taken-over" for name, where in said["missions"].items() if name in before),
        do="missions",
    )
    told = [back, *[await heir.ask(do="missions") for heir in heirs]]
    done = [sum(said["missions"].get(name, [""])[0] == "done" for said in told) for name in before]
    return {
        "first_s": took_s[0], "last_s": took_s[-1], "lost": done.count(0), "doubled": sum(n > 1 for n in done),
        "performed": len(took_s),
    }  # fmt: skip


def _own(said: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(name, where) for name, where in said["missions"].items() if where[0] in ("pending", "assigned")]


async def succession_figures(options: BenchOptions) -> BenchResult:
    """Several rounds on the same three nodes."""
    rounds = 2 if options.quick else 10
    found = []
    with tempfile.TemporaryDirectory() as folder:
        async with three_nodes(Path(folder)) as nodes:
            for n in range(rounds):
                options.tell(f"round {n + 1} of {rounds}")
                found.append(await take_over(nodes, _MISSIONS, options.seed * 1_000 + n))
    first, last = [one["first_s"] for one in found], [one["last_s"] for one in found]
    return BenchResult(
        load={"nodes": len(_NAMES), "rounds": rounds, "missions_per_round": _MISSIONS, "server": "NATS"},
        figures={
            "from_sigkill_to_first_mission_s_p50": quantile(first, 0.5),
            "from_sigkill_to_first_mission_s_max": max(first),
            "from_sigkill_to_last_mission_s_max": max(last),
            "missions": rounds * _MISSIONS,
            "lost": sum(one["lost"] for one in found),
            "doubled": sum(one["doubled"] for one in found),
        },
    )  # fmt: skip
