"""What the store was told of each mission, judged commit by commit.

It knows what a mission's life may look like, and nothing of how the swarm sees to it:

- a mission that is done or failed stays so;
- a result is the one of the agent that the mission was given to last, and of no other;
- who is revoked gets nothing and brings nothing from that moment on;
- who has been silent for longer than it takes to find out gets nothing.
"""

from collections.abc import Sequence
from typing import Any

from phalanx.agents import MISSIONS, Mission, MissionStatus
from phalanx.core import NS_PER_S, Clock, Expect, Put, Store, Write, decode
from phalanx.testing._checking import Checker

# A silence is found out after about nine seconds of an even beat of five; a round more for who was just asked.
SILENCE_FOUND_S = 16.0
_FINAL = (MissionStatus.DONE, MissionStatus.FAILED)


class History:
    """The durable life of every mission, over all lives of the machine."""

    def __init__(self, checker: Checker, clock: Clock) -> None:
        self.checker = checker
        self._clock = clock
        self.standing: dict[str, Mission] = {}
        self.revoked: dict[str, int] = {}
        self.deaf_since: dict[str, int] = {}
        self.given = 0

    def look(self, began_ns: int, writes: Sequence[Write]) -> None:
        """A commit that was begun at ``began_ns`` is durable."""
        for write in writes:
            if isinstance(write, Put) and write.table.name == MISSIONS.name:
                self._step(decode(write.value, Mission), began_ns)

    def resume(self, missions: Sequence[Mission]) -> None:
        """The machine came up again: what it finds may be one step further than what was seen."""
        for mission in missions:
            before = self.standing.get(mission.id)
            if before is not None and before.status in _FINAL:
                self.checker.require(before == mission, "an end was forgotten in a crash", mission.id)
            self.standing[mission.id] = mission
        lost = self.standing.keys() - {one.id for one in missions}
        self.checker.require(not lost, "missions were lost in a crash", sorted(lost)[:3])
        # Identities live in memory: whoever comes up is somebody new.
        self.revoked.clear()
        self.deaf_since.clear()

    def _step(self, mission: Mission, began_ns: int) -> None:
        require, before = self.checker.require, self.standing.get(mission.id)
        self.standing[mission.id] = mission
        if before is None:
            return
        require(before.status not in _FINAL, "a mission went on after its end", mission.id, before.status.value)
        name = mission.agent
        if mission.status is MissionStatus.DONE:
            require(before.status is MissionStatus.ASSIGNED, "done without having been given", mission.id)
            require(name == before.agent, "done by another than it was given to", name, before.agent)
            require(mission.note == f"by {name}", "a result was taken from another agent", mission.note, name)
            self.checker.count("done")
        if mission.status is MissionStatus.ASSIGNED:
            self.given += 1
            deaf_ns = self.deaf_since.get(name)
            found_out = deaf_ns is not None and began_ns - deaf_ns > SILENCE_FOUND_S * NS_PER_S
            require(not found_out, "given to an agent that nobody hears", name)
        if mission.status in (MissionStatus.DONE, MissionStatus.ASSIGNED):
            barred_ns = self.revoked.get(name)
            late = barred_ns is not None and began_ns > barred_ns
            require(not late, "an agent acted after it was revoked", name, mission.status.value)

    def now_ns(self) -> int:
        return self._clock.monotonic_ns()


class WatchedStore:
    """Passes everything on, and shows each durable commit to the history."""

    def __init__(self, inner: Store, history: History) -> None:
        self._inner = inner
        self._history = history

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        began_ns = self._history.now_ns()
        version = await self._inner.commit(writes, expect=expect)
        self._history.look(began_ns, writes)
        return version
