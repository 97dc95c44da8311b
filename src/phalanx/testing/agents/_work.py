"""What agents of a simulation do: skills and a duty that misbehave as the seed says."""

import asyncio
from collections import Counter

from phalanx.agents import DutyManifest, Mission, Role, SkillManifest, Toolbox, Watch
from phalanx.core import Clock, Rng
from phalanx.testing._checking import Checker

LIMIT_S = 8.0
_SILENCE_S = 6.0


class Chore:
    """A skill whose attempts end well, raise, hang, or shrug off being cancelled; each attempt as the seed says."""

    def __init__(self, name: str, role: Role, clock: Clock, rng: Rng, checker: Checker) -> None:
        self.manifest = SkillManifest(name, role, (), ("finding",), (), 1.0, (), LIMIT_S)
        self._clock = clock
        self._rng = rng.child(name)
        self._checker = checker

    async def perform(self, mission: Mission, tools: Toolbox) -> str:  # noqa: ARG002 - a skill's signature
        draw = self._rng.child(f"{mission.id}/{mission.attempts}/{mission.agent}")
        fate = draw.weighted(("well", "raise", "hang", "shrug"), (20, 2, 1, 1))
        await self._clock.sleep(draw.exponential(1.0))
        if fate == "raise":
            self._checker.count("raised")
            raise ValueError("as the seed says")
        if fate == "hang":
            self._checker.count("hung")
            await asyncio.Event().wait()
        if fate == "shrug":
            try:
                await self._clock.sleep(2 * LIMIT_S)
            except asyncio.CancelledError:
                # Its agent is gone, and it goes on all the same.
                self._checker.count("shrugged")
                await self._clock.sleep(1.0)
        return f"by {mission.agent}"


class Beacon:
    """A duty that hangs or raises now and then. At no time may two of its watches believe that they keep it."""

    def __init__(self, clock: Clock, rng: Rng, checker: Checker) -> None:
        self.manifest = DutyManifest(
            "beacon", Role.CANARY, (), (), (), cost=1.0, permissions=(), partitions=2, silence_s=_SILENCE_S
        )
        self._clock = clock
        self._rng = rng.child("beacon")
        self._checker = checker
        self._watches: dict[int, Watch] = {}
        self.terms: Counter[int] = Counter()

    async def keep(self, watch: Watch, /) -> None:
        before = self._watches.get(watch.partition)
        self._checker.require(before is None or before.ended, "two keep one duty", watch.partition, watch.agent)
        self._watches[watch.partition] = watch
        self.terms[watch.partition] += 1
        draw = self._rng.child(f"{watch.partition}/{watch.term}/{watch.agent}")
        async for _ in watch.beats(2.0):
            if draw.chance(0.03):
                self._checker.count("duty hung")
                await asyncio.Event().wait()
            if draw.chance(0.03):
                self._checker.count("duty raised")
                raise ValueError("as the seed says")
