"""Watches over every agent: asks for heartbeats, judges silences, and says who is not to be trusted with anything.

It sits on the bus as the member ``health``. In each beat it sends a challenge to every agent, one group after
another, and collects the answers; in between it looks at silences. It tells the swarm what it concludes: an agent
is suspect, has been heard again, or is silent and to be replaced. Agents of other processes are watched by their
own monitor.
"""

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from phalanx.agents._admission import Admission
from phalanx.agents._agent import Agent
from phalanx.agents._errors import Unauthentic
from phalanx.agents._heartbeat import CHALLENGE_BYTES, KEY_BYTES, Beat, name_of, open_beat, seal_beat, statement
from phalanx.agents._limits import (
    BEAT_GROUPS,
    BEAT_S,
    ENROL_BATCH,
    EPOCH_S,
    LATE_TURN_S,
    LOOK_TURNS,
    SILENT_PHI,
    SUSPECT_PHI,
)
from phalanx.agents._suspicion import Suspicion
from phalanx.core import NS_PER_S, Clock, EntropySource, Offload, PhalanxError
from phalanx.messaging import Bus, Kind, Mailbox, Member, MessagingError, process_of, tagged
from phalanx.telemetry import Telemetry

HEALTH = "health"
AGENTS = "agent"


@dataclass(frozen=True, slots=True)
class LastHeard:
    """When an agent was last heard (wall clock), whether as who it is, and whether it still answers in time."""

    at_ns: int
    authentic: bool = True
    responsive: bool = True


class Verdicts(Protocol):
    """What is done about what the monitor finds."""

    def suspected(self, agent: Agent, phi: float, /) -> None: ...

    def cleared(self, agent: Agent, /) -> None: ...

    def silent(self, agent: Agent, silence_s: float, /) -> None: ...

    def barred(self, agent: Agent, /) -> None: ...


@dataclass(slots=True)
class _Watched:
    """One agent: its key of the present epoch (empty: not enrolled yet), and how it has been heard."""

    agent: Agent
    suspicion: Suspicion
    key: bytes = b""
    epoch: int = 0
    heard_wall_ns: int = 0
    phi: float = 0.0

    @property
    def suspect(self) -> bool:
        return self.phi >= SUSPECT_PHI


def group_of(agent: str) -> int:
    """The group in which an agent is asked."""
    return zlib.crc32(agent.encode()) % BEAT_GROUPS


def beat_tag(process: str, group: int) -> str:
    """The tag on the bus by which a group of one process is asked: the question stays in that process."""
    return f"beat:{process}:{group}"


