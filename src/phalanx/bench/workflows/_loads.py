"""What `phalanx bench workflows` runs: an engine on a file of its own, and the workflows of its loads.

No step sleeps: a classical one computes, a quantum one has circuits run or amplitudes computed. What keeps a core busy
is a plain function here, so that a pool of processes takes it for the engine and for what it is compared with alike.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.processes import ProcessOffload
from phalanx.adapters.providers import ibm_provider
from phalanx.adapters.storage import SqliteStore
from phalanx.bench.workflows._preserved import Noting, Seen
from phalanx.core import Circuit, Origin, Provenance, Rng, Severity, Store, derive_id
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.incidents import triage_template
from phalanx.quantum import Gates
from phalanx.quantum.routines import Action, choose_responses, search_indicators, walk_paths
from phalanx.telemetry import Telemetry
from phalanx.workflows import Engine, Step, StepContext, StepKind, StepOutput, Template, portable
from phalanx.workflows.operations import BUILT_IN
from phalanx.workflows.workers import Crew, function_named

CHAIN_STEPS = 20
_VALUES, _WANTED, _GRID, _ACTIONS, _SORTED = 2_048, 3, 12, 10, 400_000
PROCESSES = 2
MACHINES, MACHINE_QUBITS = 2, 5
_AT_NS = 1_760_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Bed:
    """An engine on a SQLite file, with everything real beside it."""

    engine: Engine
    store: Store
    folder: Path


@contextlib.asynccontextmanager
async def bed(fleet: Fleet, processes: ProcessOffload, *templates: Template, seed: int = 1) -> AsyncIterator[Bed]:
    """The engine and its file, for the length of the block."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="phalanx-bench-") as name, contextlib.closing(ThreadOffload(4)) as threads:
        store = await SqliteStore.open(Path(name) / "store.db")
        try:
            telemetry, known = Telemetry(clock), portable(BUILT_IN, templates)
            for called, work in MIXED.items():
                known.add(function_named(f"bench.{called}", work))
            crew = Crew(known, processes, clock, telemetry, slots=PROCESSES, release="bench")
            made = Engine(store, clock, telemetry, fleet, threads, Rng(seed), processes=processes, crew=crew)
            for template in templates:
                made.register(template)
            yield Bed(made, store, Path(name))
        finally:
            await store.close()


def emulated_fleet(processes: ProcessOffload, seen: Seen) -> Fleet:
    """A few machines emulated from published calibrations, in other processes; ``seen`` notes what they are given.

    The smallest on which the triage fits: more of them would have the bench measure how circuits are fitted to them.
    """
    backends = ibm_provider(ProviderContext(processes, SystemClock(), frozenset())).backends()
    emulated = [backend for backend in backends if backend.device.origin is Origin.EMULATED]
    emulated.sort(
        key=lambda backend: (backend.device.reach < MACHINE_QUBITS, backend.device.reach, backend.device.name)
    )
    return Fleet(Noting(backend, seen) for backend in emulated[:MACHINES])


def ideal_fleet(threads: ThreadOffload) -> Fleet:
    return Fleet(local_provider(ProviderContext(threads, SystemClock(), frozenset())).backends())


def chain(*, pure: bool) -> Template:
    """Steps that do nothing, one after the other: what is left is the engine."""

    async def nothing(context: StepContext) -> int:
        return sum(int(result.output) for result in context.results.values()) + 1

    steps = tuple(
        Step(
            name=f"s{at:02}", kind=StepKind.CLASSICAL, run=nothing, needs=(f"s{at - 1:02}",) if at else (), pure=pure
        )
        for at in range(CHAIN_STEPS)
    )  # fmt: skip
    return Template(name="chain" if pure else "acting-chain", title="Steps that do nothing", steps=steps)


def tossed() -> Circuit:
    """Three qubits in one state or the other."""
    return Gates(3).h(0).cx(0, 1).cx(1, 2).measure(0, 1, 2).circuit()


def weighed(counts: Mapping[str, int]) -> str:
    """A digest of what was counted."""
    return hashlib.sha256(repr(sorted(counts.items())).encode()).hexdigest()


def flood() -> Template:
    """The least that is a hybrid workflow: one quantum step and two classical ones, all of them executed."""

    async def toss(context: StepContext) -> StepOutput:
        found = await context.run_circuit(tossed(), shots=32, seed=context.seed)
        return StepOutput(value=found.counts, provenance=(found.provenance,))

    async def heads(_: StepContext) -> dict[str, int]:
        return {"000": 32}

    async def weigh(context: StepContext) -> str:
        return weighed(context.results["toss"].output)

    async def say(context: StepContext) -> bool:
        return int(context.results["weigh"].output, 16) % 2 == 0

    return Template(
        name="flood", title="One quantum and two classical steps",
        steps=(
            Step(name="toss", kind=StepKind.QUANTUM, run=toss, fallback=heads, pure=True),
            Step(name="weigh", kind=StepKind.CLASSICAL, run=weigh, needs=("toss",), pure=True),
            Step(name="say", kind=StepKind.CLASSICAL, run=say, needs=("weigh",), pure=True),
        ),
    )  # fmt: skip


