"""What `phalanx bench workflows` says of runs is true of them, on a small scale."""

import asyncio
import contextlib
from multiprocessing import get_context

import pytest

from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.processes import ProcessOffload
from phalanx.bench.workflows._flood import flooded
from phalanx.bench.workflows._jobs import job_figures
from phalanx.bench.workflows._kill import killed_everywhere
from phalanx.bench.workflows._loads import analysis, bed, emulated_fleet, flood, ideal_fleet
from phalanx.bench.workflows._plain import Plain
from phalanx.bench.workflows._preserved import Noting, preserved
from phalanx.core import DEFAULT_TENANT, NO_TRACE, Rng, Uuid7Source
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.quantum import Gates


@pytest.mark.requirement("HWF-5")
def test_every_run_of_many_has_its_three_steps_executed():
    ours, theirs = get_context("spawn").Pipe()
    flooded(60, theirs)
    found = ours.recv()
    assert found["done"] == found["runs"] == 60
    assert found["steps_each"] == 3


@pytest.mark.requirement("HWF-5")
def test_steps_that_are_jobs_are_measured_beside_the_same_jobs_without_the_engine():
    async def main():
        with contextlib.closing(ProcessOffload(1)) as processes:
            ids = Uuid7Source(SystemClock(), Rng(1).bits)
            return await job_figures(emulated_fleet(processes, {}), processes, ids, runs=2)

    steps, alone = asyncio.run(main())
    assert steps["jobs"] == 2
    for found in (steps, alone):
        assert 0 < found["own_ms"]["p50"] <= found["own_ms"]["p99"]
        assert 0 < found["overhead_ms"]["p50"] <= found["overhead_ms"]["p99"]


@pytest.mark.requirement("HWF-4")
def test_a_killed_process_repeats_and_loses_nothing():
    found = killed_everywhere(every=7)
    assert found["deaths"] >= 2
    assert (found["repeated"], found["lost"], found["unfinished"]) == (0, 0, 0)


def test_the_same_steps_give_the_same_answers_without_the_engine():
    async def main():
        with (
            contextlib.closing(ThreadOffload(1)) as threads,
            contextlib.closing(ProcessOffload(1)) as processes,
        ):
            fleet = ideal_fleet(threads)
            async with bed(fleet, processes, flood()) as made:
                run = Uuid7Source(SystemClock(), Rng(1).bits).new()
                outcome = await made.engine.run("flood", run_id=run, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs={})
                begun = await made.engine.runs.get(DEFAULT_TENANT, run)
            plain = Plain(fleet, threads, processes)
            for one_by_one in (False, True):
                again = await plain.run(flood(), run=run, seed=begun.seed, inputs={}, one_by_one=one_by_one)
                assert again == {name: result.output for name, result in outcome.results.items()}

    asyncio.run(main())


def test_the_mix_has_quantum_and_classical_steps():
    kinds = [step.kind.value for step in analysis().steps]
    assert kinds.count("quantum") == kinds.count("classical") == 3


def test_what_is_kept_of_a_circuit_is_told_as_a_share():
    async def main():
        seen = {}
        with contextlib.closing(ThreadOffload(1)) as threads:
            context = ProviderContext(threads, SystemClock(), frozenset())
            fleet = Fleet([Noting(backend, seen) for backend in local_provider(context).backends()[:1]])
            circuit = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
            await fleet.place(2).backend.run(circuit, shots=8, seed=1)
        assert len(seen) == 1
        assert 0 < preserved(seen)["mean"] <= 1

    asyncio.run(main())
