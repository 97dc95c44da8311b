"""The swarm as the node sees it: start, stop, wake, and who is doing what."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from phalanx.agents._admission import Admission, Anybody
from phalanx.agents._agent import Agent, first_within
from phalanx.agents._book import Claim, MissionBook
from phalanx.agents._dispatcher import Dispatcher
from phalanx.agents._duties import Duties
from phalanx.agents._duty import Duty, DutyView
from phalanx.agents._falls import Fall, FallKind
from phalanx.agents._health import Hogs, Quarantined, SwarmHealth
from phalanx.agents._hearing import Hearing
from phalanx.agents._housing import Housing
from phalanx.agents._keeper import Keeper
from phalanx.agents._limits import (
    AT_ONCE_PER_ROLE,
    CANCEL_S,
    DRAIN_S,
    MAX_AGENTS_PER_ROLE,
    MAX_QUARANTINED,
    SEAT_BATCH,
)
from phalanx.agents._model import AgentView, Capability, Mission, MissionStatus, Role, SkillManifest
from phalanx.agents._monitor import LastHeard, Monitor
from phalanx.agents._orders import Orders
from phalanx.agents._placing import Placing, by_role, check_reserved
from phalanx.agents._registry import Registry
from phalanx.agents._roster import Place, Roster
from phalanx.agents._succession import Succession
from phalanx.agents._toolbox import Skill, Toolbox
from phalanx.balancing import Move, Pool
from phalanx.core import (
    NS_PER_S,
    AlertSink,
    Clock,
    EntropySource,
    InvalidInput,
    NotFound,
    Offload,
    Rng,
    StorageError,
    Store,
)
from phalanx.messaging import Bus
from phalanx.telemetry import Telemetry


class Swarm:
    """All agents of a node. ``async with`` starts it, and stops it in order.

    Agents exist for the roles that ``skills`` and ``duties`` name, ``agents_per_role`` of each (or a number for each
    role). A few of each role are there at once, the others come in the background, as their identities become ready.
    The toolbox may still be filled between construction and start. One swarm at a time owns a store's missions.
    ``admission`` gives agents their identities; without it they have none. With a ``bus`` agents can be
    written to; with ``entropy`` besides, their heartbeats are watched. ``reserved`` says how many places of each role
    are for one tenant alone. With ``succession`` other nodes continue its missions should this one die.
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
        agents_per_role: int | Mapping[Role, int] = 2,
        admission: Admission | None = None,
        bus: Bus | None = None,
        entropy: EntropySource | None = None,
        offload: Offload | None = None,
        alerts: AlertSink | None = None,
        locality: str = "",
        reserved: Mapping[str, int] | None = None,
        succession: Succession | None = None,
    ) -> None:
        per_role = by_role(agents_per_role)
        if any(not 0 <= number <= MAX_AGENTS_PER_ROLE for number in per_role.values()) or agents_per_role == 0:
            raise InvalidInput("agents_per_role", f"must be between 1 and {MAX_AGENTS_PER_ROLE}")
        check_reserved(reserved or {}, per_role)
        self._clock = clock
        self._log = telemetry.log.bind(room="agents")
        self._admission: Admission = admission or Anybody()
        self._roster = Roster(
            skills, duties, tools=toolbox, clock=clock, per_role=per_role,
            admission=self._admission, at_once=AT_ONCE_PER_ROLE, reserved=reserved,
        )  # fmt: skip
        self._monitor: Monitor | None = None
        if bus is not None and entropy is not None:
            self._monitor = Monitor(
                bus, self._admission, self, clock=clock, entropy=entropy, offload=offload, telemetry=telemetry
            )
        hearing = Hearing(skills, toolbox, clock=clock, telemetry=telemetry)
        self._housing = Housing(self._roster, bus, self._monitor, telemetry, hearing)
        manifests = [skill.manifest for skill in self._roster.skills.values()]
        self.orders = Orders(store, manifests, clock=clock, telemetry=telemetry, wake=self.wake)
        self.succession = succession
        self._book = MissionBook(
            store, clock=clock, telemetry=telemetry, on_end=self.orders.ended, succession=succession
        )
        self._placing = Placing(self._roster, clock)
        self._dispatcher = Dispatcher(
            self._book, self._roster, self._placing, clock=clock, rng=rng.child("agents"), telemetry=telemetry
        )
        self._keeper = Keeper(
            self._book, self._roster, self._placing, self._dispatcher, self._housing,
            clock=clock, telemetry=telemetry, alerts=alerts,
        )  # fmt: skip
        self._duties = Duties(
            duties, self._roster, tools=toolbox, clock=clock, rng=rng.child("agents"), telemetry=telemetry
        )
        self.registry = Registry(
            self._roster, self._duties, self._monitor, locality=locality, stopped=lambda: not self.running
        )
        self._quarantined: deque[Quarantined] = deque(maxlen=MAX_QUARANTINED)
        self._hogs = Hogs(clock, telemetry, alerts)
        self._runner: asyncio.Task[None] | None = None
        metrics = telemetry.metrics
        self._n_agents = metrics.gauge("phalanx_agents", "Agents in the roster.")
        self._n_agents.set(len(self._roster.places))

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

    async def redelegate(self, mission: Mission, reason: str) -> bool:
        """Take back a mission that waits behind another, for whoever can begin it; false when it does not wait."""
        return await self._dispatcher.redelegate(mission.id, mission.agent.rpartition(".")[0], reason)

    async def start(self) -> None:
        """Begin, with what an earlier life left behind."""
        assert self._runner is None, "a swarm starts once"
        if self.succession is not None:
            await self.succession.open(self.wake)
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
            self._housing.clear()
        for agent in self._roster.agents:
            for claim in agent.held:
                await self._give_back(claim)
        if runner.done() and not runner.cancelled():
            runner.result()

    def wake(self) -> None:
        """Say that new missions were committed."""
        if self.succession is not None:
            self.succession.stir()
        self._dispatcher.wake()

    def expel_barred(self) -> None:
        """Say that some identities do not stand any more: whoever had one is replaced, its missions handed on."""
        for agent in self._roster.barred():
            self.barred(agent)

    def kill(self, agent: str, reason: str = "on request") -> None:
        """End an agent as if it had died; another takes its place. Raises ``NotFound``."""
        self._end(self._agent(agent), FallKind.KILLED, reason)

    def quarantine(self, agent: str, reason: str, *, by: str) -> Quarantined:
        """Set an agent apart: it gets and brings nothing from this step on, and another takes its place.

        Its identity is the node's to revoke. Raises ``NotFound``.
        """
        found = self._agent(agent)
        place = self._roster.named[found.place]
        one = Quarantined(
            agent=agent, role=found.role, identity=self._roster.fingerprint(found), reason=reason, by=by,
            at_ns=self._clock.wall_ns(), successor=f"{place.name}.{place.life + 1}",
        )  # fmt: skip
        if not self._end(found, FallKind.QUARANTINED, reason):
            raise NotFound("agent", agent, hint="it has just fallen")
        self._quarantined.append(one)
        return one

    def quarantined(self) -> list[Quarantined]:
        """Who was set apart since the start, newest first."""
        return list(reversed(self._quarantined))

    def last_heard(self) -> dict[str, LastHeard]:
        """When each agent was last heard, and whether as who it is and in time; for whoever decides who may vote."""
        if self._monitor is None:
            now_ns = self._clock.wall_ns()
            return {one.name: LastHeard(now_ns, self._admission.admitted(one.name)) for one in self._roster.agents}
        heard = {one.name: self._monitor.last_heard(one.name) for one in self._roster.agents}
        return {name: found for name, found in heard.items() if found is not None}

    def hogged(self, task: str, seconds: float, where: str) -> None:
        """Say that a task held the event loop for so long; if it is an agent's, people are told which and where."""
        self._hogs.held(task, seconds, where)

    def health(self) -> SwarmHealth:
        """How the swarm is doing."""
        now_ns = self._clock.monotonic_ns()
        degraded = [
            f"{role.value} ({one.recent} falls, the last: {one.degraded_by})"
            for role, one in self._keeper.intensity.items()
            if one.degraded(now_ns)
        ]
        resting = [f"{post.manifest.name} ({post.note})" for post in self._duties.resting()]
        return SwarmHealth(
            running=self.running, n_agents=len(self._roster.places), n_vacant=len(self._roster.vacant),
            degraded=tuple(degraded), resting=tuple(resting), hogs=self._hogs.told,
        )  # fmt: skip

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

    async def complete(self) -> None:
        """Wait until every place has its agent."""
        while self._roster.vacant and self.running:
            await self._clock.sleep(0.05)

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
        return self.registry.views()

    def duties(self) -> list[DutyView]:
        """Every partition of every duty, and who keeps it."""
        return self._duties.views()

    def outputs(self) -> dict[str, tuple[str, ...]]:
        """What each duty leaves behind, by its manifest."""
        return {post.manifest.name: post.manifest.outputs for post in self._duties.posts}

    def skills(self, capability: Capability | None = None) -> list[SkillManifest]:
        """What the agents can do; all of it, or what contributes to ``capability``."""
        manifests = [skill.manifest for skill in self._roster.skills.values()]
        return [manifest for manifest in manifests if capability is None or capability in manifest.capabilities]

    def suspected(self, agent: Agent, phi: float, /) -> None:
        """An agent is silent for too long: it gets nothing until it is heard again."""
        self._log.warning("agent suspect", agent=agent.name, phi=round(phi, 1))
        self._placing.set_apart(self._roster.named[agent.place], "suspect")
        self._housing.gag(agent, on=True)

    def cleared(self, agent: Agent, /) -> None:
        """A suspect was heard again."""
        self._log.info("agent heard again", agent=agent.name)
        self._placing.seated(self._roster.named[agent.place])
        self._housing.gag(agent, on=False)
        self._dispatcher.freed()

    def silent(self, agent: Agent, silence_s: float, /) -> None:
        """An agent is taken for lost."""
        now_ns = self._clock.monotonic_ns()
        reason = f"no heartbeat for {silence_s:.1f} s"
        agent.dismiss(Fall(FallKind.SILENT, reason, now_ns, now_ns - int(silence_s * NS_PER_S)))

    def barred(self, agent: Agent, /) -> None:
        """An agent's identity does not stand any more."""
        self._end(agent, FallKind.BARRED, "its identity does not stand any more")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _agent(self, agent: str) -> Agent:
        found = self._roster.find(agent)
        if found is None:
            raise NotFound("agent", agent, hint="`phalanx agents list` shows those that there are")
        return found

    def _end(self, agent: Agent, kind: FallKind, reason: str) -> bool:
        now_ns = self._clock.monotonic_ns()
        return agent.dismiss(Fall(kind, reason, now_ns, now_ns))

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._dispatcher.run(tasks))
                if self.succession is not None:
                    tasks.create_task(self.succession.run())
                tasks.create_task(self.orders.run())
                if self._monitor is not None:
                    tasks.create_task(self._monitor.run(tasks))
                for place in self._roster.places:
                    self._begin(place, tasks)
                for post in self._duties.posts:
                    tasks.create_task(self._duties.keep(post, tasks))
                tasks.create_task(self._recruit(tasks))
        except Exception as error:
            # Everything foreseen is handled below; what arrives here is a defect and must be seen.
            self._log.error("the swarm ended", reason=repr(error))
            raise

    def _begin(self, place: Place, tasks: asyncio.TaskGroup) -> None:
        self._housing.move_in(place.agent, tasks)
        tasks.create_task(self._keeper.keep(place, tasks))

    async def _recruit(self, tasks: asyncio.TaskGroup) -> None:
        """Seat agents in the vacant places, a few at a time."""
        while self._roster.vacant:
            await self._admission.prepare(min(SEAT_BATCH, len(self._roster.vacant)))
            for _ in range(SEAT_BATCH):
                if (place := self._roster.seat_next()) is not None:
                    self._begin(place, tasks)
                    self._placing.seated(place)
            self._n_agents.set(len(self._roster.places))
            self._dispatcher.freed()

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