def triage_inputs() -> dict[str, Any]:
    """A case of three findings on one host."""
    signs = [
        {
            "finding": derive_id(_AT_NS, "bench", tactic), "title": f"A sign of {tactic}",
            "severity": Severity.HIGH.value, "confidence": 0.7, "tactics": [tactic],
            "hosts": [{"type": "host", "value": "ws-17"}],
        }
        for tactic in ("initial-access", "execution", "persistence")
    ]  # fmt: skip
    return {"case": "bench", "finding": signs[0]["finding"], "signs": signs, "omitted": 0}


triage = triage_template


# The analysis of the mix. Each function is a step's work, wherever it runs.


def read_events(seed: int) -> dict[str, float]:
    """What a night of events comes to: sorted, and summed up."""
    values = Rng(seed).numpy().lognormal(size=_SORTED)
    ordered = np.sort(values)
    return {"median": float(ordered[_SORTED // 2]), "tail": float(ordered[-_SORTED // 100 :].mean())}


def score_hosts(seed: int) -> float:
    """A model of two hundred features over a thousand hosts."""
    rows = Rng(seed).numpy().normal(size=(1_000, 200))
    weights, *_ = np.linalg.lstsq(rows, rows.sum(axis=1), rcond=None)
    return float(weights.mean())


def look_for(seed: int) -> tuple[list[int], Provenance]:
    """Which values are on the list."""
    rng = Rng(seed).numpy()
    values = [f"198.51.{n // 256}.{n % 256}" for n in range(_VALUES)]
    wanted = [values[at] for at in rng.choice(_VALUES, _WANTED, replace=False)]
    answer = search_indicators(values, wanted, seed=seed)
    return list(answer.found["places"]), answer.provenance


def walk(seed: int) -> tuple[list[str], Provenance]:
    """How one gets from one corner of a network to the other."""
    edges = [(f"{x},{y}", f"{x + 1},{y}") for x in range(_GRID - 1) for y in range(_GRID)]
    edges += [(f"{x},{y}", f"{x},{y + 1}") for x in range(_GRID) for y in range(_GRID - 1)]
    answer = walk_paths(edges, source="0,0", goal=f"{_GRID - 1},{_GRID - 1}", seed=seed)
    return list(answer.found["path"]), answer.provenance


def respond(seed: int) -> tuple[list[str], Provenance]:
    """Which responses to take together."""
    rng = Rng(seed).numpy()
    actions = [Action(name=f"a{n}", worth=float(rng.uniform(1, 5)), cost=1.0) for n in range(_ACTIONS)]
    answer = choose_responses(actions, budget=4.0, seed=seed)
    return list(answer.found["actions"]), answer.provenance


MIXED = {"events": read_events, "hosts": score_hosts, "search": look_for, "walk": walk, "respond": respond}


def fused(parts: Sequence[Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def analysis() -> Template:
    """Events are read and hosts scored while three routines run; one needs another's answer, and all are fused."""

    def quantum(work: Any) -> Any:
        async def run(context: StepContext) -> StepOutput:
            value, provenance = await context.processes.run(work, context.seed)
            return StepOutput(value=value, provenance=(provenance,))

        return run

    def classical(work: Any) -> Any:
        async def run(context: StepContext) -> Any:
            return await context.processes.run(work, context.seed)

        return run

    async def none(_: StepContext) -> list[str]:
        return []

    async def fuse(context: StepContext) -> str:
        return fused([result.output for _, result in sorted(context.results.items())])

    steps = [
        Step(name="events", kind=StepKind.CLASSICAL, run=classical(read_events), pure=True),
        Step(name="hosts", kind=StepKind.CLASSICAL, run=classical(score_hosts), pure=True),
        Step(name="search", kind=StepKind.QUANTUM, run=quantum(look_for), fallback=none, pure=True),
        Step(name="walk", kind=StepKind.QUANTUM, run=quantum(walk), fallback=none, pure=True),
        Step(
            name="respond", kind=StepKind.QUANTUM, run=quantum(respond), fallback=none, needs=("walk",), pure=True
        ),
        Step(
            name="fuse", kind=StepKind.CLASSICAL, run=fuse, pure=True,
            needs=("events", "hosts", "search", "walk", "respond"),
        ),
    ]  # fmt: skip
    return Template(name="analysis", title="The standard mix", steps=tuple(steps))
