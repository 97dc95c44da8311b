"""Simulation ``consensus``: agreement among participants of whom as many as tolerated are traitors."""

from collections.abc import Callable
from dataclasses import dataclass

from phalanx.consensus import Checks, Machine
from phalanx.core import NS_PER_MS
from phalanx.testing._checking import Checker, SimReport, Simulation
from phalanx.testing.consensus._coven import Coven
from phalanx.testing.consensus._field import Field, MakeMachine
from phalanx.testing.consensus._plan import Plan, draw, size_of
from phalanx.testing.consensus._watch import DIFFERENTLY, Watch

NAME = "consensus"
MAX_SHRINKING = 200


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is over."""

    field: Field
    watch: Watch
    checker: Checker


def run_plan(plan: Plan, *, machine: MakeMachine = Machine, checks: Callable[..., Checks] = Checks) -> Run:
    """One run of a plan; ``machine`` and ``checks`` may be others, with a bug in them."""
    checker = Checker()
    field = Field(plan, machine=machine, checks=checks)
    watch = Watch(field, checker)
    field.watcher = watch
    field.actor = Coven(field)
    field.play()
    watch.end()
    return Run(field, watch, checker)


def shrink(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """A plan that still fails and fails no more without any one of its faults, or as near as the bound allows."""
    tries = 0
    while tries < MAX_SHRINKING:
        for lighter in plan.lighter():
            tries += 1
            if fails(lighter):
                plan = lighter
                break
            if tries >= MAX_SHRINKING:
                break
        else:
            return plan
    return plan


def consensus_simulation(
    *,
    extra: int = 0,
    n: int | None = None,
    faults: frozenset[str] | None = None,
    machine: MakeMachine = Machine,
    checks: Callable[..., Checks] = Checks,
) -> Simulation:
    """The simulation. ``extra`` traitors are more than are tolerated; ``n`` fixes how many take part."""

    def run(seed: int, more: int = extra) -> SimReport:
        plan = draw(seed, n or size_of(seed), extra=more, faults=faults)
        done = run_plan(plan, machine=machine, checks=checks)
        field, checker = done.field, done.checker
        if checker.violations:
            small = shrink(plan, lambda one: bool(run_plan(one, machine=machine, checks=checks).checker.violations))
            checker.violations.append(f"smallest plan that fails: {small.told()}")
        return checker.report(
            NAME, seed, digest=done.watch.digest(), steps=field.events, virtual_ms=field.now_ns / NS_PER_MS
        )

    return Simulation(
        NAME, "agreement, a third of the participants traitors; signatures are ideal", run,
        beyond=lambda seed: run(seed, extra + 1), expected=DIFFERENTLY,
        rates={"decided": "attempted", "decided correctly": "attempted"}, ideal="signatures",
    )  # fmt: skip
