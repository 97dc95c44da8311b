"""A worker's process: pieces of a node's workflows, done here."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from phalanx import __version__
from phalanx.adapters import OsEntropy, SystemClock, machine_name
from phalanx.adapters.nats import ClusterAccess, NatsHandLine
from phalanx.adapters.processes import ProcessOffload
from phalanx.core import Rng
from phalanx.node.workers._worker_token import WorkerToken
from phalanx.node.workers._workflows import registered_functions
from phalanx.telemetry import LogSink, Telemetry
from phalanx.workflows.workers import Functions, Hand, HandPlan, WorkerSeals


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """``processes`` is how many pieces at once, 0 for one per core; ``drain_s`` how long leaving may take."""

    token: WorkerToken
    processes: int = 0
    drain_s: float = 30.0


async def run_worker(
    plan: WorkerPlan, *, stop: asyncio.Event, on_ready: Callable[[int, int], None], log_sink: LogSink,
    functions: Functions | None = None,
) -> None:  # fmt: skip
    """Work until ``stop``, then finish what is under way. ``on_ready`` is told processes and functions once connected.
    ``functions`` are what it can be asked for: those that are installed, unless others are named.

    Raises ``Unavailable`` when the server does not let us in; one that is not there yet is waited for.
    """
    token, clock, entropy = plan.token, SystemClock(), OsEntropy()
    telemetry = Telemetry(clock, log_sink=log_sink)
    functions = functions if functions is not None else registered_functions()
    access = ClusterAccess(token.urls, token.ca, token.seed).worker(token.name)
    seals = WorkerSeals(token.name, token.secret, entropy, node=False)
    line = NatsHandLine(access, token.name, seals, clock=clock, rng=Rng(int.from_bytes(entropy.token(8))))
    with contextlib.closing(ProcessOffload(plan.processes)) as processes:
        told = HandPlan(slots=processes.most, machine=machine_name(), release=__version__, drain_s=plan.drain_s)
        hand = Hand(functions, line, processes, clock, telemetry, told)
        keeping = asyncio.ensure_future(line.serve())
        try:
            await _first(keeping, line.wait_connected())
            on_ready(processes.most, len(functions.all))
            working = asyncio.ensure_future(hand.serve())
            try:
                await _first(keeping, stop.wait())
            finally:
                hand.leave()
                await _first(keeping, asyncio.wait([working]))
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


async def _first(keeping: "asyncio.Future[None]", what: Awaitable[object]) -> None:
    """Until ``what`` is over; raises what ended the connection for good before that."""
    other: asyncio.Future[object] = asyncio.ensure_future(what)
    both: list[asyncio.Future[object]] = [keeping, other]  # type: ignore[list-item]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not other.done():
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        keeping.result()
    other.result()