class Monitor:
    """See the module. ``run`` must be running."""

    def __init__(
        self,
        bus: Bus,
        admission: Admission,
        verdicts: Verdicts,
        *,
        clock: Clock,
        entropy: EntropySource,
        offload: Offload | None,
        telemetry: Telemetry,
    ) -> None:
        self._bus = bus
        self._admission = admission
        self._verdicts = verdicts
        self._clock = clock
        self._entropy = entropy
        self._offload = offload
        self._log = telemetry.log.bind(room="agents")
        self._watched: dict[str, _Watched] = {}
        self._unenrolled: list[str] = []
        self._to_enrol = asyncio.Event()
        self._epoch = 1
        self._challenges = [b""] * BEAT_GROUPS
        self._groups: tuple[dict[str, _Watched], ...] = tuple({} for _ in range(BEAT_GROUPS))
        self._box = bus.join(Member(HEALTH, frozenset({HEALTH})))
        metrics = telemetry.metrics
        self._beats = metrics.counter("phalanx_heartbeats_total", "Heartbeats that were authentic.")
        self._refused = metrics.counter("phalanx_heartbeats_refused_total", "Heartbeats that were not authentic.")
        self._suspects = metrics.gauge("phalanx_agents_suspect", "Agents that have been silent for too long.")

    def watch(self, agent: Agent) -> None:
        """A new agent has its place: from now on it is expected to answer."""
        now_ns = self._clock.monotonic_ns()
        one = _Watched(agent, Suspicion(BEAT_S, now_ns), heard_wall_ns=self._clock.wall_ns())
        self._watched[agent.name] = self._groups[group_of(agent.name)][agent.name] = one
        self._unenrolled.append(agent.name)
        self._to_enrol.set()

    def forget(self, agent: str) -> None:
        if (one := self._watched.get(agent)) is not None and one.suspect:
            self._suspects.inc(-1)
        self._watched.pop(agent, None)
        self._groups[group_of(agent)].pop(agent, None)

    def last_heard(self, agent: str) -> LastHeard | None:
        """What is known of an agent; None when it has no place."""
        one = self._watched.get(agent)
        if one is None:
            return None
        return LastHeard(one.heard_wall_ns, self._admission.admitted(agent), not one.suspect)

    def phi(self, agent: str) -> float:
        one = self._watched.get(agent)
        return one.phi if one else 0.0

    def answer(self, agent: Agent, box: Mailbox, challenge: bytes) -> None:
        """The agent's side of a round."""
        one = self._watched.get(agent.name)
        if one is None or not one.key or agent.fall is not None:
            return
        beat = Beat(agent.name, one.epoch, challenge, agent.done, agent.in_hand.mission.id if agent.in_hand else "")
        try:
            box.send_nowait(Kind.HEARTBEAT, self._box.address, seal_beat(beat, one.key))
        except MessagingError as error:
            self._log.debug("a heartbeat did not leave", agent=agent.name, reason=error.message)

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Until cancelled."""
        tasks.create_task(self._listen(), name="agents: heartbeats")
        tasks.create_task(self._enrol(), name="agents: enrolment")
        began_ns = turn_ns = self._clock.monotonic_ns()
        turn = 0
        while True:
            now_ns = self._clock.monotonic_ns()
            if (away_ns := now_ns - turn_ns - int(LATE_TURN_S * NS_PER_S)) > 0:
                for one in self._watched.values():
                    one.suspicion.excuse(away_ns)
            turn_ns = now_ns
            if self._groups[turn % BEAT_GROUPS]:
                self._ask(turn % BEAT_GROUPS)
            for group in self._groups[turn % LOOK_TURNS :: LOOK_TURNS]:
                self._look(list(group.values()), now_ns)
            turn += 1
            if now_ns - began_ns >= self._epoch * EPOCH_S * NS_PER_S:
                self._epoch += 1
                self._unenrolled.extend(self._watched)
                self._to_enrol.set()
            await self._clock.sleep(BEAT_S / BEAT_GROUPS)

    def _ask(self, group: int) -> None:
        self._challenges[group] = self._entropy.token(CHALLENGE_BYTES)
        try:
            self._box.send_nowait(Kind.HEARTBEAT, tagged(beat_tag(self._bus.process, group)), self._challenges[group])
        except MessagingError as error:
            self._log.debug("nobody to ask for a heartbeat", reason=error.message)

    async def _listen(self) -> None:
        async for envelope in self._box:
            if envelope.kind is Kind.HEARTBEAT and process_of(envelope.sender) == self._bus.process:
                self._hear(envelope.body)

    def _hear(self, message: bytes) -> None:
        try:
            name = name_of(message)
            one = self._watched.get(name)
            if one is None or not one.key:
                raise Unauthentic(name, "no such agent has enrolled a key")
            if not self._admission.admitted(name):
                raise Unauthentic(name, "its identity does not stand")
            open_beat(message, one.key, agent=name, epoch=one.epoch, challenge=self._challenges[group_of(name)])
        except Unauthentic as error:
            # Dropped, and nothing else: whoever forges another's beats must not be able to have it put out.
            self._refused.inc()
            self._log.warning("heartbeat refused", agent=error.agent, reason=error.reason)
            return
        self._beats.inc()
        one.suspicion.heard(self._clock.monotonic_ns())
        one.heard_wall_ns = self._clock.wall_ns()
        if one.suspect:
            one.phi = 0.0
            self._suspects.inc(-1)
            self._verdicts.cleared(one.agent)

    def _look(self, some: Sequence[_Watched], now_ns: int) -> None:
        """Judge silences, and identities."""
        for one in some:
            if one.agent.fall is not None:
                continue
            if not self._admission.admitted(one.agent.name):
                self._verdicts.barred(one.agent)
            elif one.key:
                was, one.phi = one.suspect, one.suspicion.phi(now_ns)
                if one.phi >= SILENT_PHI:
                    self._verdicts.silent(one.agent, (now_ns - one.suspicion.heard_ns) / NS_PER_S)
                elif one.suspect and not was:
                    self._verdicts.suspected(one.agent, one.phi)
                elif was and not one.suspect:
                    self._verdicts.cleared(one.agent)
                if was != one.suspect:
                    self._suspects.inc(1 if one.suspect else -1)

    async def _enrol(self) -> None:
        """Give keys to those who have none of this epoch, off the event loop: each costs a signature and its check."""
        while True:
            await self._to_enrol.wait()
            self._to_enrol.clear()
            while self._unenrolled:
                names = [self._unenrolled.pop(0) for _ in range(min(ENROL_BATCH, len(self._unenrolled)))]
                wanted = [(name, self._entropy.token(KEY_BYTES)) for name in names if name in self._watched]
                if self._offload is None:
                    enrolled = self._enrolled(wanted, self._epoch)
                else:
                    enrolled = await self._offload.run(self._enrolled, wanted, self._epoch)
                for name, key in enrolled:
                    if (one := self._watched.get(name)) is not None:
                        if not one.key:
                            one.suspicion = Suspicion(BEAT_S, self._clock.monotonic_ns())
                        one.key, one.epoch = key, self._epoch

    def _enrolled(self, wanted: Sequence[tuple[str, bytes]], epoch: int) -> list[tuple[str, bytes]]:
        done = []
        for name, key in wanted:
            said = statement(name, self._admission.fingerprint(name), epoch, key)
            try:
                self._admission.check(name, said, self._admission.vouch(name, said))
            except PhalanxError as error:
                self._log.warning("key not enrolled", agent=name, reason=error.message)
            else:
                done.append((name, key))
        return done
