"""One agent: a bounded mailbox, a mission in hand, and a limit on how long that may take.

An agent knows nothing of storage or of other agents. What a skill raises comes out of ``attempt``; the swarm
decides what becomes of the mission and of the agent. A thousand of them live in one process, so an idle agent is a
few hundred bytes and one waiting task.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from phalanx.agents._book import Claim
from phalanx.agents._errors import AgentsError, AttemptOverran, MissionRejected
from phalanx.agents._falls import Fall
from phalanx.agents._limits import LATEST_NS, MAILBOX_MISSIONS
from phalanx.agents._model import Role
from phalanx.agents._toolbox import Skill, Toolbox
from phalanx.core import NS_PER_S, Clock

_TOO_LATE = "its deadline passed before it was done"


class Agent:
    """An actor. It lives until something it does fails, or it is dismissed; then another takes its place."""

    __slots__ = (
        "_clock",
        "_falling",
        "_skills",
        "_stirred",
        "_succeeded",
        "_tools",
        "done",
        "fall",
        "held",
        "in_hand",
        "name",
        "role",
    )

    def __init__(self, name: str, role: Role, skills: Mapping[str, Skill], tools: Toolbox, clock: Clock) -> None:
        self.name = name
        self.role = role
        self._skills = skills
        self._tools = tools
        self._clock = clock
        # The mailbox: what it was given and has not put down, oldest first, the one in hand included.
        self.held: list[Claim] = []
        self.in_hand: Claim | None = None
        # Missions that it has ended.
        self.done = 0
        # Why it may not go on; None for as long as it may.
        self.fall: Fall | None = None
        self._stirred: asyncio.Future[None] | None = None
        self._falling: asyncio.Future[None] | None = None
        self._succeeded: asyncio.Future[None] | None = None

    def dismiss(self, fall: Fall) -> bool:
        """End what it is doing and wake it, so that another takes its place; false when that is under way."""
        if self.fall is not None:
            return False
        self.fall = fall
        if self._falling is not None:
            self._falling.set_result(None)
        self._stir()
        return True

    def falling(self) -> "asyncio.Future[None]":
        """Done once the agent was dismissed. To be waited for beside others and never cancelled."""
        if self._falling is None:
            self._falling = asyncio.get_running_loop().create_future()
            if self.fall is not None:
                self._falling.set_result(None)
        return self._falling

    async def succeeded(self) -> None:
        """Wait until another has its place."""
        if self._succeeded is None:
            self._succeeded = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._succeeded)

    def succeed(self) -> None:
        """Another has its place."""
        if self._succeeded is not None:
            self._succeeded.set_result(None)

    @property
    def place(self) -> str:
        """The place it sits in: its name without the number of its life."""
        return self.name.rpartition(".")[0]

    @property
    def load(self) -> float:
        return sum(self._skills[claim.mission.skill].manifest.cost for claim in self.held)

    @property
    def has_room(self) -> bool:
        return len(self.held) <= MAILBOX_MISSIONS

    def give(self, claim: Claim) -> None:
        """Put a mission into the mailbox; only when ``has_room``."""
        assert self.has_room, self.name
        self.held.append(claim)
        self._stir()

    async def take(self) -> Claim | None:
        """The next mission from the mailbox, now in hand; None when the agent was dismissed."""
        assert self.in_hand is None, self.name
        while self.fall is None:
            if self.held:
                self.in_hand = self.held[0]
                return self.in_hand
            self._stirred = asyncio.get_running_loop().create_future()
            try:
                await self._stirred
            finally:
                self._stirred = None
        return None

    def put_down(self) -> None:
        """The mission in hand is no longer this agent's."""
        assert self.in_hand is not None
        self.held.remove(self.in_hand)
        self.in_hand = None

    def take_back(self, mission: str) -> Claim | None:
        """Take back one that was given and not begun; None when it is not there any more."""
        found = next((claim for claim in self.waiting if claim.mission.id == mission), None)
        if found is not None:
            self.held.remove(found)
        return found

    @property
    def waiting(self) -> list[Claim]:
        """What was given and not begun, oldest first."""
        return [claim for claim in self.held if claim is not self.in_hand]

    def empty_mailbox(self) -> list[Claim]:
        """Take back what was given and not begun."""
        back = self.waiting
        self.held = [] if self.in_hand is None else [self.in_hand]
        return back

    async def attempt(self, claim: Claim, tasks: asyncio.TaskGroup) -> str:
        """Apply the mission's skill, within its limit. Raises what the skill raises, or ``AttemptOverran``.

        The skill runs in a task of its own, so that one which shrugs off cancellation holds up
        neither this agent's successor nor the mission; its late result is dropped here.
        """
        skill = self._skills[claim.mission.skill]
        deadline_ns = claim.mission.deadline_ns or LATEST_NS
        left_s = (deadline_ns - self._clock.wall_ns()) / NS_PER_S
        limit_s = min(skill.manifest.limit_s, left_s)
        if left_s <= 0:
            raise MissionRejected(_TOO_LATE)
        name = task_name(self.name, skill.manifest.name)
        work = tasks.create_task(_outcome(skill, claim, self._tools.limited(skill.manifest)), name=name)
        try:
            await first_within(limit_s, self._clock, work, self.falling())
            if self.fall is not None:
                # Also when it has just finished: nobody may rely on what it brings.
                raise AgentsError(f"{self.name} {self.fall.kind.value}: {self.fall.reason}")
            if not work.done() and left_s <= limit_s:
                raise MissionRejected(_TOO_LATE)
            if not work.done():
                raise AttemptOverran(claim.mission.id, limit_s=limit_s)
        finally:
            work.cancel()
        if work.cancelled():
            raise AgentsError("the skill cancelled itself")
        outcome = work.result()
        if isinstance(outcome, Exception):
            raise outcome
        if not isinstance(outcome, str):
            raise AgentsError(f"the skill returned {type(outcome).__name__}, not a line of text")
        return outcome

    def _stir(self) -> None:
        if self._stirred is not None and not self._stirred.done():
            self._stirred.set_result(None)


def task_name(agent: str, work: str) -> str:
    """What the task of an agent's work is called: whoever finds a task can tell whose it is."""
    return f"agent {agent} {work}"


def agent_of_task(name: str) -> tuple[str, str] | None:
    """The agent and its work, from the name of a task; None for a task that is no agent's."""
    parts = name.split(" ", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "agent" else None


async def first_within(limit_s: float, clock: Clock, *works: "asyncio.Future[Any]") -> None:
    """Wait until one of ``works`` has ended, but no longer than ``limit_s``. Nothing is cancelled."""
    timer = asyncio.ensure_future(clock.sleep(limit_s))
    try:
        await asyncio.wait((*works, timer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()


async def _outcome(skill: Skill, claim: Claim, tools: Toolbox) -> object:
    # An exception leaves as a value: raised inside the task group it would end the whole swarm.
    try:
        return await skill.perform(claim.mission, tools)
    except Exception as error:  # noqa: BLE001 - whatever a skill raises, only its agent falls
        return error
