"""Supervision: keeps one agent at work in its place, and seats another when it falls.

What a skill raises ends its agent, not its mission: the mission goes back to the queue, rests,
and is tried by whoever would be done first then, until its attempts are used up. Missions behind it
in the mailbox go back at once and uncounted.
"""

import asyncio

from phalanx.agents._agent import Agent
from phalanx.agents._book import Claim, MissionBook
from phalanx.agents._dispatcher import Dispatcher
from phalanx.agents._errors import MissionRejected
from phalanx.agents._limits import MAX_ATTEMPTS, MAX_NOTE_CHARS, STORAGE_PAUSE_S
from phalanx.agents._placing import Placing
from phalanx.agents._roster import Place, Roster
from phalanx.core import NS_PER_S, Clock, PhalanxError, StorageFull
from phalanx.telemetry import Telemetry


class Keeper:
    """Runs the places of a roster. One ``keep`` per place."""

    def __init__(
        self,
        book: MissionBook,
        roster: Roster,
        placing: Placing,
        dispatcher: Dispatcher,
        *,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._book = book
        self._roster = roster
        self._placing = placing
        self._dispatcher = dispatcher
        self._clock = clock
        self._log = telemetry.log.bind(room="agents")
        self._tracer = telemetry.tracer
        # Set whenever an agent has put something down; whoever drains waits for it.
        self.put_down = asyncio.Event()
        metrics = telemetry.metrics
        self._busy = metrics.gauge("phalanx_agents_busy", "Agents with a mission in hand.")
        self._busy_seconds = metrics.counter(
            "phalanx_agent_busy_seconds_total", "Time that agents had a mission in hand.", ("role",)
        )
        self._replaced = metrics.counter("phalanx_agents_replaced_total", "Agents that fell and were replaced.")

    async def keep(self, place: Place, tasks: asyncio.TaskGroup) -> None:
        """Until cancelled."""
        while True:
            agent = place.agent
            claim = await agent.take()
            if claim is None:
                await self._expel(place, agent)
                continue
            self._placing.begun(claim)
            reason = await self._carry_out(place, claim, tasks)
            self._placing.ended(claim, ok=not reason)
            if reason:
                self._roster.replace(place)
                self._placing.replaced(place)
                self._replaced.inc()
                self._log.warning("agent replaced", agent=agent.name, by=place.agent.name, reason=reason)
                await self._set_back(claim, reason, tasks)
                for behind in agent.empty_mailbox():
                    self._placing.given_back(behind)
                    await self._book.surely(self._book.unbegun, behind, f"{agent.name} was replaced")
            agent.put_down()
            if reason:
                self._roster.bury(agent)
            self.put_down.set()
            self._dispatcher.wake()

    async def _expel(self, place: Place, agent: Agent) -> None:
        """Seat another for an agent without a mission in hand that may not go on."""
        self._roster.replace(place)
        self._placing.replaced(place)
        self._replaced.inc()
        self._log.warning("agent expelled", agent=agent.name, by=place.agent.name)
        for behind in agent.empty_mailbox():
            self._placing.given_back(behind)
            await self._book.surely(self._book.unbegun, behind, f"{agent.name} was expelled")
        self._roster.bury(agent)
        self.put_down.set()
        self._dispatcher.wake()

    async def _carry_out(self, place: Place, claim: Claim, tasks: asyncio.TaskGroup) -> str:
        """See a mission in hand through. Returns why the agent fell, or nothing when it did not."""
        mission, role = claim.mission, place.role.value
        self._busy.inc()
        begun_ns = self._clock.monotonic_ns()
        try:
            with self._tracer.span("mission", room="agents", trace=mission.trace, skill=mission.skill):
                summary = await self._attempt(place.agent, claim, tasks)
        except MissionRejected as rejected:
            place.failed += 1
            await self._book.surely(self._book.failed, claim, rejected.message)
        except Exception as error:  # noqa: BLE001 - supervision: whatever it was, only this agent falls
            place.failed += 1
            return explained(error)
        else:
            place.done += 1
            await self._book.surely(self._book.done, claim, summary)
        finally:
            self._busy.inc(-1)
            self._busy_seconds.labels(role).inc((self._clock.monotonic_ns() - begun_ns) / NS_PER_S)
        return ""

    async def _attempt(self, agent: Agent, claim: Claim, tasks: asyncio.TaskGroup) -> str:
        """One attempt. Full storage is nobody's fault: it is waited for and the attempt begun again."""
        while True:
            try:
                return await agent.attempt(claim, tasks)
            except StorageFull as full:
                self._log.warning("mission waits for storage", mission=claim.mission.id, reason=full.message)
                await self._clock.sleep(STORAGE_PAUSE_S)

    async def _set_back(self, claim: Claim, reason: str, tasks: asyncio.TaskGroup) -> None:
        attempts = claim.mission.attempts
        if attempts >= MAX_ATTEMPTS:
            await self._book.surely(self._book.failed, claim, f"given up after {attempts} attempts; the last: {reason}")
        else:
            self._dispatcher.rest(claim, tasks)
            await self._book.surely(self._book.again, claim, reason)


def explained(error: Exception) -> str:
    """What was raised, in one bounded line that is never empty."""
    kind, text = type(error).__name__, str(error)
    if not text:
        return kind
    return (text if isinstance(error, PhalanxError) else f"{kind}: {text}")[:MAX_NOTE_CHARS]
