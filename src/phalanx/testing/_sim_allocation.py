"""Simulation ``allocation``: jobs book devices and run on them, while devices and providers fail and managers restart.

Two managers share a store. Each job is run by ``run_somewhere``: it books a device that is left at the earliest time,
runs when its time comes, and goes elsewhere when the device fails; where none is left it is done classically. Managers
are killed and start again with what the store has; a job that was not acknowledged is asked for again under its name.
Checkers share no code with what they check:

- what runs on a device was booked, and no two run on one at the same time;
- every job ends, on a device that worked or classically with its reason, and is acknowledged once;
- nothing is sent to a device that failed twice in a row before its pause is over.

Then a node of its own carries out jobs, on vendors that fail, are slow and drift: ``_sim_allocation_jobs``.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from phalanx.allocation import (
    Ask,
    Bookable,
    Breakers,
    DeviceFailed,
    NoDeviceLeft,
    NoWindow,
    Placements,
    Reservations,
    run_somewhere,
)
from phalanx.core import NS_PER_S, Conflict, Rng
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._sim_allocation_jobs import JobsRun
from phalanx.testing._world import SimWorld

NAME = "allocation"
_DEVICES = {"a.one": "a", "a.two": "a", "b.one": "b"}
_JOBS = 6
_TENANT = "tenant"
_PAUSE_S = 30.0


class Booker(Protocol):
    """What books; a sabotaged one books what it should not."""

    async def book(self, device: str, name: str, took_s: float) -> int: ...


class _Books:
    """The real one: over the shared calendar."""

    def __init__(self, world: SimWorld, reservations: Reservations) -> None:
        self._world, self._reservations = world, reservations

    async def book(self, device: str, name: str, took_s: float) -> int:
        ask = Ask(demands={device: 1}, duration_ns=int(took_s * NS_PER_S), earliest_ns=self._world.clock.wall_ns())
        return (await self._reservations.book(_TENANT, ask, id=name))[0].start_ns


class _Run:
    """One world."""

    def __init__(
        self, world: SimWorld, checker: Checker, sabotage: Callable[[Booker], Booker] | None,
        placements: type[Placements],
    ) -> None:  # fmt: skip
        self.world, self.checker, self._sabotage, self._placements = world, checker, sabotage, placements
        self.rng = world.rng.child("allocation")
        self.store = world.store("shared")
        self._down: dict[str, float] = {}
        self._running: dict[str, str] = {}
        self._failures: dict[tuple[str, str], list[float]] = {}
        self._acknowledged: dict[str, str] = {}
        self._lives = 0
        self._flaky = self.rng.uniform(0.0, 0.4)

    async def main(self, world: SimWorld) -> None:
        first = Reservations(self.store, world.clock, world.ids)
        for name in _DEVICES:
            await first.declare(Bookable(name=name))
        managers = [asyncio.ensure_future(self._manager(number)) for number in range(2)]
        trouble = asyncio.ensure_future(self._trouble())
        await asyncio.gather(*managers)
        trouble.cancel()
        lost = [f"job {number}" for number in range(_JOBS) if f"job {number}" not in self._acknowledged]
        self.checker.require(not lost, "jobs were lost", lost)
        await JobsRun(world, self.checker, self._placements).main()

    async def _trouble(self) -> None:
        """Devices and whole providers go away for a while."""
        while True:
            await self.world.clock.sleep(self.rng.exponential(20.0))
            names = [self.rng.choice(list(_DEVICES))]
            if self.rng.chance(0.3):
                names = [name for name, provider in _DEVICES.items() if provider == _DEVICES[names[0]]]
                self.checker.count("providers lost")
            for name in names:
                self._down[name] = self._now_s() + self.rng.exponential(30.0)
                self.checker.count("devices lost")

    async def _manager(self, number: int) -> None:
        """Its half of the jobs, over as many lives as it takes."""
        mine = [f"job {at}" for at in range(_JOBS) if at % 2 == number]
        rng = self.rng.child(f"manager {number}")
        while left := [name for name in mine if name not in self._acknowledged]:
            self._lives += 1
            breakers, shared = Breakers(), Reservations(self.store, self.world.clock, self.world.ids)
            life = asyncio.gather(
                *(self._job(name, self._lives, breakers, shared, rng.child(f"{name} {self._lives}")) for name in left)
            )
            if rng.chance(0.5):
                await life
                continue
            try:
                async with asyncio.timeout(rng.exponential(15.0)):
                    await life
            except TimeoutError:
                self.checker.count("restarts")

    async def _job(self, name: str, life: int, breakers: Breakers, shared: Reservations, rng: Rng) -> None:
        took_s = rng.uniform(1.0, 8.0)
        books: Booker = _Books(self.world, shared)
        if self._sabotage is not None:
            books = self._sabotage(books)
        count = 0

        async def attempt(left: frozenset[str], began: Callable[[str], None]) -> tuple[str, str]:
            nonlocal count
            count += 1
            device = rng.choice(sorted(left))
            self._check_pause(life, device)
            began(device)
            start_ns = await books.book(device, f"{name}/{life}/{count}", took_s)
            await self.world.clock.sleep((start_ns - self.world.clock.wall_ns()) / NS_PER_S)
            return device, await self._runs(name, life, device, took_s, rng)

        try:
            ran = await run_somewhere(_DEVICES, attempt, breakers, self.world.clock)
            how = ran.device
        except (NoDeviceLeft, NoWindow, Conflict) as error:
            how = f"classically: {error}"
            self.checker.count("done classically")
        else:
            self.checker.count("done on a device")
            if ran.failed:
                self.checker.count("went on elsewhere")
        self.checker.require(name not in self._acknowledged, "a job was acknowledged twice", name)
        self._acknowledged[name] = how

    async def _runs(self, name: str, life: int, device: str, took_s: float, rng: Rng) -> str:
        self.checker.require(device not in self._running, "two jobs on one device at a time", device, name)
        self._running[device] = name
        try:
            # A run ends a little before its time is over, so that an end never meets the next one's beginning.
            await self.world.clock.sleep(took_s * rng.uniform(0.2, 0.9))
            if self._now_s() < self._down.get(device, 0.0) or rng.chance(self._flaky):
                self._failures.setdefault((str(life), device), []).append(self._now_s())
                raise DeviceFailed(device, "it went away")
            self._failures.pop((str(life), device), None)
        finally:
            if self._running.get(device) == name:
                del self._running[device]
        return name

    def _check_pause(self, life: int, device: str) -> None:
        failures = self._failures.get((str(life), device), [])
        if len(failures) >= 2:
            since = self._now_s() - failures[-1]
            self.checker.require(since >= _PAUSE_S, "sent to a device that had failed twice", device, since)

    def _now_s(self) -> float:
        return self.world.loop.time()


def allocation_simulation(
    *, sabotage: Callable[[Booker], Booker] | None = None, placements: type[Placements] = Placements
) -> Simulation:
    """The simulation; ``sabotage`` books and ``placements`` choose otherwise, for the checkers to complain of."""

    def run(seed: int) -> SimReport:
        world, checker = SimWorld(seed), Checker()
        return judged_in(world, _Run(world, checker, sabotage, placements).main, checker, simulation=NAME)

    return Simulation(NAME, "jobs book devices and run, while devices, providers and managers fail", run)
