"""Supervision: keeps one agent at work in its place, and seats another when it falls.

What a skill raises ends its agent, not its mission: the successor tries it again at once, and after that it goes
back to the queue, rests, and is tried by whichever agent would then finish it first, until its attempts are used
up. An agent that falls for another reason (it was killed, quarantined, barred, or a duty of its failed) hands the
mission in hand to its successor at once; what waits in its mailbox always goes to the successor. While an outcome
is written, its agent is already working on the next mission.
"""

import asyncio

from phalanx.agents._agent import Agent, first_within
from phalanx.agents._book import Claim, MissionBook, Taker
from phalanx.agents._dispatcher import Dispatcher
from phalanx.agents._errors import AttemptOverran, MissionRejected, explained
from phalanx.agents._falls import Fall, FallKind
from phalanx.agents._housing import Housing
from phalanx.agents._intensity import Intensity
from phalanx.agents._limits import (
    DEGRADED_REST_S,
    FALLS_BASE,
    FALLS_PART,
    FALLS_WITHIN_S,
    MAX_ATTEMPTS,
    MAX_ENDING,
    UNRESTED_ATTEMPTS,
)
from phalanx.agents._placing import Placing
from phalanx.agents._roster import Place, Roster
from phalanx.core import NS_PER_S, AlertLevel, AlertSink, Clock, StorageFull
from phalanx.telemetry import StorageWait, Telemetry

# What a person or the swarm decided says nothing of how well a role works.
_ON_PURPOSE = frozenset({FallKind.KILLED, FallKind.QUARANTINED, FallKind.BARRED, FallKind.LEFT})


