"""DBOS, a public library for workflows that outlive their process, on a SQLite file of its own; where it is installed.

It runs the same chains and the same three steps in this process. What its steps return is on disk before the next one
begins, as with steps here that may act outside; it has no quantum devices, so the circuit is run by ours.
"""

import asyncio
import contextlib
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

from phalanx.adapters import ThreadOffload
from phalanx.bench._timing import quantile
from phalanx.bench.workflows._loads import CHAIN_STEPS, ideal_fleet, tossed, weighed
from phalanx.core import NS_PER_MS


async def dbos_figures(*, chains: int, floods: int) -> dict[str, Any]:
    """Time between steps, and runs of three steps begun at once; or why there is nothing to tell."""
    try:
        from dbos import DBOS, DBOSConfig
    except ModuleNotFoundError:
        return {"left_out": "pip install dbos: no extra brings it, for it brings LGPL libraries"}
    logging.getLogger("dbos").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="phalanx-bench-") as name:
        config: Any = {
            "name": "phalanx-bench", "system_database_url": f"sqlite:///{Path(name) / 'dbos.sqlite'}",
            "run_admin_server": False, "log_level": "ERROR",
        }  # fmt: skip
        DBOS(config=DBOSConfig(**config))
        with contextlib.closing(ThreadOffload(2)) as threads:
            try:
                return await _measured(DBOS, threads, chains, floods)
            finally:
                DBOS.destroy()


async def _measured(dbos: Any, threads: ThreadOffload, chains: int, floods: int) -> dict[str, Any]:
    gaps_ms: list[float] = []
    last_ns = 0
    fleet = ideal_fleet(threads)
    circuit = tossed()

    @dbos.step()  # type: ignore[untyped-decorator, unused-ignore]
    async def nothing(before: int) -> int:
        nonlocal last_ns
        now_ns = time.perf_counter_ns()
        if last_ns:
            gaps_ms.append((now_ns - last_ns) / NS_PER_MS)
        last_ns = time.perf_counter_ns()
        return before + 1

    @dbos.step()  # type: ignore[untyped-decorator, unused-ignore]
    async def toss(seed: int) -> dict[str, int]:
        backend = fleet.place(circuit.n_qubits, shots=32).backend
        return dict((await backend.run(circuit, shots=32, seed=seed)).counts)

    @dbos.step()  # type: ignore[untyped-decorator, unused-ignore]
    async def weigh(counts: dict[str, int]) -> str:
        return weighed(counts)

    @dbos.step()  # type: ignore[untyped-decorator, unused-ignore]
    async def say(digest: str) -> bool:
        return int(digest, 16) % 2 == 0

    @dbos.workflow()  # type: ignore[untyped-decorator, unused-ignore]
    async def chain() -> int:
        found = 0
        for _ in range(CHAIN_STEPS):
            found = await nothing(found)
        return found

    @dbos.workflow()  # type: ignore[untyped-decorator, unused-ignore]
    async def flood(seed: int) -> bool:
        return bool(await say(await weigh(await toss(seed))))

    dbos.launch()
    for _ in range(chains):
        last_ns = 0
        await chain()
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for seed in range(floods):
            group.create_task(flood(seed))
    seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    return {
        "between_steps_ms": {"p50": quantile(gaps_ms, 0.5), "p99": quantile(gaps_ms, 0.99)},
        "flood": {
            "runs": floods, "seconds": seconds, "runs_per_s": floods / seconds, "cpu_ms_per_run": 1e3 * cpu_s / floods,
        },
    }  # fmt: skip
