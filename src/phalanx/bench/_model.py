"""What a benchmark is and what it returns."""

import os
import platform
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phalanx.core import Rng

Tree = Mapping[str, Any]


def _to_nobody(_: str) -> None:
    """Where nobody looks on."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """How to run. ``rng`` is the load's; ``quick`` asks for a shorter, noisier run.

    ``agents`` are how many take part, for benchmarks of many; empty: as the benchmark sees fit. ``suite`` is the part
    of a benchmark that has several. ``processes`` is how many agents are spread over, for benchmarks that can.
    ``tell`` is told what is measured now, by benchmarks that take minutes.
    """

    seed: int
    quick: bool
    agents: tuple[int, ...] = ()
    suite: str = ""
    processes: int = 1
    tell: Callable[[str], None] = _to_nobody

    @property
    def rng(self) -> Rng:
        return Rng(self.seed).child("bench")


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Figures and what they are compared with, all measured in one run."""

    load: Tree
    figures: Tree
    baselines: Tree = field(default_factory=dict)
    ratios: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bench:
    """A named benchmark. ``suites`` are its further parts, each run by name; ``kernels`` must be compiled first."""

    name: str
    title: str
    run: Callable[[BenchOptions], Coroutine[Any, Any, BenchResult]]
    suites: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()


def describe_machine() -> dict[str, Any]:
    """The machine a figure was measured on."""
    cpu, memory_kib = platform.processor() or platform.machine(), 0
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal"):
            memory_kib = int(line.split()[1])
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kib / (1 << 20), 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
