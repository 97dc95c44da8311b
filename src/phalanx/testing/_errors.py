"""What a simulation itself can fail with; see the tree in the package."""

from phalanx.core import PhalanxError


class SimulationError(PhalanxError):
    """Root of what the simulated world raises, as opposed to what runs in it."""

    code = "simulation"


class Deadlock(SimulationError):
    """Every task waits and no timer is set, so nothing can ever happen again. ``tasks``."""

    code = "simulation-deadlock"

    def __init__(self, tasks: tuple[str, ...], *, at_s: float) -> None:
        listed = "; ".join(tasks) or "none"
        super().__init__(
            f"nothing can happen any more at {at_s:.6f} s: no timer is set and these tasks wait: {listed}",
            hint="something they wait for was never set, or was lost in a crash",
            tasks=tasks,
            at_s=at_s,
        )


class Livelock(SimulationError):
    """The loop turned more often than its bound allows. Attributes: ``steps``, ``at_s``."""

    code = "simulation-livelock"

    def __init__(self, *, steps: int, at_s: float) -> None:
        super().__init__(
            f"still busy after {steps} steps, at {at_s:.6f} s of virtual time",
            hint="look for a task that yields without waiting for anything, or raise max_steps",
            steps=steps,
            at_s=at_s,
        )


class NotSimulated(SimulationError):
    """Something was asked of the loop that cannot be repeated from a seed. ``what``."""

    code = "simulation-unsupported"

    def __init__(self, what: str, *, instead: str) -> None:
        super().__init__(f"a simulation has no {what}", hint=f"use {instead}", what=what)


class PowerLost(SimulationError):
    """The leftovers of a crashed node touched its disk or network. Attribute: ``where``."""

    code = "simulation-power-lost"

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} is gone: its node crashed or lost power", where=where)


class Unstoppable(SimulationError):
    """Tasks went on living after they were cancelled, so they swallow it. ``tasks``."""

    code = "simulation-unstoppable"

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__(
            f"cancelled tasks go on: {'; '.join(tasks)}",
            hint="CancelledError must be passed on",
            tasks=tasks,
        )


class BackgroundFailure(SimulationError):
    """A task or callback that nobody waited for failed while the main task went well."""

    code = "simulation-background-failure"