class Keeper:
    """Runs the places of a roster. One ``keep`` per place."""

    def __init__(
        self,
        book: MissionBook,
        roster: Roster,
        placing: Placing,
        dispatcher: Dispatcher,
        housing: Housing,
        *,
        clock: Clock,
        telemetry: Telemetry,
        alerts: AlertSink | None,
    ) -> None:
        self._book = book
        self._roster = roster
        self._placing = placing
        self._dispatcher = dispatcher
        self._housing = housing
        self._clock = clock
        self._alerts = alerts
        self._log = telemetry.log.bind(room="agents")
        self._storage = StorageWait("attempts", clock, self._log)
        self._tracer = telemetry.tracer
        self.intensity = {role: Intensity(FALLS_BASE, FALLS_WITHIN_S) for role in roster.roles}
        # Set whenever an agent has put something down; whoever drains waits for it.
        self.put_down = asyncio.Event()
        metrics = telemetry.metrics
        self._busy = metrics.gauge("phalanx_agents_busy", "Agents with a mission in hand.")
        busy_seconds = metrics.counter(
            "phalanx_agent_busy_seconds_total", "Time that agents had a mission in hand.", ("role",)
        )
        useful_seconds = metrics.counter(
            "phalanx_agent_useful_seconds_total", "The part of the busy time spent on attempts that finished.",
            ("role",),
        )  # fmt: skip
        self._busy_seconds = {role: busy_seconds.labels(role.value) for role in roster.roles}
        self._useful_seconds = {role: useful_seconds.labels(role.value) for role in roster.roles}
        self._replaced = metrics.counter(
            "phalanx_agents_replaced_total", "Agents that fell and were replaced.", ("why",)
        )
        self._replacing_seconds = metrics.histogram(
            "phalanx_agent_replacement_seconds",
            "From noticing that an agent fell until its successor has its missions.",
        )
        self._degraded = metrics.gauge("phalanx_roles_degraded", "Roles whose agents fall too often.")

    async def keep(self, place: Place, tasks: asyncio.TaskGroup) -> None:
        """Until cancelled."""
        while True:
            agent = place.agent
            claim = await agent.take()
            if claim is None:
                await self._succeed(place, agent, tasks=tasks)
                continue
            self._placing.begun(claim)
            blamed = await self._carry_out(place, claim, tasks)
            self._placing.ended(claim, place, ok=not blamed)
            if blamed:
                await self._succeed(place, agent, blamed=(claim, blamed), tasks=tasks)
            elif agent.fall is not None:
                await self._succeed(place, agent, tasks=tasks)
            else:
                agent.put_down()
                self.put_down.set()
                self._dispatcher.freed()

    async def _succeed(
        self,
        place: Place,
        agent: Agent,
        *,
        tasks: asyncio.TaskGroup,
        blamed: tuple[Claim, str] | None = None,
    ) -> None:
        """Seat another for an agent that fell, and hand it what that one held, except for what made it fall."""
        fall = agent.fall
        assert fall is not None, agent.name
        self._housing.move_out(agent)
        self._roster.replace(place)
        successor = place.agent
        self._housing.move_in(successor, tasks)
        self._replaced.labels(fall.kind.value).inc()
        self._log.warning(
            "agent replaced", agent=agent.name, by=successor.name, why=fall.kind.value, reason=fall.reason
        )
        tired = self._is_tired(place, fall)
        if not tired:
            self._placing.seated(place)
        if blamed is not None and (tired or blamed[0].mission.attempts > UNRESTED_ATTEMPTS):
            claim, reason = blamed
            await self._set_back(claim, reason, tasks)
            agent.put_down()
            blamed = None
        await self._hand_over(agent, None if tired else successor, again=blamed[0] if blamed else None)
        self._replacing_seconds.observe((self._clock.monotonic_ns() - fall.at_ns) / NS_PER_S)
        self._roster.bury(agent)
        self.put_down.set()
        self._dispatcher.wake()
        if tired:
            self._placing.set_apart(place, "its role is degraded")
            await first_within(DEGRADED_REST_S, self._clock, successor.falling())
            self._placing.seated(place)
            self._dispatcher.freed()

    def _is_tired(self, place: Place, fall: Fall) -> bool:
        """Whether the role's agents fall so often that this place had better rest; people are told when that begins."""
        if fall.kind in _ON_PURPOSE:
            return False
        now_ns = self._clock.monotonic_ns()
        intensity = self.intensity[place.role]
        intensity.most = FALLS_BASE + int(FALLS_PART * len(self._roster.peers[place.role]))
        if intensity.fell(now_ns, fall.reason) and self._alerts is not None:
            text = f"agents of the role {place.role.value} fall too often; it goes on more slowly"
            self._alerts.alert(AlertLevel.WARNING, "agents", text, falls=intensity.recent, reason=fall.reason)
        self._degraded.set(sum(one.degraded(now_ns) for one in self.intensity.values()))
        return bool(intensity.degraded_by)

    async def _hand_over(self, agent: Agent, successor: Agent | None, *, again: Claim | None) -> None:
        """What ``agent`` held, in hand or not begun, is its successor's: one commit, each fenced by its version.

        ``again`` is the one that failed: the successor's attempt at it is another one. Of the others none is to blame
        for the fall, so no attempt is counted. Without a successor that may take anything, and while the swarm stops,
        all goes back to the queue.
        """
        claims, agent.held, agent.in_hand = agent.held, [], None
        self._roster.handing.extend(claims)
        for claim in claims:
            self._placing.given_back(claim)
        reason = f"handed over by {agent.name}, which {agent.fall.kind.value}" if agent.fall else ""
        if successor is None or self._dispatcher.paused:
            for claim in claims:
                write = self._book.again if claim is again else self._book.unbegun
                await self._book.surely(write, claim, reason)
        elif claims:
            taker = Taker(successor.name, self._roster.fingerprint(successor), successor)
            handed = await self._book.hand_over(claims, taker, reason, again=again)
            for claim in handed:
                if successor.fall is None and successor.has_room and not self._dispatcher.paused:
                    self._placing.handed(claim, successor)
                    successor.give(claim)
                else:
                    # It fell in the meantime, before it had anything; the store still names it.
                    await self._book.surely(self._book.unbegun, claim, f"{successor.name} was gone before it had it")
        for claim in claims:
            self._roster.handing.remove(claim)

    async def _carry_out(self, place: Place, claim: Claim, tasks: asyncio.TaskGroup) -> str:
        """See a mission in hand through. Returns why the attempt failed, which fells the agent; else nothing."""
        mission, role = claim.mission, place.role
        self._busy.inc()
        begun_ns = self._clock.monotonic_ns()
        try:
            with self._tracer.span("mission", room="agents", trace=mission.trace, skill=mission.skill):
                summary = await self._attempt(place.agent, claim, tasks)
        except MissionRejected as rejected:
            place.failed += 1
            await self._book.surely(self._book.failed, claim, rejected.message)
        except Exception as error:  # noqa: BLE001 - supervision: whatever it was, only this agent falls
            agent = place.agent
            if agent.fall is not None:
                return ""
            place.failed += 1
            kind = FallKind.HUNG if isinstance(error, AttemptOverran) else FallKind.FAILED
            agent.dismiss(Fall(kind, explained(error), self._clock.monotonic_ns(), begun_ns))
            return explained(error)
        else:
            place.done += 1
            place.agent.done += 1
            self._useful_seconds[role].inc((self._clock.monotonic_ns() - begun_ns) / NS_PER_S)
            await self._end(claim, summary, tasks)
        finally:
            self._busy.inc(-1)
            spent_ns = self._clock.monotonic_ns() - begun_ns
            place.busy_ns += spent_ns
            self._busy_seconds[role].inc(spent_ns / NS_PER_S)
        return ""

    async def _end(self, claim: Claim, summary: str, tasks: asyncio.TaskGroup) -> None:
        """Have the outcome written; waited for here only when very many are on their way."""
        self._roster.ending[claim.mission.id] = claim
        writing = self._write_done(claim, summary)
        if len(self._roster.ending) > MAX_ENDING:
            await writing
        else:
            tasks.create_task(writing)

    async def _write_done(self, claim: Claim, summary: str) -> None:
        await self._book.surely(self._book.done, claim, summary)
        del self._roster.ending[claim.mission.id]
        self.put_down.set()
        self._dispatcher.freed()

    async def _attempt(self, agent: Agent, claim: Claim, tasks: asyncio.TaskGroup) -> str:
        """One attempt. Full storage is nobody's fault: it is waited for and the attempt begun again."""
        while True:
            try:
                outcome = await agent.attempt(claim, tasks)
            except StorageFull as full:
                await self._storage.rest(full)
            else:
                self._storage.over()
                return outcome

    async def _set_back(self, claim: Claim, reason: str, tasks: asyncio.TaskGroup) -> None:
        attempts = claim.mission.attempts
        if attempts >= MAX_ATTEMPTS:
            await self._book.surely(self._book.failed, claim, f"given up after {attempts} attempts; the last: {reason}")
        else:
            self._dispatcher.rest(claim, tasks)
            await self._book.surely(self._book.again, claim, reason)
