"""The engine of workflows: what it adds to the steps it runs, and what comes of a run that is interrupted.

Everything keeps its results in a SQLite file that is flushed before a commit returns, except plain asyncio, which keeps
nothing. What a flush of this disk takes stands beside it. A **hand-over** is from the end of a quantum step to the
beginning of the classical one that needs it. No step sleeps; devices are emulated in processes beside this one.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.processes import ProcessOffload
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import answer_of, elapsed_ms, flushed_ms, quantile
from phalanx.bench.workflows._flood import flooded
from phalanx.bench.workflows._hedged import hedged
from phalanx.bench.workflows._jobs import SHOTS, job_figures
from phalanx.bench.workflows._kill import killed_everywhere
from phalanx.bench.workflows._loads import (
    CHAIN_STEPS,
    PROCESSES,
    Bed,
    analysis,
    bed,
    chain,
    emulated_fleet,
    flood,
    ideal_fleet,
    triage,
    triage_inputs,
)
from phalanx.bench.workflows._peer import dbos_figures
from phalanx.bench.workflows._plain import Plain
from phalanx.bench.workflows._preserved import Seen, preserved
from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_MS, Rng, Uuid7Source
from phalanx.devices import Fleet
from phalanx.workflows import RunOutcome, StepKind, Template

RUNS = 13_847
_QUICK_RUNS = 1_000
_AT_ONCE = 64
_FLUSHES = 100


async def workflows_bench(options: BenchOptions) -> BenchResult:
    """Overhead, hand-over, triage, makespan, steps that are jobs, many runs at once, and processes killed."""
    quick = options.quick
    chains, triages, rounds = (10, 8, 1) if quick else (100, 50, 5)
    tell = options.tell
    with contextlib.closing(ProcessOffload(PROCESSES)) as processes, contextlib.closing(ThreadOffload(2)) as threads:
        seen: Seen = {}
        emulated, ideal = emulated_fleet(processes, seen), ideal_fleet(threads)
        tell("steps that do nothing")
        engine = await _overhead(ideal, processes, chains)
        tell("hand-overs")
        handover = await _handovers(ideal, processes, triages)
        tell("triage on emulated devices")
        triaged = await _triaged(emulated, processes, triages)
        tell("the standard mix")
        mix = await _mixed(emulated, processes, threads, rounds)
        tell("steps that are jobs")
        jobs, jobs_alone = await job_figures(emulated, processes, _ids(), runs=20 if quick else 200)
    runs = _QUICK_RUNS if quick else RUNS
    tell(f"{runs:,} runs at once")
    many = await asyncio.to_thread(_in_a_process, runs)
    tell("processes killed")
    killed = await asyncio.to_thread(killed_everywhere, every=6 if quick else 1)
    tell("a worker that straggles")
    slowest = await hedged(60 if quick else 400)
    tell("DBOS")
    peer = await dbos_figures(chains=max(2, chains // 5), floods=20 if quick else 500)
    figures = {
        "between_steps_ms": engine["between_steps_ms"], "cpu_ms_per_step": engine["cpu_ms_per_step"],
        "handover_ms": handover, "triage": triaged, "makespan_s": {"coordinated": mix["coordinated"]},
        "preservation": preserved(seen), "many_runs": many, "killed": killed,
        "straggling_worker": slowest, "steps_as_jobs": jobs,
    }  # fmt: skip
    return BenchResult(
        load={
            "chain_steps": CHAIN_STEPS, "chains": chains, "triages": triages, "mix": mix["load"], "runs_at_once": runs,
            "handover_runs_at_once": _AT_ONCE, "processes": PROCESSES, "shots_of_a_job": SHOTS,
            "store": "one SQLite file, flushed before each commit returns",
            "devices": "emulated from published calibrations, in processes; of many runs: an ideal simulator",
        },
        figures=figures,
        baselines={
            "flush_ms": _flushed(), "between_steps_plain_asyncio_ms": engine["plain_ms"],
            "makespan_s": {"one_by_one": mix["one_by_one"], "plain_asyncio": mix["plain"]}, "dbos": peer,
            "jobs_without_the_engine": jobs_alone,
        },
        ratios={
            "shorter_than_one_by_one": 1 - mix["coordinated"] / mix["one_by_one"],
            "over_plain_asyncio": mix["coordinated"] / mix["plain"],
            "job_overhead_over_that_alone": jobs["overhead_ms"]["p50"] / jobs_alone["overhead_ms"]["p50"],
        },
    )  # fmt: skip


async def _overhead(fleet: Fleet, processes: ProcessOffload, chains: int) -> dict[str, Any]:
    """From the end of a step that does nothing to the beginning of the next."""
    found: dict[str, Any] = {"between_steps_ms": {}, "cpu_ms_per_step": {}}
    ids = _ids()
    for pure in (True, False):
        template = chain(pure=pure)
        async with bed(fleet, processes, template) as made:
            await _run(made, template, ids.new())
            cpu_s = time.process_time()
            gaps = [
                gap for _ in range(chains if pure else max(2, chains // 4))
                for gap in _gaps_ms(template, await _run(made, template, ids.new()))
            ]  # fmt: skip
            steps = len(gaps) * CHAIN_STEPS / (CHAIN_STEPS - 1)
            name = "pure" if pure else "acting_outside"
            found["cpu_ms_per_step"][name] = 1e3 * (time.process_time() - cpu_s) / steps
            found["between_steps_ms"][name] = _quantiles(gaps)
    plain = Plain(fleet, ThreadOffload(1), processes)
    begun_ns = time.perf_counter_ns()
    for _ in range(chains):
        await plain.run(chain(pure=True), run="plain", seed=1, inputs={})
    found["plain_ms"] = elapsed_ms(begun_ns) / (chains * CHAIN_STEPS)
    plain.threads.close()
    return found


async def _handovers(fleet: Fleet, processes: ProcessOffload, runs: int) -> dict[str, Any]:
    """Runs one after the other, and many at once."""
    template, ids = flood(), _ids()
    async with bed(fleet, processes, template) as made:
        alone = [gap for _ in range(4 * runs) for gap in _gaps_ms(template, await _run(made, template, ids.new()))]
        loaded: list[float] = []
        for _ in range(max(2, 4 * runs // _AT_ONCE)):
            outcomes = await asyncio.gather(*(_run(made, template, ids.new()) for _ in range(_AT_ONCE)))
            loaded += [gap for outcome in outcomes for gap in _gaps_ms(template, outcome)]
    return {"alone": _quantiles(alone), "loaded": _quantiles(loaded), "hand_overs": len(alone) + len(loaded)}


async def _triaged(fleet: Fleet, processes: ProcessOffload, runs: int) -> dict[str, Any]:
    """From being asked for to the assessment on disk."""
    ids, times_ms, gaps = _ids(), [], []
    async with bed(fleet, processes, triage) as made:
        for _ in range(2 * PROCESSES):
            await asyncio.gather(*(_run(made, triage, ids.new(), triage_inputs()) for _ in range(2 * PROCESSES)))
        for _ in range(runs):
            begun_ns = time.perf_counter_ns()
            outcome = await _run(made, triage, ids.new(), triage_inputs())
            times_ms.append(elapsed_ms(begun_ns))
            gaps += _gaps_ms(triage, outcome)
    devices = sorted({one.device for one in outcome.results["estimate"].provenance})
    return {"ms": _quantiles(times_ms), "handover_ms": _quantiles(gaps), "devices": devices}


async def _mixed(fleet: Fleet, processes: ProcessOffload, threads: ThreadOffload, rounds: int) -> dict[str, Any]:
    """Three triages and three analyses, by the engine, one step after the other, and by plain asyncio."""
    ids, template = _ids(), analysis()
    wanted: list[tuple[Template, dict[str, Any]]] = [*[(triage, triage_inputs())] * 3, *[(template, {})] * 3]
    plain = Plain(fleet, threads, processes)
    seconds: dict[str, list[float]] = {"coordinated": [], "one_by_one": [], "plain": []}
    async with bed(fleet, processes, triage, template) as made:
        for _ in range(2):  # Circuits are fitted to machines, and the pool learns how long they take there.
            await asyncio.gather(*(_run(made, one, ids.new(), inputs) for one, inputs in wanted))
        for _ in range(rounds):
            runs = [(one, inputs, ids.new()) for one, inputs in wanted]
            begun_s = time.perf_counter()
            outcomes = await asyncio.gather(*(_run(made, one, run, inputs) for one, inputs, run in runs))
            seconds["coordinated"].append(time.perf_counter() - begun_s)
            seeds = [await _seed(made, run) for _, _, run in runs]
            begun_s = time.perf_counter()
            again = await asyncio.gather(
                *(
                    plain.run(one, run=run, seed=seed, inputs=inputs)
                    for (one, inputs, run), seed in zip(runs, seeds, strict=True)
                )
            )
            seconds["plain"].append(time.perf_counter() - begun_s)
            begun_s = time.perf_counter()
            for (one, inputs, run), seed in zip(runs, seeds, strict=True):
                await plain.run(one, run=run, seed=seed, inputs=inputs, one_by_one=True)
            seconds["one_by_one"].append(time.perf_counter() - begun_s)
            for outcome, other in zip(outcomes, again, strict=True):
                fused = outcome.results.get("fuse")
                assert fused is None or fused.output == other["fuse"], "the same seed gives the same answer"
    return {
        **{name: sorted(values)[len(values) // 2] for name, values in seconds.items()},
        "load": {"triages": 3, "analyses": 3, "steps": sum(len(one.steps) for one, _ in wanted), "rounds": rounds},
    }


async def _run(made: Bed, template: Template, run: str, inputs: dict[str, Any] | None = None) -> RunOutcome:
    return await made.engine.run(
        template.name, run_id=run, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs=inputs or {}
    )  # fmt: skip


async def _seed(made: Bed, run: str) -> int:
    begun = await made.engine.runs.get(DEFAULT_TENANT, run)
    assert begun is not None
    return begun.seed


def _gaps_ms(template: Template, outcome: RunOutcome) -> list[float]:
    """From the end of the last step that each one needed to its beginning; where there is a quantum step, from that."""
    kinds = {step.name: step.kind for step in template.steps}
    has_quantum = StepKind.QUANTUM in kinds.values()
    found = []
    for step in template.steps:
        if not step.needs or (has_quantum and not _is_handover(step.kind, [kinds[need] for need in step.needs])):
            continue
        ended_ns = max(outcome.results[need].finished_ns for need in step.needs)
        found.append((outcome.results[step.name].started_ns - ended_ns) / NS_PER_MS)
    return found


def _is_handover(kind: StepKind, needed: Sequence[StepKind]) -> bool:
    return kind is StepKind.CLASSICAL and StepKind.QUANTUM in needed


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    return {"p50": quantile(values, 0.5), "p99": quantile(values, 0.99)}


def _ids() -> Uuid7Source:
    return Uuid7Source(SystemClock(), Rng(os.getpid()).bits)


def _in_a_process(runs: int) -> dict[str, Any]:
    """Memory is a process's, so many runs have one of their own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=flooded, args=(runs, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        found: dict[str, Any] = answer_of(ours)
    finally:
        process.join()
    return found


def _flushed() -> dict[str, float]:
    """What this disk takes to have four kilobytes on it."""
    with tempfile.TemporaryDirectory(prefix="phalanx-bench-") as name, (Path(name) / "flushed").open("wb") as file:
        times_ms = [flushed_ms(file) for _ in range(_FLUSHES)]
    return _quantiles(times_ms)
