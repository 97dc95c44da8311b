"""Hands pending missions to agents: one task, woken when there may be something to do.

The queue is the store: a scan starts from what is durable, so a wake-up that is lost or comes
twice does no harm. The tenant that was served least is first; within one, missions go in order of id.
"""

import asyncio
from contextlib import aclosing, suppress

from phalanx.agents._agent import Agent
from phalanx.agents._book import Claim, MissionBook
from phalanx.agents._dispatch import backoff_s
from phalanx.agents._errors import Fenced
from phalanx.agents._limits import MAX_ATTEMPTS, MAX_RESTING, SCAN_ROWS, STORAGE_PAUSE_S
from phalanx.agents._model import MissionStatus
from phalanx.agents._placing import Placing
from phalanx.agents._roster import Roster
from phalanx.balancing import Move
from phalanx.core import Clock, Rng, StorageError
from phalanx.telemetry import Telemetry


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
        self._waiting = telemetry.metrics.gauge(
            "phalanx_missions_waiting", f"Missions without an agent; counted up to {SCAN_ROWS} when all are busy."
        )
        self._awake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._resting: set[str] = set()
        self._in_doubt = True
        self.paused = False

    def wake(self) -> None:
        """There may be something to hand out."""
        self._quiet.clear()
        self._awake.set()

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

    async def run(self) -> None:
        """Until cancelled. Storage that fails is waited for: the missions stay where they are.

        At the start, and after storage failed so that a write may or may not have taken place,
        some missions may stand as assigned to nobody; they are taken back first.
        """
        while True:
            await self._awake.wait()
            self._awake.clear()
            if self.paused:
                continue
            try:
                if self._in_doubt:
                    await self._take_back_lost()
                    self._in_doubt = False
                await self._hand_out()
            except StorageError as error:
                self._in_doubt = True
                self._log.warning("missions wait for storage", reason=error.message)
                await self._clock.sleep(STORAGE_PAUSE_S)
                self._awake.set()

    async def move(self, move: Move) -> bool:
        """Take a mission that waits behind an agent back, so that it goes where it would be done sooner.

        It goes through the store like any other: whoever began or ended it meanwhile wins.
        """
        claim = None if self.paused else self._placing.agent(move.source).take_back(move.operation)
        if claim is None:
            return False
        self._placing.given_back(claim)
        await self._book.surely(self._book.unbegun, claim, f"{move.target} can do it {move.gain_s:.3g} s sooner")
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
        self._log.info("mission taken back", mission=mission.id, attempts=mission.attempts)
        with suppress(Fenced):  # its outcome was being written just now
            if mission.attempts >= MAX_ATTEMPTS:
                await self._book.failed(claim, f"given up after {mission.attempts} attempts: {lost}")
            else:
                await self._book.again(claim, lost)

    async def _hand_out(self) -> None:
        tenants = await self._book.tenants()
        waiting = 0
        for tenant in self._placing.order(tenants):
            async with aclosing(self._book.standing(tenant, MissionStatus.PENDING)) as queue:
                async for claim in queue:
                    waiting += not await self._placed(claim)
                    if waiting >= SCAN_ROWS and not self._roster.has_room:
                        break
        self._waiting.set(waiting)
        if not waiting and not self._roster.busy:
            self._quiet.set()

    async def _placed(self, claim: Claim) -> bool:
        """Whether the mission is off the queue now: given to an agent, or failed for want of one."""
        if self.paused or claim.mission.id in self._resting:
            return False
        try:
            if claim.mission.skill not in self._roster.skills:
                await self._book.failed(claim, f"no agent of this node has the skill {claim.mission.skill!r}")
                return True
            agent = self._placing.choose(claim)
            if agent is None:
                return False
            return await self._given(claim, agent)
        except Fenced as fenced:
            self._log.warning("mission changed while handed out", mission=claim.mission.id, reason=fenced.message)
        return True

    async def _given(self, claim: Claim, agent: Agent) -> bool:
        """Assign it in the store, then hand it over; whatever comes between leaves the agent's place free again."""
        handed = False
        try:
            given = await self._book.assign(claim, agent.name)
            # Storage took its time; the agent may have fallen in it, or the swarm begun to stop.
            if self.paused or not self._roster.seats(agent):
                await self._book.surely(self._book.unbegun, given, "its agent was gone before it had it")
                self.wake()
                return False
            agent.give(given)
            handed = True
        finally:
            if not handed:
                self._placing.given_back(claim)
        return True
