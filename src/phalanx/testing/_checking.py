"""What a seeded simulation is, and how it reports.

A simulation builds a world from one seed, lets things go wrong in it, and judges what the
system did with checkers that share no code with it. A report is complete: name, seed and the
commit reproduce the run, and the digest says whether they did.
"""

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from phalanx.testing._limits import MAX_VIOLATIONS


@dataclass(frozen=True, slots=True)
class SimReport:
    """How one seed went. ``counts`` says what happened in it, so that a run of nothing shows."""

    simulation: str
    seed: int
    violations: tuple[str, ...]
    digest: str
    steps: int
    virtual_ms: float
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Simulation:
    """A named simulation. What the system does wrong is a violation in the report, not an exception."""

    name: str
    title: str
    run: Callable[[int], SimReport]


class Checker:
    """Collects what a run did wrong, up to a bound, and counts what it did at all."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.counts: dict[str, int] = {}

    def require(self, holds: object, violation: str, *details: object) -> None:
        """Note ``violation`` with its details unless ``holds``."""
        if not holds:
            self.violation(violation, *details)

    def violation(self, what: str, *details: object) -> None:
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(": ".join((what, *map(reprlib.repr, details))))

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
