"""Many runs at once, in a process of its own: each with a quantum step and two classical ones, all executed."""

import asyncio
import contextlib
import os
import resource
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.processes import ProcessOffload
from phalanx.bench._timing import cpu_s, quantile
from phalanx.bench.workflows._loads import bed, flood, ideal_fleet
from phalanx.core import DEFAULT_TENANT, MIB, NS_PER_MS, Rng, Uuid7Source
from phalanx.workflows import RunStatus, StepKind

_LOOK_S = 0.05
_SEEN = 500


def flooded(runs: int, pipe: Connection) -> None:
    """The process: tells what came of it, and ends."""
    pipe.send(asyncio.run(_flooded(runs)))
    pipe.close()


async def _flooded(runs: int) -> dict[str, Any]:
    template, ids = flood(), Uuid7Source(SystemClock(), Rng(1).bits)
    with contextlib.closing(ThreadOffload(2)) as threads, contextlib.closing(ProcessOffload(1)) as processes:
        async with bed(ideal_fleet(threads), processes, template) as made:
            engine = made.engine
            serving = asyncio.ensure_future(engine.serve())
            await asyncio.sleep(0)
            before_mib, names = _resident_mib(), [ids.new() for _ in range(runs)]
            begun_s, begun_cpu_s = time.perf_counter(), cpu_s(os.getpid())
            await asyncio.gather(
                *(engine.submit(template.name, run_id=name, tenant=DEFAULT_TENANT, inputs={}) for name in names)
            )
            admitted_s, in_flight = time.perf_counter() - begun_s, engine.in_flight
            peak = in_flight
            while engine.in_flight:
                peak = max(peak, engine.in_flight)
                await asyncio.sleep(_LOOK_S)
            seconds, used_s = time.perf_counter() - begun_s, cpu_s(os.getpid()) - begun_cpu_s
            peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            done, steps, gaps_ms = 0, 0, []
            for at, name in enumerate(names):
                held = await engine.states.held(DEFAULT_TENANT, name)
                done += held is not None and held.state.status is RunStatus.DONE
                if at % max(1, runs // _SEEN) == 0:
                    results = {one.step: one for one in await engine.runs.steps(DEFAULT_TENANT, name)}
                    steps += len(results)
                    assert results["toss"].step_kind is StepKind.QUANTUM
                    assert results["toss"].provenance
                    gaps_ms.append((results["weigh"].started_ns - results["toss"].finished_ns) / NS_PER_MS)
            return {
                "runs": runs, "done": done, "steps_each": steps / len(gaps_ms), "seconds": seconds,
                "runs_per_s": runs / seconds, "cpu_ms_per_run": 1e3 * used_s / runs, "submitted_s": admitted_s,
                "most_in_flight": peak, "resident_mib_before": before_mib, "resident_mib_most": peak_mib,
                "kib_per_run": (peak_mib - before_mib) * 1024 / runs,
                "handover_ms": {"p50": quantile(gaps_ms, 0.5), "p99": quantile(gaps_ms, 0.99)},
            }  # fmt: skip


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB
