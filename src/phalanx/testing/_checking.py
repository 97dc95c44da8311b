"""What a seeded simulation is, and how it reports.

A simulation builds a world from one seed, lets things go wrong in it, and judges what the
system did with checkers that share no code with it. A report is complete: name, seed and the
commit reproduce the run, and the digest says whether they did.
"""

import reprlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phalanx.core import PhalanxError
from phalanx.testing._limits import MAX_VIOLATIONS

if TYPE_CHECKING:
    from phalanx.testing._world import SimWorld


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
    """A named simulation. What the system does wrong is a violation in the report, not an exception.

    ``beyond`` runs a seed with more wrong than is promised to be survived, where there is such a thing: then a
    violation that has ``expected`` in it must turn up, or the checkers see nothing. ``rates`` are counts that say
    something as a part of another one, and ``ideal`` what is not real in it.
    """

    name: str
    title: str
    run: Callable[[int], SimReport]
    beyond: Callable[[int], SimReport] | None = None
    expected: str = ""
    rates: Mapping[str, str] = field(default_factory=dict)
    ideal: str = ""


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

    def report(self, simulation: str, seed: int, *, digest: str, steps: int, virtual_ms: float) -> SimReport:
        """The run is over: what it came to."""
        return SimReport(
            simulation=simulation,
            seed=seed,
            violations=tuple(self.violations),
            digest=digest,
            steps=steps,
            virtual_ms=virtual_ms,
            counts=self.counts,
        )


def judged_in(
    world: "SimWorld", main: Callable[["SimWorld"], Coroutine[Any, Any, object]], checker: Checker, *, simulation: str
) -> SimReport:
    """Run ``main`` in ``world`` to its end and report; an operating error that nobody caught is a violation."""
    try:
        world.run(main)
    except PhalanxError as error:
        checker.violation(f"the run failed with {type(error).__name__}: {error}")
    return checker.report(
        simulation, world.seed, digest=world.trace.digest(), steps=world.loop.steps, virtual_ms=world.loop.time() * 1e3
    )
