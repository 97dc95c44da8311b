"""Where an agent lives while it has its place: on the bus, and watched by the monitor.

What reaches it there: requests for a heartbeat, which it answers, and what others send to its role, its
capabilities or everybody, which it receives and passes to those of its skills that hear it. An agent that fell is
off the bus in the same step.
"""

import asyncio
import dataclasses

from phalanx.agents._agent import Agent, task_name
from phalanx.agents._hearing import Hearing
from phalanx.agents._model import Capability, Role
from phalanx.agents._monitor import AGENTS, Monitor, beat_tag, group_of
from phalanx.agents._roster import Roster
from phalanx.messaging import ALL_TENANTS, Bus, Kind, Mailbox, Marking, Member, process_of
from phalanx.telemetry import Telemetry


class Housing:
    """Of one swarm. Without a bus agents live by themselves, and nobody listens to their heart."""

    def __init__(
        self, roster: Roster, bus: Bus | None, monitor: Monitor | None, telemetry: Telemetry, hearing: Hearing
    ) -> None:
        self._hearing = hearing
        self._roster = roster
        self._bus = bus
        self._monitor = monitor
        self._boxes: dict[str, tuple[Mailbox, asyncio.Task[None]]] = {}
        self._taken = telemetry.metrics.counter(
            "phalanx_agent_messages_total", "Messages that agents received, by kind.", ("kind",)
        )
        self._tags = {role: self._tags_of(role) for role in roster.roles}

    def move_in(self, agent: Agent, tasks: asyncio.TaskGroup) -> None:
        """The agent has its place."""
        if self._bus is None:
            return
        tags = self._tags[agent.role] | {beat_tag(self._bus.process, group_of(agent.name))}
        place = self._roster.named.get(agent.place)
        tenants = frozenset({place.tenant}) if place is not None and place.tenant else ALL_TENANTS
        box = self._bus.join(Member(agent.name, tags, tenants=tenants))
        self._boxes[agent.name] = (
            box,
            tasks.create_task(self._read(agent, box, tasks), name=task_name(agent.name, "mailbox")),
        )
        if self._monitor is not None:
            self._monitor.watch(agent)

    def move_out(self, agent: Agent) -> None:
        """The agent fell."""
        found = self._boxes.pop(agent.name, None)
        if found is not None:
            box, reader = found
            box.leave()
            reader.cancel()
        self._hearing.forget(agent.name)
        if self._monitor is not None:
            self._monitor.forget(agent.name)

    def gag(self, agent: Agent, *, on: bool) -> None:
        """Keep intelligence from an agent that is suspect; with ``on`` false, no longer."""
        if (found := self._boxes.get(agent.name)) is not None:
            clearance = Marking.GREEN if on else Member(agent.name).clearance
            box = found[0]
            box.member = dataclasses.replace(box.member, clearance=clearance)

    def clear(self) -> None:
        """Everybody leaves."""
        for box, _ in self._boxes.values():
            box.leave()
        self._boxes.clear()

    async def _read(self, agent: Agent, box: Mailbox, tasks: asyncio.TaskGroup) -> None:
        async for envelope in box:
            if envelope.kind is Kind.HEARTBEAT:
                # The monitor of another process asks its own agents by the same tag.
                if self._monitor is not None and process_of(envelope.sender) == process_of(box.address):
                    self._monitor.answer(agent, box, envelope.body)
            else:
                self._taken.labels(envelope.kind.name.lower()).inc()
                self._hearing.put(agent, box, envelope, tasks)

    def _tags_of(self, role: Role) -> frozenset[str]:
        skills = [skill.manifest for skill in self._roster.skills.values() if skill.manifest.role is role]
        capabilities: set[Capability] = {one for manifest in skills for one in manifest.capabilities}
        named = (*(f"cap:{one.value}" for one in capabilities), *(f"skill:{one.name}" for one in skills))
        return frozenset((AGENTS, f"role:{role.value}", *sorted(named)))
