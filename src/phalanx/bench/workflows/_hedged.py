"""A worker that straggles, with and without second tries: the slowest calls of a function, over a real NATS server.

One of two workers is many times slower at a part of what it does: it does the work over and over before it answers, as
a machine does whose cores are somebody else's. Both runs ask for the same, one call after the other.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from phalanx.adapters import OsEntropy, SystemClock
from phalanx.adapters.nats import NatsCluster, NatsHandLine, ServePlan
from phalanx.adapters.processes import ProcessOffload
from phalanx.bench._timing import elapsed_ms, quantile
from phalanx.core import DEFAULT_TENANT, Rng, Unavailable
from phalanx.telemetry import Telemetry
from phalanx.workflows.workers import Crew, Functions, Hand, HandPlan, PieceAsked, WorkerSeals, function_named

P = ParamSpec("P")
T = TypeVar("T")
_WORKERS, _STRAGGLES, _SLOWER = ("steady", "straggling"), 0.1, 25
_PRIMES_BELOW = 200_000


def primes(seed: int) -> int:
    """Some ten milliseconds of one core."""
    sieve = bytearray(b"\1") * _PRIMES_BELOW
    for n in range(2, int(_PRIMES_BELOW**0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, _PRIMES_BELOW, n)))
    return sum(at for at in range(2 + seed % 7, _PRIMES_BELOW) if sieve[at])


def primes_slowly(seed: int) -> int:
    """What the straggling worker does now and then."""
    return [primes(seed) for _ in range(_SLOWER)][-1]


_PRIMES = function_named("bench.primes", primes)


class _Straggling:
    """An ``Offload`` that does some calls many times over."""

    def __init__(self, processes: ProcessOffload, rng: Rng) -> None:
        self._processes, self._rng = processes, rng

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        slow: Any = primes_slowly if self._rng.chance(_STRAGGLES) else work
        found: T = await self._processes.run(slow, *args, **kwargs)
        return found


async def hedged(calls: int) -> dict[str, Any]:
    """Times of calls with second tries and without, or why there are none."""
    try:
        async with _cluster() as (cluster, seals):
            found = {}
            for name, share in (("off", 0.0), ("on", 0.95)):
                found[name] = await _asked(cluster, seals, name, calls, share)
    except Unavailable as error:
        return {"left_out": str(error)}
    return found | {"calls": calls, "straggles": _STRAGGLES / 2, "times_slower": _SLOWER}


@contextlib.asynccontextmanager
async def _cluster() -> AsyncIterator[tuple[NatsCluster, dict[str, WorkerSeals]]]:
    clock, entropy = SystemClock(), OsEntropy()
    with tempfile.TemporaryDirectory(prefix="phalanx-bench-") as folder:
        cluster = NatsCluster(Path(folder) / "cluster", ServePlan(), clock=clock, rng=Rng(1), entropy=entropy)
        seals: dict[str, WorkerSeals] = {}
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(cluster.close)
            await cluster.open("bench.local", Telemetry(clock), lambda *_: None)
            for name in _WORKERS:
                processes = stack.enter_context(contextlib.closing(ProcessOffload(1)))
                await processes.run(primes, 0)
                offload = processes if name == _WORKERS[0] else _Straggling(processes, Rng(7))
                access, secret = await cluster.invite_worker(name), entropy.token(32)
                seals[name] = WorkerSeals(name, secret, entropy, node=True)
                line = NatsHandLine(
                    access.worker(name), name, WorkerSeals(name, secret, entropy, node=False), clock=clock, rng=Rng(2)
                )
                plan = HandPlan(slots=1, machine=name, release="bench")
                hand = Hand(Functions([_PRIMES]), line, offload, clock, Telemetry(clock), plan)
                for work in (line.serve(), hand.serve()):
                    task = asyncio.ensure_future(work)
                    stack.push_async_callback(_ended, task)
            yield cluster, seals


async def _asked(
    cluster: NatsCluster, seals: dict[str, WorkerSeals], name: str, calls: int, share: float
) -> dict[str, Any]:
    """A crew of no processes of its own that are free: a second try is another worker's."""
    clock = SystemClock()
    with contextlib.closing(ProcessOffload(1)) as local:
        crew = Crew(
            Functions([_PRIMES]), local, clock, Telemetry(clock), slots=0, release="bench",
            line=cluster.crew_line(seals), hedge=share,
        )  # fmt: skip
        serving = asyncio.ensure_future(crew.serve())
        try:
            while sum(one.stage == "here" for one in crew.workers()) < len(_WORKERS):
                await clock.sleep(0.01)
            times_ms, second = [], 0
            for at in range(calls):
                piece = PieceAsked(id=f"{name}-{at}", tenant=DEFAULT_TENANT, function=_PRIMES, arguments=(at,))
                begun_ns = time.perf_counter_ns()
                _, done = await crew.run(piece)
                times_ms.append(elapsed_ms(begun_ns))
                second += done.hedge != ""
        finally:
            await _ended(serving)
    return {
        "ms": {"p50": quantile(times_ms, 0.5), "p95": quantile(times_ms, 0.95), "p99": quantile(times_ms, 0.99)},
        "begun_twice": second,
    }  # fmt: skip


async def _ended(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
