"""The state of a swarm, in words: who was isolated, which roles are degraded, who held the event loop."""

from dataclasses import dataclass

from phalanx.agents._agent import agent_of_task
from phalanx.agents._limits import HOG_TOLD_S
from phalanx.agents._model import Role
from phalanx.core import NS_PER_S, AlertLevel, AlertSink, Clock
from phalanx.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An agent that was set apart: who, under which key, why, on whose word, and when. Somebody else has its place."""

    agent: str
    role: Role
    identity: str
    reason: str
    by: str
    at_ns: int
    successor: str


@dataclass(frozen=True, slots=True)
class SwarmHealth:
    """How the swarm is doing. ``degraded`` are roles whose agents fall too often, ``resting`` duties nobody keeps."""

    running: bool
    n_agents: int
    n_vacant: int
    degraded: tuple[str, ...]
    resting: tuple[str, ...]
    hogs: tuple[str, ...]

    @property
    def told(self) -> str:
        """In words."""
        if not self.running:
            return "stopped; restart the node"
        words = [f"running, {self.n_agents} agents" + (f", {self.n_vacant} more to come" if self.n_vacant else "")]
        words += [f"{what}: {'; '.join(which)}" for what, which in self._troubles() if which]
        return "; ".join(words)

    def _troubles(self) -> list[tuple[str, tuple[str, ...]]]:
        return [("degraded", self.degraded), ("nobody keeps", self.resting), ("held the event loop", self.hogs)]


class Hogs:
    """Which pieces of work held the event loop of all."""

    def __init__(self, clock: Clock, telemetry: Telemetry, alerts: AlertSink | None) -> None:
        self._clock = clock
        self._alerts = alerts
        self._log = telemetry.log.bind(room="agents")
        self._seen: dict[str, str] = {}
        self._told_ns: dict[str, int] = {}
        self._hogged = telemetry.metrics.counter(
            "phalanx_event_loop_hogs_total", "How often one piece of work held the event loop.", ("agent", "work")
        )

    @property
    def told(self) -> tuple[str, ...]:
        """Each with how long it held the loop the last time, and where."""
        return tuple(self._seen.values())

    def held(self, task: str, seconds: float, where: str) -> None:
        """A task held the loop for so long; if it is an agent's, people are told which and where."""
        agent, work = agent_of_task(task) or ("", task)
        self._hogged.labels(agent, work).inc()
        now_ns = self._clock.monotonic_ns()
        told_ns = self._told_ns.get(work)
        self._seen[work] = f"{agent or 'the node'} in {work} for {seconds:.2g} s at {where}"
        self._log.warning("the event loop was held", agent=agent, work=work, seconds=seconds, where=where)
        if self._alerts is not None and agent and (told_ns is None or now_ns - told_ns > HOG_TOLD_S * NS_PER_S):
            self._told_ns[work] = now_ns
            text = f"the agent {agent} held the event loop in {work}: mark it cpu_bound, or have it yield"
            self._alerts.alert(AlertLevel.WARNING, "agents", text, seconds=round(seconds, 2), where=where)
