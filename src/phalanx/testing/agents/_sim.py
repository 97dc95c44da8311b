"""Simulation ``agents``: one machine with a swarm, missions that arrive, and everything that can go wrong with agents.

Agents are killed, set apart, revoked in the middle of their work, cut off from the monitor for a while; somebody forges
heartbeats in their names; skills raise, hang and shrug off being cancelled; a duty hangs and raises; the machine
dies and comes up again. In the end the faults stop, and every mission must have come to one end.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from phalanx.agents import MISSIONS, Mission, MissionStatus, Role, Swarm, Toolbox
from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    NotFound,
    Put,
    Rng,
    Severity,
    TraceId,
    decode,
    derive_id,
    encode,
)
from phalanx.messaging import Kind, Mailbox, Member
from phalanx.telemetry import Telemetry
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._sources import WORLD_START_NS
from phalanx.testing._world import SimNode, SimWorld
from phalanx.testing.agents._door import Door, LossyBus
from phalanx.testing.agents._history import History, WatchedStore
from phalanx.testing.agents._work import Beacon, Chore

NAME = "agents"
_PER_ROLE = 2
_SKILLS = (("triage", Role.ANALYST), ("hunt", Role.HUNTER))
_MISSIONS = 24
_TROUBLED_S = 40.0
_CALM_S = 300.0
_EVERY_BEAT = frozenset(f"beat:machine:{group}" for group in range(20))
_DEAF_MEAN_S = 12.0

Sabotage = Callable[[Swarm], object]


def _nothing(_: Swarm) -> None:
    """Leave the swarm as it is."""


@dataclass(slots=True)
class _Life:
    """One incarnation of the machine, as far as whoever does it harm can see it."""

    swarm: Swarm
    door: Door
    bus: LossyBus
    forger: Mailbox


class _Run:
    """One seed."""

    def __init__(self, world: SimWorld, checker: Checker, sabotage: Sabotage) -> None:
        self._world = world
        self._checker = checker
        self._sabotage = sabotage
        self._rng = world.rng.child("plan")
        self._history = History(checker, world.clock)
        self._life: _Life | None = None
        self._made = 0
        self._calm = False

    async def main(self, world: SimWorld) -> None:
        """Trouble for a while, in one or several lives; then calm, and the account."""
        node, rng = world.node("machine"), self._rng
        running = node.start(self._live)
        ends_s = world.loop.time() + _TROUBLED_S
        while world.loop.time() < ends_s:
            await world.clock.sleep(rng.exponential(1.2))
            if running.done():
                running.result()
            if rng.chance(0.03):
                self._checker.count("machine crashed")
                self._life = None
                await node.crash(power_loss=rng.chance(0.5))
                running = node.start(self._live)
            elif self._life is not None:
                self._trouble(self._life, rng)
        self._calm = True
        if self._life is not None:
            self._life.bus.deaf.clear()
            self._history.deaf_since.clear()
        try:
            await asyncio.wait_for(asyncio.shield(running), _CALM_S)
        except TimeoutError:
            open_missions = [one for one in self._history.standing.values() if one.ended_ns == 0]
            self._checker.violation("missions do not come to an end", [one.note for one in open_missions][:3])
            await node.crash()
            return
        self._account()

    async def _live(self, node: SimNode) -> None:
        """A swarm from its start until the calm has come and nothing is left to do."""
        world, checker = self._world, self._checker
        store = WatchedStore(world.store(node.name), self._history)
        rows = await store.scan(MISSIONS, DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
        self._history.resume([decode(row.value, Mission) for row in rows])
        telemetry, door = Telemetry(world.clock), Door(checker)
        bus = LossyBus("machine", clock=world.clock, ids=world.ids, telemetry=telemetry)
        rng = node.rng
        swarm = Swarm(
            store, clock=world.clock, telemetry=telemetry, rng=rng, toolbox=Toolbox(),
            skills=[Chore(name, role, world.clock, rng, checker) for name, role in _SKILLS],
            duties=[Beacon(world.clock, rng, checker)], agents_per_role=_PER_ROLE, admission=door, bus=bus,
            entropy=world.entropy,
        )  # fmt: skip
        self._sabotage(swarm)
        sweeping = asyncio.create_task(bus.run())
        async with swarm:
            self._life = _Life(swarm, door, bus, bus.join(Member("mallory", _EVERY_BEAT)))
            forging = asyncio.create_task(self._forge(self._life))
            feeding = asyncio.create_task(self._feed(store, swarm))
            while not self._calm:
                await world.clock.sleep(1.0)
            await feeding
            await swarm.settled()
            forging.cancel()
        sweeping.cancel()

    async def _feed(self, store: WatchedStore, swarm: Swarm) -> None:
        """New missions, a few at a time."""
        rng = self._rng.child(f"feed/{self._made}")
        while self._made < _MISSIONS:
            await self._world.clock.sleep(0.0 if self._calm else rng.exponential(1.0))
            number, self._made = self._made, self._made + 1
            mission = _mission(number, rng.choice(_SKILLS)[0])
            index = {"status": ("pending", f"pending/{mission.skill}"), "case": (mission.case,)}
            await store.commit([Put(MISSIONS, DEFAULT_TENANT, mission.id, encode(mission), index)])
            swarm.wake()

    async def _forge(self, life: _Life) -> None:
        """Answer every challenge in the names of those that are cut off."""
        async for asked in life.forger:
            for agent in sorted(life.bus.deaf):
                beat = bytes(32) + msgspec.msgpack.encode([agent, 1, asked.body, 0, ""])
                life.forger.send_nowait(Kind.HEARTBEAT, asked.sender, beat)

    def _trouble(self, life: _Life, rng: Rng) -> None:
        agents = [view.id for view in life.swarm.roster()]
        agent = rng.choice(agents)
        what = rng.weighted(("kill", "revoke", "quarantine", "deafen", "nothing"), (4, 3, 1, 3, 2))
        try:
            if what == "kill":
                life.swarm.kill(agent, "the simulation")
            elif what == "revoke":
                life.door.revoked.add(agent)
                self._history.revoked[agent] = self._history.now_ns()
                life.swarm.expel_barred()
            elif what == "quarantine":
                life.swarm.quarantine(agent, "the simulation", by="the simulation")
                self._history.revoked[agent] = self._history.now_ns()
            elif what == "deafen" and agent not in life.bus.deaf:
                life.bus.deaf.add(agent)
                self._history.deaf_since[agent] = self._history.now_ns()
                self._world.loop.call_later(rng.exponential(_DEAF_MEAN_S), self._hear_again, life, agent)
        except NotFound:
            return
        self._checker.count(what)

    def _hear_again(self, life: _Life, agent: str) -> None:
        life.bus.deaf.discard(agent)
        self._history.deaf_since.pop(agent, None)

    def _account(self) -> None:
        """Everything has come to one end, and nothing was lost."""
        standing = self._history.standing
        self._checker.require(len(standing) == _MISSIONS, "not every mission is there", len(standing))
        for mission in standing.values():
            ended = mission.status in (MissionStatus.DONE, MissionStatus.FAILED)
            self._checker.require(ended, "a mission has no end", mission.id, mission.status.value)
            gave_up = mission.status is not MissionStatus.FAILED or mission.note.startswith("given up after")
            self._checker.require(gave_up, "a mission failed for no reason", mission.note)
        self._checker.require(self._history.given >= _MISSIONS // 2, "hardly anything was given to anybody")


def _mission(number: int, skill: str) -> Mission:
    return Mission(
        id=derive_id(WORLD_START_NS, "mission", str(number)), tenant=DEFAULT_TENANT, trace=TraceId(f"trace-{number}"),
        at_ns=WORLD_START_NS, skill=skill, subject=f"finding-{number}", case="host:ws-1", severity=Severity.HIGH,
        status=MissionStatus.PENDING,
    )  # fmt: skip


def agents_simulation(*, sabotage: Sabotage = _nothing) -> Simulation:
    """The simulation; ``sabotage`` breaks a swarm before it starts, for the checker to complain of."""

    def run(seed: int) -> SimReport:
        world, checker = SimWorld(seed), Checker()
        return judged_in(world, _Run(world, checker, sabotage).main, checker, simulation=NAME)

    return Simulation(NAME, "agents crash, hang, fall silent and are revoked in the middle of their work", run)
