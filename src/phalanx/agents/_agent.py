"""One agent: a mailbox with a bound, a mission in hand, and a limit on how long that may take.

An agent knows nothing of storage or of other agents. What a skill raises comes out of
``attempt``; what becomes of the mission and of the agent is for the swarm to say.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from phalanx.agents._book import Claim
from phalanx.agents._errors import AgentsError, AttemptOverran
from phalanx.agents._limits import MAILBOX_MISSIONS
from phalanx.agents._model import Role
from phalanx.agents._toolbox import Skill, Toolbox
from phalanx.core import Clock


class Agent:
    """An actor. It lives until something it does fails, or it is expelled; then another takes its place."""

    def __init__(self, name: str, role: Role, skills: Mapping[str, Skill], tools: Toolbox, clock: Clock) -> None:
        self.name = name
        self.role = role
        self._skills = skills
        self._tools = tools
        self._clock = clock
        # One place more than missions: being expelled comes through the mailbox too.
        self._mailbox: asyncio.Queue[Claim | None] = asyncio.Queue(maxsize=2 + MAILBOX_MISSIONS)
        # What it was given and has not put down, oldest first.
        self.held: list[Claim] = []
        self.in_hand: Claim | None = None
        self._expelled = asyncio.Event()

    @property
    def expelled(self) -> bool:
        """Whether it may not go on: its identity does not stand any more."""
        return self._expelled.is_set()

    def expel(self) -> None:
        """End what it is doing and wake it, so that another takes its place; again is not an error."""
        if not self.expelled:
            self._expelled.set()
            self._mailbox.put_nowait(None)

    @property
    def load(self) -> float:
        return sum(self._skills[claim.mission.skill].manifest.cost for claim in self.held)

    @property
    def has_room(self) -> bool:
        return len(self.held) <= MAILBOX_MISSIONS

    def give(self, claim: Claim) -> None:
        """Put a mission into the mailbox; only when ``has_room``."""
        self.held.append(claim)
        self._mailbox.put_nowait(claim)

    async def take(self) -> Claim | None:
        """The next mission from the mailbox, now in hand; None when the agent was expelled."""
        claim = await self._mailbox.get()
        if self.expelled:
            # What it was handed in the same moment goes back with the rest.
            if claim is not None:
                self._mailbox.put_nowait(claim)
            return None
        self.in_hand = claim
        return claim

    def put_down(self) -> None:
        """The mission in hand is no longer this agent's."""
        assert self.in_hand is not None
        self.held.remove(self.in_hand)
        self.in_hand = None

    def take_back(self, mission: str) -> Claim | None:
        """Take back one that was given and not begun; None when it is not there any more."""
        kept = [self._mailbox.get_nowait() for _ in range(self._mailbox.qsize())]
        found = next((claim for claim in kept if claim is not None and claim.mission.id == mission), None)
        for claim in kept:
            if claim is None or claim is not found:
                self._mailbox.put_nowait(claim)
        if found is not None:
            self.held.remove(found)
        return found

    def empty_mailbox(self) -> list[Claim]:
        """Take back what was given and not begun."""
        back = []
        while not self._mailbox.empty():
            claim = self._mailbox.get_nowait()
            if claim is not None:
                self.held.remove(claim)
                back.append(claim)
        return back

    async def attempt(self, claim: Claim, tasks: asyncio.TaskGroup) -> str:
        """Apply the mission's skill, within its limit. Raises what the skill raises, or ``AttemptOverran``.

        The skill runs in a task of its own, so that one which shrugs off cancellation holds up
        neither this agent's successor nor the mission; its late result is dropped here.
        """
        skill = self._skills[claim.mission.skill]
        limit_s = skill.manifest.limit_s
        work = tasks.create_task(_outcome(skill, claim, self._tools.limited(skill.manifest)))
        expelled = asyncio.ensure_future(self._expelled.wait())
        try:
            await first_within(limit_s, self._clock, work, expelled)
            if self.expelled:
                # Also when it has just finished: nobody may rely on what it brings.
                raise AgentsError(f"{self.name} was expelled: its identity does not stand any more")
            if not work.done():
                raise AttemptOverran(claim.mission.id, limit_s=limit_s)
        finally:
            work.cancel()
            expelled.cancel()
        if work.cancelled():
            raise AgentsError("the skill cancelled itself")
        outcome = work.result()
        if isinstance(outcome, Exception):
            raise outcome
        if not isinstance(outcome, str):
            raise AgentsError(f"the skill returned {type(outcome).__name__}, not a line of text")
        return outcome


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
