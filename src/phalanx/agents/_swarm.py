"""The swarm as the node sees it: start, stop, wake, and who is doing what."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from phalanx.agents._admission import Admission, Anybody
from phalanx.agents._agent import first_within
from phalanx.agents._book import Claim, MissionBook
from phalanx.agents._dispatcher import Dispatcher
from phalanx.agents._duties import Duties
from phalanx.agents._duty import Duty, DutyView
from phalanx.agents._falls import Fall, FallKind
from phalanx.agents._keeper import Keeper
from phalanx.agents._limits import CANCEL_S, DRAIN_S, MAX_AGENTS_PER_ROLE
from phalanx.agents._model import AgentView, Capability, MissionStatus, SkillManifest
from phalanx.agents._placing import Placing
from phalanx.agents._roster import Roster
from phalanx.agents._toolbox import Skill, Toolbox
from phalanx.balancing import Move, Pool
from phalanx.core import Clock, InvalidInput, Rng, StorageError, Store
from phalanx.telemetry import Telemetry


class Swarm:
    """All agents of a node. ``async with`` starts it, and stops it in order.

    Agents exist for the roles that ``skills`` name, ``agents_per_role`` of each. The toolbox may
    still be filled between construction and start. One swarm at a time owns a store's missions.
    ``admission`` gives agents their identities; without it they have none.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        telemetry: Telemetry,
        rng: Rng,
        toolbox: Toolbox,
        skills: Sequence[Skill],
        duties: Sequence[Duty] = (),
        agents_per_role: int = 2,
        admission: Admission | None = None,
    ) -> None:
        if not 1 <= agents_per_role <= MAX_AGENTS_PER_ROLE:
            raise InvalidInput("agents_per_role", f"must be between 1 and {MAX_AGENTS_PER_ROLE}")
        self._clock = clock
        self._log = telemetry.log.bind(room="agents")
        self._roster = Roster(
            skills, duties, tools=toolbox, clock=clock, per_role=agents_per_role, admission=admission or Anybody()
        )
        self._book = MissionBook(store, clock=clock, telemetry=telemetry)
        self._placing = Placing(self._roster, clock)
        self._dispatcher = Dispatcher(
            self._book, self._roster, self._placing, clock=clock, rng=rng.child("agents"), telemetry=telemetry
        )
        self._keeper = Keeper(
            self._book, self._roster, self._placing, self._dispatcher, clock=clock, telemetry=telemetry
        )
        self._duties = Duties(
            duties, self._roster, tools=toolbox, clock=clock, rng=rng.child("agents"), telemetry=telemetry
        )
        self._runner: asyncio.Task[None] | None = None
        telemetry.metrics.gauge("phalanx_agents", "Agents in the roster.").set(len(self._roster.places))

    @property
    def running(self) -> bool:
        """Whether missions are carried out. False before the start, after the stop, and after a defect."""
        return self._runner is not None and not self._runner.done()

    @property
    def pool(self) -> Pool:
        """How missions are spread over the agents."""
        return self._placing.pool

    async def move(self, move: Move) -> bool:
        """Let a mission that waits go elsewhere; false when it does not wait there any more."""
        return await self._dispatcher.move(move)

    async def start(self) -> None:
        """Begin, with what an earlier life left behind."""
        assert self._runner is None, "a swarm starts once"
        self._runner = asyncio.create_task(self._run())
        self.wake()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Let missions in hand end, for ``drain_s`` at most, then stop; the rest returns to the queue."""
        runner = self._runner
        if runner is None:
            return
        try:
            await self.drain(drain_s)
        finally:
            runner.cancel()
            await first_within(CANCEL_S, self._clock, runner)
            if not runner.done():
                self._log.error("an agent does not stop", agents=[view.id for view in self.roster() if view.mission])
        for agent in self._roster.agents:
            for claim in agent.held:
                await self._give_back(claim)
        if runner.done() and not runner.cancelled():
            runner.result()

    def wake(self) -> None:
        """Say that new missions were committed."""
        self._dispatcher.wake()

    def expel_barred(self) -> None:
        """Say that some identities do not stand any more: whoever had one is replaced, its missions handed on."""
        now_ns = self._clock.monotonic_ns()
        for agent in self._roster.barred():
            agent.dismiss(Fall(FallKind.BARRED, "its identity does not stand any more", now_ns, now_ns))

    async def settled(self) -> None:
        """Wait until nothing is left to do. Raises what ended the swarm, should a defect end it first."""
        assert self._runner is not None, "the swarm was not started"
        settled = asyncio.ensure_future(self._dispatcher.settled())
        try:
            await asyncio.wait((settled, self._runner), return_when=asyncio.FIRST_COMPLETED)
        finally:
            settled.cancel()
        if self._runner.done() and not self._runner.cancelled():
            self._runner.result()

    async def open_missions(self) -> int:
        """How many missions are neither done nor failed, in the whole store."""
        return await self._book.count(MissionStatus.PENDING) + await self._book.count(MissionStatus.ASSIGNED)

    async def drain(self, timeout_s: float = DRAIN_S) -> int:
        """Hand out nothing more and wait for missions in hand; returns how many were not done in time."""
        self._dispatcher.paused = True
        for agent in self._roster.agents:
            for claim in agent.empty_mailbox():
                self._placing.given_back(claim)
                await self._give_back(claim)
        if self._runner is not None and not self._runner.done():
            idle = asyncio.ensure_future(self._idle())
            try:
                await first_within(timeout_s, self._clock, idle, self._runner)
            finally:
                idle.cancel()
        return sum(agent.in_hand is not None for agent in self._roster.agents)

    def roster(self) -> list[AgentView]:
        """Every agent, in the order that also breaks ties in dispatch."""
        return self._roster.views(stopped=not self.running)

    def duties(self) -> list[DutyView]:
        """Every partition of every duty, and who keeps it."""
        return self._duties.views()

    def skills(self, capability: Capability | None = None) -> list[SkillManifest]:
        """What the agents can do; all of it, or what contributes to ``capability``."""
        manifests = [skill.manifest for skill in self._roster.skills.values()]
        return [manifest for manifest in manifests if capability is None or capability in manifest.capabilities]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._dispatcher.run())
                for place in self._roster.places:
                    tasks.create_task(self._keeper.keep(place, tasks))
                for post in self._duties.posts:
                    tasks.create_task(self._duties.keep(post, tasks))
        except Exception as error:
            # Everything foreseen is handled below; what arrives here is a defect and must be seen.
            self._log.error("the swarm ended", reason=repr(error))
            raise

    async def _give_back(self, claim: Claim) -> None:
        try:
            await self._book.unbegun(claim, "the node stopped before it was done")
        except StorageError as error:
            # It stays assigned in the store, and the next start takes it back.
            self._log.warning("mission not given back", mission=claim.mission.id, reason=error.message)

    async def _idle(self) -> None:
        while self._roster.busy:
            self._keeper.put_down.clear()
            await self._keeper.put_down.wait()
