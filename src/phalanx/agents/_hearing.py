"""What an agent does with an envelope addressed to one of its skills.

Alongside its missions and not instead of them: one envelope after another, within a limit. What a skill raises is
reported and costs nobody a place, because the sender may be a stranger. It does not affect the reading of
heartbeats.
"""

import asyncio
import inspect
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from phalanx.agents._agent import Agent, first_within, task_name
from phalanx.agents._errors import explained
from phalanx.agents._limits import HEAR_S, MAX_UNHEARD
from phalanx.agents._model import Role, SkillManifest
from phalanx.agents._toolbox import Skill, Toolbox
from phalanx.core import Clock
from phalanx.messaging import Envelope, Kind, Mailbox, MessagingError, tagged
from phalanx.telemetry import Telemetry

# What a skill may be written to by, under the name that manifests use.
HEARABLE = {kind.name.lower(): kind for kind in (Kind.ALERT, Kind.COORDINATION, Kind.INTELLIGENCE, Kind.DISCOVERY)}


@runtime_checkable
class Listener(Protocol):
    """A skill that can be written to: its manifest says by which kinds (``hears``).

    ``hear`` gets each envelope of those kinds that reached an agent of its role by name, by a tag or by being for
    everybody; one to ``#skill:NAME`` goes to that skill alone. What it returns is sent back as a reply, None is no
    answer. The same envelope may come again. Marking, audience and tenant were checked by the bus; what the body says
    was checked by nobody.
    """

    @property
    def manifest(self) -> SkillManifest: ...

    async def hear(self, envelope: Envelope, tools: Toolbox, /) -> bytes | None: ...


class Hearing:
    """Of one swarm."""

    def __init__(self, skills: Sequence[Skill], tools: Toolbox, *, clock: Clock, telemetry: Telemetry) -> None:
        self._tools, self._clock = tools, clock
        self._log = telemetry.log.bind(room="agents")
        self._listeners: dict[Role, list[Listener]] = {}
        for skill in skills:
            if skill.manifest.hears and isinstance(skill, Listener):
                self._listeners.setdefault(skill.manifest.role, []).append(skill)
        self._waiting: dict[str, tuple[asyncio.Queue[Envelope], asyncio.Task[None]]] = {}
        metrics = telemetry.metrics
        self._heard = metrics.counter(
            "phalanx_skill_messages_total", "Envelopes that skills heard, by outcome.", ("skill", "outcome")
        )

    def put(self, agent: Agent, box: Mailbox, envelope: Envelope, tasks: asyncio.TaskGroup) -> None:
        """An envelope is the agent's. One too many at a time is let go, and counted."""
        listeners = self._for(agent.role, envelope)
        if not listeners:
            return
        if agent.name not in self._waiting:
            queue: asyncio.Queue[Envelope] = asyncio.Queue(MAX_UNHEARD)
            reading = tasks.create_task(self._read(agent, box, queue), name=task_name(agent.name, "hearing"))
            self._waiting[agent.name] = queue, reading
        try:
            self._waiting[agent.name][0].put_nowait(envelope)
        except asyncio.QueueFull:
            for one in listeners:
                self._heard.labels(one.manifest.name, "let-go").inc()

    def forget(self, agent: str) -> None:
        """It fell."""
        found = self._waiting.pop(agent, None)
        if found is not None:
            found[1].cancel()

    def _for(self, role: Role, envelope: Envelope) -> list[Listener]:
        named = envelope.kind.name.lower()
        hearing = [one for one in self._listeners.get(role, ()) if named in one.manifest.hears]
        addressed = [one for one in hearing if tagged(f"skill:{one.manifest.name}") in envelope.to]
        return addressed or hearing

    async def _read(self, agent: Agent, box: Mailbox, queue: asyncio.Queue[Envelope]) -> None:
        while True:
            envelope = await queue.get()
            for listener in self._for(agent.role, envelope):
                await self._listen(listener, agent, box, envelope)

    async def _listen(self, listener: Listener, agent: Agent, box: Mailbox, envelope: Envelope) -> None:
        skill = listener.manifest.name
        work = asyncio.ensure_future(_heard(listener, envelope, self._tools.limited(listener.manifest)))
        try:
            await first_within(HEAR_S, self._clock, work)
            outcome = work.result() if work.done() else TimeoutError(f"longer than {HEAR_S:g} s")
        finally:
            work.cancel()
        if isinstance(outcome, Exception):
            self._heard.labels(skill, "failed").inc()
            self._log.warning(
                "a skill could not hear an envelope", agent=agent.name, skill=skill, sender=envelope.sender,
                reason=explained(outcome),
            )  # fmt: skip
            return
        self._heard.labels(skill, "heard").inc()
        if outcome is not None:
            try:
                await box.reply(envelope, outcome)
            except MessagingError as error:
                self._log.warning("an answer did not arrive", agent=agent.name, skill=skill, reason=error.message)


async def _heard(listener: Listener, envelope: Envelope, tools: Toolbox) -> bytes | Exception | None:
    # An exception leaves as a value: raised inside the task group it would end the whole swarm.
    try:
        return await listener.hear(envelope, tools)
    except Exception as error:  # noqa: BLE001 - whatever a skill raises, nobody falls
        return error


def hearing_problem(skill: Skill) -> str:
    """What is wrong with what a skill says that it hears; empty when nothing is."""
    unknown = sorted(set(skill.manifest.hears) - HEARABLE.keys())
    if unknown:
        return f"nothing is heard by {', '.join(unknown)}; there are: {', '.join(HEARABLE)}"
    if skill.manifest.hears and not inspect.iscoroutinefunction(getattr(skill, "hear", None)):
        return "it says that it hears something, and has no coroutine function `hear`"
    return ""
