"""The circuits of one step: what it is given to run them, and what is remembered while it runs."""

import asyncio
import math
from typing import TYPE_CHECKING, Protocol

from phalanx.core import NS_PER_S, Circuit
from phalanx.quantum import ShotResult
from phalanx.workflows._limits import JOBS_OF_STEP_AT_ONCE, MAX_WAITING_CIRCUITS, WAIT_FOR_ROOM_S
from phalanx.workflows._stays import Circumstances, Stay
from phalanx.workflows._underway import OpenCircuit
from phalanx.workflows._windows import CircuitWindow

if TYPE_CHECKING:
    from phalanx.quantum.mitigation import Mean


class CircuitRuns(Protocol):
    """Runs circuits of steps, and ends what a step holds."""

    async def run(self, step: "StepCircuits", n: int, circuit: Circuit, *, shots: int, seed: int) -> ShotResult: ...

    async def mitigated(
        self, step: "StepCircuits", n: int, circuit: Circuit, observable: str, *, shots: int, seed: int
    ) -> "Mean | None": ...

    async def close(self, step: "StepCircuits", *, give_back: bool) -> None: ...

    async def abandon(self, step: "StepCircuits") -> None: ...


class StepCircuits:
    """A ``ShotRunner`` for one step, which remembers where its circuits were, and what they cost."""

    def __init__(self, circuits: CircuitRuns, name: str, of: Circumstances) -> None:
        self._circuits, self.name, self.of = circuits, name, of
        self._count = 0
        # The step has one machine at a time, and some jobs there at once. Under a budget of its own they go one by
        # one: what one costs is known before the next is chosen a device for.
        self.turn = asyncio.Semaphore(JOBS_OF_STEP_AT_ONCE)
        self.paying = asyncio.Semaphore(1 if self.of.asked.budget else MAX_WAITING_CIRCUITS)
        self.moving, self.nobody_there, self.there = asyncio.Lock(), asyncio.Event(), 0
        self.nobody_there.set()
        self.open: dict[int, OpenCircuit] = {}
        self.windows: list[CircuitWindow] = []
        # Seconds that its circuits have waited for room in the queues of devices.
        self.waited_s = 0.0
        self.spent = 0.0
        self.jobs: set[str] = set()
        self.stay: Stay | None = None
        self.left_behind: Stay | None = None
        self.stay_reason = ""
        self.strategy = ""
        # Where the router sent it, why, and the most two-qubit gates of a circuit that it has judged.
        self.device, self.route, self.judged = "", "", -1

    async def __call__(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        self._count += 1
        number = self._count
        async with self.paying:
            return await self._circuits.run(self, number, circuit, shots=shots, seed=seed)

    async def mean(self, circuit: Circuit, observable: str, /, *, shots: int, seed: int) -> "Mean":
        """The mean of ``observable`` after the gates of ``circuit``, mitigated as the step asks."""
        from phalanx.quantum import Observable
        from phalanx.quantum.mitigation import mean_by

        if self.of.asked.mitigate:
            self._count += 1
            number = self._count
            async with self.paying:
                found = await self._circuits.mitigated(self, number, circuit, observable, shots=shots, seed=seed)
            if found is not None:
                return found
        return await mean_by(self, circuit, Observable.read(observable), shots=shots, seed=seed)

    async def close(self, *, give_back: bool = True) -> None:
        """The step is over, or this attempt at it."""
        await self._circuits.close(self, give_back=give_back)

    async def abandon(self) -> None:
        """Nobody wants its answer any more."""
        await self._circuits.abandon(self)

    def left(self) -> float:
        """What the step may still spend; infinite where nobody said."""
        return self.of.asked.budget - self.spent if self.of.asked.budget else math.inf

    def patience_s(self, now_ns: int) -> float:
        """How long it may wait for room yet: of the time to its deadline, half is for its answer without a device."""
        left_s = (self.of.deadline_ns - now_ns) / NS_PER_S / 2 if self.of.deadline_ns else math.inf
        return max(0.0, min(WAIT_FOR_ROOM_S - self.waited_s, left_s))
