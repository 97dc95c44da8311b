"""The benchmarks there are. A benchmark's module is imported when it runs."""

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from phalanx.bench._model import Bench, BenchOptions, BenchResult
from phalanx.bench.public import data_in


def _lazy(name: str, title: str, module: str, suites: tuple[str, ...] = (), kernels: tuple[str, ...] = ()) -> Bench:
    async def run(options: BenchOptions) -> BenchResult:
        found: BenchResult = await getattr(importlib.import_module(module), f"{name}_bench")(options)
        return found

    return Bench(name, title, run, suites, kernels)


BENCHES: dict[str, Bench] = {
    bench.name: bench
    for bench in (
        _lazy(
            "agents",
            "1,000 agents of eight roles at work in one node, and what it takes to replace one",
            "phalanx.bench.agents._bench",
            ("assignment", "succession"),
        ),
        _lazy(
            "assessment",
            "attacks in flows and on hosts, with and without a quantum kernel: quality, calibration, differences",
            "phalanx.bench.analyses._assessments",
        ),
        _lazy(
            "allocation",
            "deciding where a circuit goes: microseconds over 68 and 1,000 devices, alone and end to end",
            "phalanx.bench.allocation._allocation",
            kernels=("allocation",),
        ),
        _lazy(
            "balancing",
            "operations over resources: gap to the bound, time, and list rules beside it",
            "phalanx.bench.balancing._bench",
            ("braun", "rcmax", "stream"),
            ("balancing",),
        ),
        _lazy(
            "consensus",
            "agreement of 4 to 847 agents, with faults",
            "phalanx.bench.consensus._bench",
            kernels=("votes",),
        ),
        _lazy(
            "crypto",
            "sign, verify, encapsulate, seal: each algorithm beside its bare library call",
            "phalanx.bench.trust._crypto",
        ),
        _lazy(
            "detect",
            "all public Sigma rules over recorded attacks: speed, memory, agreement",
            "phalanx.bench.intel._detect",
        ),
        _lazy(
            "delivery",
            "telling each kind of sink: items a second beside bare requests, and what crashes lose or double",
            "phalanx.bench.intel._delivery",
        ),
        _lazy(
            "indicators",
            "values looked for: look-ups a second, from strings and hashed, memory and building",
            "phalanx.bench.intel._indicators",
            kernels=("indicators",),
        ),
        _lazy(
            "detectors",
            "detectors on NSL-KDD with its honest split, and on traces of known truth",
            "phalanx.bench.intel._detectors",
        ),
        _lazy(
            "ingest",
            "reading every format and every line of the recordings, a listener, and hostile input",
            "phalanx.bench.intel._ingest",
        ),
        _lazy(
            "search",
            "the archive of events: filling it, bytes on disk, and ad hoc questions, cold and warm",
            "phalanx.bench.intel._search",
        ),
        _lazy(
            "cases",
            "findings put together into incidents, against streams of known truth",
            "phalanx.bench.intel._cases",
        ),
        _lazy(
            "ledger", "durable appends, proofs, opening and a full audit of the ledger", "phalanx.bench.trust._ledger"
        ),
        _lazy(
            "messaging",
            "agents that talk: time, throughput, broadcasts, loss",
            "phalanx.bench.messaging._bench",
            ("nats",),
        ),
        _lazy("pipeline", "events a second end to end, and time from event to finding", "phalanx.bench._pipeline"),
        _lazy(
            "foresight",
            "what agents foresee, on drawn histories: five questions by quantum and classical means, time-split",
            "phalanx.bench.analyses._foresight",
        ),
        _lazy(
            "mitigation",
            "what error mitigation brings and costs, on emulated devices whose noise has drifted",
            "phalanx.bench.analyses._mitigation",
        ),
        _lazy(
            "quantum",
            "quantum routines, simulated: largest instance, agreement with the exact answer, scaling, kernels a second",
            "phalanx.bench.analyses._quantum",
        ),
        _lazy(
            "placement",
            "realised fidelity of placed circuits by policy, under noise that has drifted from what was known",
            "phalanx.bench.allocation._placement",
            kernels=("allocation",),
        ),
        _lazy(
            "forecast",
            "arrivals and queues of a real trace forecast beside persistence, and what warming ahead is worth",
            "phalanx.bench.allocation._forecast",
        ),
        _lazy(
            "routing",
            "quantum or classical: regret of choosing, on held-out circuits with real queues",
            "phalanx.bench.allocation._routing",
            kernels=("allocation",),
        ),
        _lazy(
            "learning",
            "errors of predicted fidelity and waits on a later slice of time, and the learning curve of placement",
            "phalanx.bench.allocation._learning",
            kernels=("allocation",),
        ),
        _lazy(
            "sharing", "STIX bundles, and a TAXII collection filled and read over HTTP", "phalanx.bench.intel._sharing"
        ),
        _lazy("startup", "import, --help and start of a node, as whole processes", "phalanx.bench._startup"),
        _lazy("storage", "commits, appends and reads of the durable ports", "phalanx.bench._storage"),
        _lazy(
            "workflows",
            "hybrid runs: overhead, hand-over, triage, makespan, 13,847 at once, processes killed; beside DBOS",
            "phalanx.bench.workflows._bench",
        ),
        _lazy(
            "utilisation",
            "useful time of devices under a replay of real queues, beside FIFO and the least busy",
            "phalanx.bench.allocation._utilisation",
        ),
    )
}


def run_bench(
    name: str,
    *,
    seed: int,
    quick: bool,
    machine: dict[str, Any],
    agents: tuple[int, ...] = (),
    suite: str = "",
    processes: int = 1,
    tell: Callable[[str], None] | None = None,
    data: Path | None = None,
) -> dict[str, Any]:
    """Run one benchmark and give its result in the documented form. ``tell`` hears what is measured now,
    ``data`` is where public data lies instead of where it is looked for."""
    options = BenchOptions(seed, quick, agents, suite, processes)
    with data_in(data):
        result = asyncio.run(BENCHES[name].run(replace(options, tell=tell) if tell is not None else options))
    return {
        "bench": f"{name}.{suite}" if suite else name,
        "machine": machine,
        "load": dict(result.load),
        "figures": dict(result.figures),
        "baselines": dict(result.baselines),
        "ratios": dict(result.ratios),
        "seed": seed,
    }
