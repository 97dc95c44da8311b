"""What a duty is: continuous work, as opposed to a mission.

A listener, a periodic probe, a watcher of a stream, a tripwire: an agent of its role keeps it for as long as the
node runs. A duty (or each of its partitions) is kept by one agent at a time. When that agent falls, its successor
continues it; nothing is carried over except what the duty itself made durable, so a term begins by reading how far
the last one got.
"""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from phalanx.agents._errors import AgentsError, InvalidSkill
from phalanx.agents._limits import MAX_PARTITIONS, SILENCE_LIMIT_S
from phalanx.agents._model import Capability, Role
from phalanx.agents._toolbox import Toolbox
from phalanx.core import MAX_NAME_CHARS, NS_PER_S, Clock, Rng
from phalanx.telemetry import Logger


class Restart(Enum):
    """What it means that ``keep`` returns: a failure like any other, or that the duty is done for good."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"


@dataclass(frozen=True, slots=True)
class DutyManifest:
    """What a duty is and needs.

    ``inputs`` and ``outputs`` are the kinds of records it reads and leaves behind. ``cost`` is the
    load it puts on an agent, relative to others: duties are spread by it. ``permissions`` names
    the tool types it may take from the toolbox. A duty of several ``partitions`` is kept that many
    times at once, each by a watch that knows its number. Who says nothing of progress for
    ``silence_s`` is taken to hang and is replaced. ``cpu_bound`` is as for skills.
    """

    name: str
    role: Role
    capabilities: tuple[Capability, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cost: float
    permissions: tuple[str, ...]
    partitions: int = 1
    silence_s: float = SILENCE_LIMIT_S
    restart: Restart = Restart.ALWAYS
    cpu_bound: bool = False


class Watch:
    """One term of a duty: what the agent that keeps it is handed, and where it shows that it is alive.

    ``term`` grows with each agent that takes over. ``tools`` are those that the manifest names.
    """

    def __init__(
        self, manifest: DutyManifest, *, agent: str, partition: int, term: int,
        tools: Toolbox, clock: Clock, rng: Rng, log: Logger,
    ) -> None:  # fmt: skip
        self.agent = agent
        self.partition = partition
        self.partitions = manifest.partitions
        self.term = term
        self.tools = tools
        self.clock = clock
        self.rng = rng
        self.log = log
        self.done = 0
        self.note = ""
        self.ended = False
        self.began_ns = self.heard_ns = clock.monotonic_ns()
        self._waiting = 0
        self._silence_ns = int(manifest.silence_s * NS_PER_S)

    def progress(self, note: str = "", *, done: int = 0) -> None:
        """Say that the duty is alive; ``done`` counts what it did, ``note`` says in words how it stands.

        Raises ``AgentsError`` when the term is over: somebody else keeps the duty now.
        """
        if self.ended:
            raise AgentsError(f"the term of {self.agent} is over", hint="end without doing anything more")
        self.heard_ns = self.clock.monotonic_ns()
        self.done += done
        self.note = note or self.note

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait for something outside that may take for ever: in here, silence is no hanging."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self.heard_ns = self.clock.monotonic_ns()

    async def pause(self, seconds: float) -> None:
        """Do nothing for so long; that is no hanging either."""
        with self.waiting():
            await self.clock.sleep(seconds)
        self.progress()

    async def beats(self, every_s: float) -> AsyncIterator[int]:
        """0, 1, 2, … at this distance, for as long as the term lasts; each is progress."""
        beat = 0
        while True:
            self.progress()
            yield beat
            beat += 1
            await self.pause(every_s)

    def mine(self, key: str) -> bool:
        """Whether what goes by this key (a host, a user, …) belongs to this partition: the same on every node."""
        return self.partitions == 1 or zlib.crc32(key.encode()) % self.partitions == self.partition

    def silent_for_s(self) -> float:
        """How long nothing was heard; 0 while it waits."""
        return 0.0 if self._waiting else (self.clock.monotonic_ns() - self.heard_ns) / NS_PER_S

    def hangs_in_s(self) -> float:
        """After how long it will be taken to hang, should nothing be heard; 0 or less: it does."""
        if self._waiting:
            return self._silence_ns / NS_PER_S
        return (self.heard_ns + self._silence_ns - self.clock.monotonic_ns()) / NS_PER_S


class Duty(Protocol):
    """Work that stands, kept by one agent of its role at a time.

    ``keep`` runs until it is cancelled, and yields to that promptly: its successor waits for it. It
    shows that it lives by ``watch.progress`` or through the waits that ``watch`` offers. Raising
    ends its agent; another takes over after a rest.
    """

    @property
    def manifest(self) -> DutyManifest: ...

    async def keep(self, watch: Watch, /) -> None: ...


class DutyState(Enum):
    """How a duty is doing. ``RESTING``: it failed and is begun again soon. ``OVER``: it ended as it meant to."""

    KEPT = "kept"
    RESTING = "resting"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class DutyView:
    """One partition of a duty: who keeps it since when, when it was last heard, what it did, how often it fell."""

    duty: str
    role: Role
    partition: int
    partitions: int
    agent: str
    state: DutyState
    term: int
    kept_s: float
    silent_s: float
    done: int
    falls: int
    note: str


def checked_duty(duty: Duty) -> Duty:
    """The duty; raises ``InvalidSkill`` for a manifest that cannot be used."""
    manifest = duty.manifest
    if not manifest.name or len(manifest.name) > MAX_NAME_CHARS:
        raise InvalidSkill("name", f"{manifest.name[:MAX_NAME_CHARS]!r} must have 1 to {MAX_NAME_CHARS} characters")
    if not manifest.cost > 0 or not manifest.silence_s > 0:
        raise InvalidSkill("cost", f"cost and silence_s of {manifest.name!r} must be positive")
    if not 1 <= manifest.partitions <= MAX_PARTITIONS:
        raise InvalidSkill("partitions", f"{manifest.name!r} must have 1 to {MAX_PARTITIONS}")
    if not asyncio.iscoroutinefunction(duty.keep):
        raise InvalidSkill("keep", f"of {manifest.name!r} must be a coroutine function")
    return duty
