"""Whole processes killed at every step's boundary, and what the next one repeats or loses.

A process is killed by SIGKILL during the commit of a step's result: before anything was written, or when it is on disk
and nobody was told. The next process goes on with the run. A step's work says when it runs in a file beside the store,
flushed: a step whose result was on disk when the next process began, and that ran again, was repeated.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.storage import SqliteStore
from phalanx.core import DEFAULT_TENANT, NO_TRACE, Expect, Rng, Write, derive_id
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.telemetry import Telemetry
from phalanx.workflows import STEP_RESULTS, Engine, Runs, Step, StepContext, StepKind, StepOutput, Template

_NEEDS: dict[str, tuple[str, ...]] = {
    "a": (), "b": ("a",), "toss": ("a",), "c": ("b", "toss"), "d": ("toss",), "end": ("c", "d"),
}  # fmt: skip
_RUN = derive_id(10**18, "killed")
_KEPT, _RAN = "kept", "ran"


@dataclass(frozen=True, slots=True)
class Death:
    """When a process dies: at the commit of its ``at``-th result, before it is written or after."""

    at: int
    written: bool


class _Deadly:
    def __init__(self, store: SqliteStore, death: Death) -> None:
        self._store, self._death = store, death
        self._kept = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        self._kept += sum(write.table.name == STEP_RESULTS.name for write in writes)
        if self._kept >= self._death.at and not self._death.written:
            os.kill(os.getpid(), signal.SIGKILL)
        version = await self._store.commit(writes, expect=expect)
        if self._kept >= self._death.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return version


def _note(folder: Path, what: str) -> None:
    with (folder / "noted").open("a") as file:
        file.write(what + "\n")
        file.flush()
        os.fsync(file.fileno())


def _template(folder: Path, *, pure: bool) -> Template:
    from phalanx.bench.workflows._loads import tossed

    async def work(context: StepContext) -> int:
        _note(folder, f"{_RAN} {context.step}")
        return sum(len(str(result.output)) for result in context.results.values())

    async def toss(context: StepContext) -> StepOutput:
        _note(folder, f"{_RAN} {context.step}")
        found = await context.run_circuit(tossed(), shots=16, seed=context.seed)
        return StepOutput(value=found.counts, provenance=(found.provenance,))

    steps = tuple(
        Step(name=name, kind=StepKind.QUANTUM, run=toss, fallback=work, needs=needs, pure=pure)
        if name == "toss"
        else Step(name=name, kind=StepKind.CLASSICAL, run=work, needs=needs, pure=pure)
        for name, needs in _NEEDS.items()
    )
    return Template(name="killed", title="A run that is killed", steps=steps)


def live(folder: Path, death: Death | None, pure: bool) -> None:  # noqa: FBT001 - a process is given its arguments by place
    """One process: brings the run forward until it is done or dead."""
    asyncio.run(_live(folder, death, pure=pure))


async def _live(folder: Path, death: Death | None, *, pure: bool) -> None:
    clock, threads = SystemClock(), ThreadOffload(1)
    store = await SqliteStore.open(folder / "store.db")
    for result in await Runs(store).steps(DEFAULT_TENANT, _RUN):
        _note(folder, f"{_KEPT} {result.step}")
    fleet = Fleet(local_provider(ProviderContext(threads, clock, frozenset())).backends())
    seen: Any = store if death is None else _Deadly(store, death)
    engine = Engine(seen, clock, Telemetry(clock), fleet, threads, Rng(os.getpid()))
    engine.register(_template(folder, pure=pure))
    await engine.run("killed", run_id=_RUN, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs={})
    for result in await Runs(store).steps(DEFAULT_TENANT, _RUN):
        _note(folder, f"end {result.step}")
    await store.close()
    threads.close()


def killed_everywhere(*, every: int = 1) -> dict[str, Any]:
    """Every boundary (or each ``every``-th), before and after the write, with steps that wait and steps that do not."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["phalanx.bench.workflows._kill", "phalanx.bench.workflows._loads"])
    deaths = [Death(at, written) for at in range(1, len(_NEEDS) + 1) for written in (False, True)][::every]
    found = {"deaths": 0, "repeated": 0, "lost": 0, "unfinished": 0}
    for pure in (False, True):
        for death in deaths:
            with tempfile.TemporaryDirectory(prefix="phalanx-bench-") as name:
                folder = Path(name)
                for whose in (death, None):
                    process = context.Process(target=live, args=(folder, whose, pure))
                    process.start()
                    process.join()
                    found["deaths"] += process.exitcode == -signal.SIGKILL
                    found["unfinished"] += whose is None and process.exitcode != 0
                _judge((folder / "noted").read_text().splitlines(), found)
    return found


def _judge(noted: Sequence[str], found: dict[str, int]) -> None:
    kept: set[str] = set()
    ended: list[str] = []
    for what, step in (line.split() for line in noted):
        if what == _KEPT:
            kept.add(step)
        elif what == _RAN:
            found["repeated"] += step in kept
        else:
            ended.append(step)
    found["lost"] += len(set(_NEEDS) - set(ended))
