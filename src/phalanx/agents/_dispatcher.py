"""Hands pending missions to agents: one task, woken when there may be something to do.

The queue is the store: what is read ahead of it is a window, and a lost or repeated wake-up does no harm. The
tenant served least comes first; within one tenant and one skill, missions go in order of id. What is handed out in
one turn is one commit.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from phalanx.agents._agent import Agent
from phalanx.agents._book import Claim, MissionBook, Taker
from phalanx.agents._dispatch import backoff_s
from phalanx.agents._errors import Fenced
from phalanx.agents._limits import ASSIGN_BATCH, MAX_ATTEMPTS, MAX_RESTING, SCAN_ROWS
from phalanx.agents._model import MissionStatus
from phalanx.agents._placing import Placing
from phalanx.agents._roster import Roster
from phalanx.balancing import Move
from phalanx.core import Clock, Rng, StorageError, TenantId
from phalanx.telemetry import StorageWait, Telemetry


@dataclass(slots=True)
class _Line:
    """Pending missions of one tenant and one skill that were read ahead. ``more`` says that there may be others."""

    claims: deque[Claim] = field(default_factory=deque)
    more: bool = True


class Dispatcher:
    """Takes back what a lost node had assigned, then assigns whatever is pending."""

    def __init__(
        self, book: MissionBook, roster: Roster, placing: Placing, *, clock: Clock, rng: Rng, telemetry: Telemetry
    ) -> None:
        self._book = book
        self._roster = roster
        self._placing = placing
        self._clock = clock
        self._rng = rng
        self._log = telemetry.log.bind(room="agents")
        self._storage = StorageWait("missions", clock, self._log)
        self._waiting = telemetry.metrics.gauge(
            "phalanx_missions_waiting", f"Missions without an agent; counted up to {SCAN_ROWS} of a tenant and skill."
        )
        self._awake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._lines: dict[tuple[TenantId, str], _Line] = {}
        self._resting: set[str] = set()
        self._news = True
        self._in_doubt = True
        self.paused = False
        self._tasks: asyncio.TaskGroup | None = None

    def wake(self) -> None:
        """There may be missions that were not looked at."""
        self._news = True
        self.freed()

    def freed(self) -> None:
        """Somebody may have room again."""
        self._quiet.clear()
        self._awake.set()

    def doubt(self) -> None:
        """Some missions may stand as assigned to nobody: look for them."""
        self._in_doubt = True
        self.wake()

    async def settled(self) -> None:
        """Wait until no mission is pending, resting or held."""
        self.wake()
        await self._quiet.wait()

    def rest(self, claim: Claim, tasks: asyncio.TaskGroup) -> None:
        """Leave a mission that just failed alone for a while."""
        mission = claim.mission
        if len(self._resting) < MAX_RESTING:
            self._resting.add(mission.id)
            jitter = self._rng.child(f"{mission.id}/{mission.attempts}")
            tasks.create_task(self._end_rest(mission.id, backoff_s(mission.attempts, jitter)))

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Until cancelled. Storage that fails is waited for: the missions stay where they are.

        At the start, and after storage failed so that a write may or may not have taken place,
        some missions may stand as assigned to nobody; they are taken back first.
        """
        self._tasks = tasks
        while True:
            await self._awake.wait()
            self._awake.clear()
            if self.paused:
                continue
            try:
                if self._in_doubt:
                    self._lines.clear()
                    await self._take_back_lost()
                    await self._refuse_unknown()
                    self._in_doubt = False
                await self._hand_out()
                self._storage.over()
            except StorageError as error:
                self._in_doubt = True
                await self._storage.rest(error)
                self._awake.set()

    async def move(self, move: Move) -> bool:
        """Take a mission that waits behind an agent back, so that it goes where it would be done sooner."""
        reason = f"{move.target} can do it {move.gain_s:.3g} s sooner"
        return await self.redelegate(move.operation, move.source, reason)

    async def redelegate(self, mission: str, place: str, reason: str) -> bool:
        """Take back a mission that waits in ``place`` and was not begun; false when it does not wait there any more.

        It goes through the store like any other: whoever began or ended it meanwhile wins.
        """
        agent = None if self.paused else self._placing.agent(place)
        claim = agent.take_back(mission) if agent else None
        if claim is None:
            return False
        self._placing.given_back(claim)
        await self._book.surely(self._book.unbegun, claim, reason)
        self.wake()
        return True

    async def _end_rest(self, mission: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._resting.discard(mission)
        self.wake()

    async def _take_back_lost(self) -> None:
        """Put missions that stand as assigned, but that no agent holds, back into the queue."""
        for tenant in await self._book.tenants():
            async with aclosing(self._book.standing(tenant, MissionStatus.ASSIGNED)) as left_behind:
                async for claim in left_behind:
                    if claim.mission.id not in self._roster.held():
                        await self._take_back(claim)

    async def _take_back(self, claim: Claim) -> None:
        mission = claim.mission
        lost = f"{mission.agent} was lost while it had the mission"
        with suppress(Fenced):  # its outcome was being written just now
            if mission.attempts >= MAX_ATTEMPTS:
                await self._fail(claim, f"given up after {mission.attempts} attempts: {lost}")
            else:
                await self._book.again(claim, lost)
            self._log.info("mission taken back", mission=mission.id, attempts=mission.attempts)

    async def _refuse_unknown(self) -> None:
        """Missions for a skill that nobody here has any more end as failed."""
        for tenant in await self._book.tenants():
            async with aclosing(self._book.standing(tenant, MissionStatus.PENDING)) as queue:
                async for claim in queue:
                    if claim.mission.skill not in self._roster.skills:
                        with suppress(Fenced):
                            reason = f"no agent of this node has the skill {claim.mission.skill!r}"
                            await self._fail(claim, reason)

    async def _hand_out(self) -> None:
        if self._news:
            self._news = False
            for line in self._lines.values():
                line.more = True
        tenants = await self._book.tenants()
        while not self.paused:
            given: list[tuple[Claim, Agent]] = []
            for tenant in self._placing.order(tenants):
                for skill in self._roster.skills:
                    await self._choose(tenant, skill, given)
            if not given:
                break
            await self._give(given)
        waiting = sum(len(line.claims) for line in self._lines.values()) + len(self._resting)
        self._waiting.set(waiting)
        if not waiting and not self._roster.busy and not self._news and not self._in_doubt:
            self._quiet.set()

    async def _choose(self, tenant: TenantId, skill: str, given: list[tuple[Claim, Agent]]) -> None:
        """Choose agents for missions of one line, as long as there are both and the turn has room."""
        role = self._roster.skills[skill].manifest.role
        line = self._lines.setdefault((tenant, skill), _Line())
        before, passed = len(given), list[Claim]()
        while len(given) < ASSIGN_BATCH and not self.paused:
            # What was chosen in this turn still stands as pending: nothing is read until it does not.
            if not line.claims and not (
                line.more and len(given) == before and await self._read_ahead(tenant, skill, line)
            ):
                break
            if not self._placing.room(role):
                break
            claim = line.claims.popleft()
            if 0 < claim.mission.deadline_ns <= self._clock.wall_ns():
                with suppress(Fenced):
                    await self._fail(claim, "its deadline passed before it was begun")
                continue
            agent = self._placing.choose(claim)
            if agent is not None:
                given.append((claim, agent))
            elif claim.mission.min_trust > 0:
                # Nobody who is trusted so far has room; those behind it need not wait for that.
                passed.append(claim)
            else:
                passed.append(claim)
                break
        line.claims.extendleft(reversed(passed))

    async def _read_ahead(self, tenant: TenantId, skill: str, line: _Line) -> bool:
        """Read the next pending missions of the line that do not rest. False when there are none."""
        line.more = False
        after = ""
        while not line.claims:
            rows = await self._book.pending(tenant, skill, after)
            line.claims.extend(claim for claim in rows.claims if self._may_go(claim))
            after = rows.last
            if not after:
                break
        line.more = line.more or bool(after)
        return bool(line.claims)

    def _may_go(self, claim: Claim) -> bool:
        """Whether a pending mission may be given to somebody now."""
        mission, succession = claim.mission.id, self._book.succession
        if mission in self._resting or mission in self._roster.ending:
            return False
        return succession is None or succession.may_begin(mission)

    async def _fail(self, claim: Claim, reason: str) -> None:
        """Where another node has to be asked first, others do not wait for that. Raises ``Fenced``."""
        mission, succession = claim.mission.id, self._book.succession
        if succession is None or not succession.may_take_long(mission):
            await self._book.failed(claim, reason)
        elif mission not in self._roster.ending:
            assert self._tasks is not None, "run comes first"
            self._roster.ending[mission] = claim
            self._tasks.create_task(self._fail_in_time(claim, reason))

    async def _fail_in_time(self, claim: Claim, reason: str) -> None:
        await self._book.surely(self._book.failed, claim, reason)
        del self._roster.ending[claim.mission.id]
        self.wake()

    def _taker(self, agent: Agent) -> Taker[Agent]:
        return Taker(agent.name, self._roster.fingerprint(agent), agent)

    async def _give(self, given: Sequence[tuple[Claim, Agent]]) -> None:
        """Assign them in the store, then hand them over; whatever comes between leaves the agents' places free."""
        left = {claim.mission.id: claim for claim, _ in given}
        try:
            for claim, agent in await self._book.assign([(claim, self._taker(agent)) for claim, agent in given]):
                # Storage took its time; the agent may have fallen in it, or the swarm begun to stop.
                if not self.paused and self._roster.seats(agent) and agent.has_room:
                    agent.give(claim)
                    del left[claim.mission.id]
                else:
                    await self._book.surely(self._book.unbegun, claim, "its agent was gone before it had it")
                    self.wake()
        finally:
            for claim in left.values():
                self._placing.given_back(claim)
