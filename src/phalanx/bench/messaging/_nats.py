"""Agents of two processes that talk over a NATS server, sealed end to end, beside bare nats-py in the same run.

Both processes, the server and the parent share one machine: this is what crossing processes costs, not what a network
does. The time of an envelope is from ``send`` in one process to the agent's hands in the other.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from phalanx.adapters import OsEntropy, SystemClock
from phalanx.adapters.nats import ClusterAccess, NatsServer, NatsServerPlan, Nkey
from phalanx.adapters.tls import self_signed_files
from phalanx.bench._identities import identities_of
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import answer_of, cpu_s, quantile
from phalanx.bench.messaging._bare import Bare, serve_bare
from phalanx.bench.messaging._host import Broadcast, Flow, Seen, Settle, Share, Steady, serve
from phalanx.messaging import Kind
from phalanx.telemetry import Telemetry

AGENTS, EACH_PER_S = 847, 12.3
_BODY_BYTES = (1_024, 4_096)
_NAMES = ("left.bench", "right.bench")
# Of a hundred thousand envelopes so many are of each kind. An alert goes to everybody: one a second is 847 takings.
_MIX = (
    (Kind.COORDINATION, 60_020), (Kind.INTELLIGENCE, 20_000), (Kind.CONSENSUS, 12_000), (Kind.DISCOVERY, 7_970),
    (Kind.ALERT, 10),
)  # fmt: skip
_KILLS = 2


async def nats_bench(options: BenchOptions) -> BenchResult:
    """Steady load, broadcasts, peak flow, and a server that is killed twice; bare nats-py beside it."""
    quick = options.quick
    seconds, n = (5.0, 10_000) if quick else (60.0, 100_000)
    async with _running(options.seed) as (server, hosts):
        steady = await _steady(hosts, seconds)
        broadcasts = await _broadcasts(hosts, 30 if quick else 300)
        peak = {
            "delivered": await _peak(hosts, n, Kind.REPLY),
            "acknowledged": await _peak(hosts, n, Kind.COORDINATION),
        }
        killed = await _killed(hosts, server, 40_000 if quick else 200_000)
    bare = await _bare(steady["far_per_s"], seconds=min(seconds, 10.0), n=n)
    return BenchResult(
        load={
            "agents": AGENTS, "each_per_s": EACH_PER_S, "seconds": seconds, "processes": len(_NAMES),
            "body_bytes": list(_BODY_BYTES), "mix_per_100000": {kind.name.lower(): share for kind, share in _MIX},
            "sealed": "X25519+ML-KEM-768, Ed25519+ML-DSA-65, AES-256-GCM; TLS to the server besides",
            "recipients": "uniform over all agents, so that half of the single ones are in the other process",
            "collector": "what is there to stay is frozen, as in a node that has settled in (`phalanx up`)",
            "peak_envelopes": n, "server_kills": _KILLS,
        },
        figures={"steady": steady, "broadcast": broadcasts, "peak": peak, "server_killed": killed},
        baselines={"bare_nats_py": bare},
        ratios={
            f"peak.{name}": bare["cpu_us_per_message"] / found["cpu_us_per_envelope"] for name, found in peak.items()
        },
    )  # fmt: skip


async def _steady(hosts: "Hosts", seconds: float) -> dict[str, Any]:
    sent = await hosts.order(Steady(seconds, EACH_PER_S, _MIX, _BODY_BYTES))
    ends = await hosts.order(Settle())
    far = [ms for end in ends for times in end["far_ms"].values() for ms in times]
    kinds = {name for end in ends for name in end["far_ms"]}
    own = [ms for end in ends for ms in end["own_ms"]]
    by_kind = {
        name: quantile([ms for end in ends for ms in end["far_ms"].get(name, [])], 0.99) for name in sorted(kinds)
    }
    return {
        "sent_per_s": sum(one["sent"] for one in sent) / seconds,
        "refused_at_once": [one["refused_at_once"] for one in sent], "far_per_s": len(far) / seconds,
        "p50_ms": quantile(far, 0.5), "p99_ms": quantile(far, 0.99), "max_ms": max(far), "p99_ms_by_kind": by_kind,
        "same_process_p99_ms": quantile(own, 0.99), "retries": sum(end["retries"] for end in ends),
        "cpu_share_of_each_process": [one["cpu_share"] for one in sent],
    }  # fmt: skip


async def _broadcasts(hosts: "Hosts", times: int) -> dict[str, Any]:
    """From the sending of an alert to the last acknowledgement, of agents in both processes."""
    took_ms, taken = await hosts.order_one(0, Broadcast(times, _BODY_BYTES[0]))
    await hosts.order(Settle())
    to = hosts.agents * len(_NAMES) - 1
    return {
        "broadcasts": times, "to": to, "acknowledged_share": taken / (times * to),
        "p50_ms": quantile(took_ms, 0.5), "p99_ms": quantile(took_ms, 0.99),
    }  # fmt: skip


async def _peak(hosts: "Hosts", n: int, kind: Kind) -> dict[str, float]:
    """As fast as there is room, from one process to the other; CPU of both, which tells more than the clock."""
    await hosts.order(Seen(n))
    before_s = hosts.cpu_s()
    found = await hosts.order_one(0, Flow(n, kind, _BODY_BYTES[0], wait=False))
    cpu_s = hosts.cpu_s() - before_s
    seen, twice = await hosts.order_one(1, Seen(n))
    return {
        "envelopes_per_s": n / found["seconds"], "cpu_us_per_envelope": cpu_s * 1e6 / n,
        "delivered_share": seen / n, "taken_twice": twice,
    }  # fmt: skip


async def _killed(hosts: "Hosts", server: NatsServer, n: int) -> dict[str, Any]:
    """Acknowledged envelopes while the server is killed under them; each is taken once, and its sender knows."""
    await hosts.order(Seen(n))
    flow = asyncio.create_task(hosts.order_one(0, Flow(n, Kind.COORDINATION, _BODY_BYTES[0], wait=True)))
    kills = 0
    while kills < _KILLS and not flow.done():
        await asyncio.sleep(0.5)
        if server.is_running and not flow.done():
            os.kill(server.pid, signal.SIGKILL)
            kills += 1
            await asyncio.sleep(1.0)
    found = await flow
    seen, twice = await hosts.order_one(1, Seen(n))
    return {
        "sent": n, "kills": kills, "delivered_share": seen / n, "acknowledged_share": found["acknowledged"] / n,
        "taken_twice": twice, "seconds": found["seconds"],
    }  # fmt: skip


class Hosts:
    """The processes with their agents. Made by ``_running``."""

    def __init__(self, children: Sequence[tuple[BaseProcess, Connection]], agents: int) -> None:
        self._children = children
        self.agents = agents

    async def order(self, what: Any) -> list[Any]:
        """The answer of each process."""
        for _, pipe in self._children:
            pipe.send(what)
        return [await asyncio.to_thread(answer_of, pipe) for _, pipe in self._children]

    async def order_one(self, number: int, what: Any) -> Any:
        _, pipe = self._children[number]
        pipe.send(what)
        return await asyncio.to_thread(answer_of, pipe)

    def cpu_s(self) -> float:
        return sum(cpu_s(child.pid or 0) for child, _ in self._children)


@contextlib.asynccontextmanager
async def _running(seed: int) -> AsyncIterator[tuple[NatsServer, Hosts]]:
    clock, entropy = SystemClock(), OsEntropy()
    context = multiprocessing.get_context("spawn")
    children: list[tuple[BaseProcess, Connection]] = []
    with tempfile.TemporaryDirectory(prefix="phalanx-bench-") as name:
        folder = Path(name)
        files, user = self_signed_files(folder / "keys", []), Nkey.generate(entropy)
        plan = NatsServerPlan(folder / "server", users={"bench": user.public}, tls_files=files)
        server = await NatsServer.start(plan, clock=clock, telemetry=Telemetry(clock))
        watch = asyncio.create_task(server.watch())
        access = ClusterAccess((server.url,), files[0].read_text(), user.seed)
        root, identities = identities_of(_NAMES, clock.wall_ns())
        agents = AGENTS // len(_NAMES)
        try:
            for one in _NAMES:
                ours, theirs = context.Pipe()
                (folder / one).mkdir()
                share = Share(
                    one, tuple(other for other in _NAMES if other != one), agents, access,
                    identities[one].to_bytes(), {root.fingerprint: str(root.subject)}, str(folder / one), seed,
                )  # fmt: skip
                child = context.Process(target=serve, args=(share, theirs), daemon=True)
                child.start()
                theirs.close()
                children.append((child, ours))
            for _, pipe in children:
                await asyncio.to_thread(answer_of, pipe)
            yield server, Hosts(children, agents)
        finally:
            for started, _ in children:
                started.kill()
                await asyncio.to_thread(started.join)
            await server.stop()
            await watch


async def _bare(per_s: float, *, seconds: float, n: int) -> dict[str, Any]:
    """nats-py alone: bodies at the same rate, and as fast as it goes, from one process to another."""
    context, clock = multiprocessing.get_context("spawn"), SystemClock()
    children: list[tuple[BaseProcess, Connection]] = []
    with tempfile.TemporaryDirectory(prefix="phalanx-bench-") as folder:
        server = await NatsServer.start(NatsServerPlan(Path(folder)), clock=clock, telemetry=Telemetry(clock))
        try:
            for sends in (False, True):
                ours, theirs = context.Pipe()
                bare = Bare(sends, server.url, per_s, seconds, n, _BODY_BYTES[0])
                child = context.Process(target=serve_bare, args=(bare, theirs), daemon=True)
                child.start()
                theirs.close()
                children.append((child, ours))
                await asyncio.to_thread(answer_of, ours)  # who receives is there before anything is sent
            took_ms, received_cpu_s = await asyncio.to_thread(answer_of, children[0][1])
            sent_cpu_s, peak_s = await asyncio.to_thread(answer_of, children[1][1])
        finally:
            for started, _ in children:
                started.kill()
                await asyncio.to_thread(started.join)
            await server.stop()
    return {
        "messages_per_s": per_s, "p50_ms": quantile(took_ms, 0.5), "p99_ms": quantile(took_ms, 0.99),
        "peak_per_s": n / peak_s, "cpu_us_per_message": (received_cpu_s + sent_cpu_s) * 1e6 / n,
    }  # fmt: skip
