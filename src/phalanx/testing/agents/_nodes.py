"""Simulation ``succession``: nodes with stores of their own that stand in for each other's missions.

Nodes crash and come back, or stay away for good; they are cut off from each other in one direction or both; datagrams
are lost, doubled and overtaken. In the end the network heals, and all that are not gone for good are there. The checker
reads the commits of every store, and knows nothing of how it is done:

- of all nodes together one writes the end of a mission, and writes it once;
- who writes it is the node that has the mission by its own store;
- every mission comes to its end, at the latest when all nodes are back. Where one is gone for good, all do but those
  that were there alone, and those that it was, or may have been, the heir of while their own node was away, too.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from phalanx.agents import MISSIONS, Mission, MissionStatus, Role, SkillManifest, Succession, Swarm, Toolbox
from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    Clock,
    Expect,
    Put,
    Rng,
    Severity,
    Store,
    Table,
    TraceId,
    Write,
    decode,
    derive_id,
    encode,
)
from phalanx.messaging import Bus, ClearPeers
from phalanx.telemetry import Telemetry
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._faults import Faults, NetworkFaults
from phalanx.testing._sources import WORLD_START_NS
from phalanx.testing._world import SimNode, SimWorld

NAME = "succession"
_NODES = ("p", "q", "r")
_MISSIONS = 12
_TROUBLED_S = 60.0
_CALM_S = 240.0
_EVENTS_MEAN_S = 2.5
_WORK_MEAN_S = 4.0
_NETWORK = NetworkFaults(loss=0.02, duplication=0.02)
# Tables by their names: the checker shares no code with those that write them.
COPIES, BEQUESTS, VERDICTS = "mission_copies", "mission_bequests", "mission_verdicts"
_FINAL = (MissionStatus.DONE, MissionStatus.FAILED)

Sabotage = Callable[[Succession], object]


def _nothing(_: Succession) -> None:
    """Leave it as it is."""


class PlainCarrier:
    """Missions of a simulation are about nothing that would have to go along."""

    async def pack(self, mission: Mission, /) -> bytes | None:  # noqa: ARG002 - a carrier's signature
        return b""

    def unpack(self, mission: Mission, luggage: bytes, /) -> Sequence[Put]:  # noqa: ARG002 - a carrier's signature
        return ()


class _Labour:
    """A skill that takes its time, and says who did it."""

    def __init__(self, process: str, clock: Clock, rng: Rng) -> None:
        self.manifest = SkillManifest("triage", Role.ANALYST, (), ("finding",), (), 1.0, (), 60.0)
        self._process, self._clock, self._rng = process, clock, rng

    async def perform(self, mission: Mission, tools: Toolbox) -> str:  # noqa: ARG002 - a skill's signature
        draw = self._rng.child(f"{mission.id}/{mission.attempts}/{mission.agent}/{self._process}")
        await self._clock.sleep(draw.exponential(_WORK_MEAN_S))
        return f"by {mission.agent} of {self._process}"


@dataclass(slots=True)
class _Judge:
    """What all stores were told of each mission."""

    checker: Checker
    ended: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    standing: dict[str, dict[str, Mission]] = field(default_factory=lambda: {name: {} for name in _NODES})
    given: dict[tuple[str, str], tuple[str, str, int]] = field(default_factory=dict)
    granted: set[str] = field(default_factory=set)
    copies: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in _NODES})

    def look(self, node: str, writes: Sequence[Write]) -> None:
        for write in writes:
            if isinstance(write, Put) and write.table.name == MISSIONS.name:
                self._step(node, decode(write.value, Mission))
            elif isinstance(write, Put) and write.table.name == BEQUESTS:
                said = msgspec.msgpack.decode(write.value)
                self.given[write.key, node] = said["heir"], said["umpire"], said["term"]
            elif isinstance(write, Put) and write.table.name == VERDICTS and write.value == b"granted":
                self.granted.add(write.key)
            elif write.table.name == COPIES:
                self.copies[node].discard(write.key)
                if isinstance(write, Put) and write.index["state"] == ("held",):
                    self.copies[node].add(write.key)

    async def resume(self, node: str, store: Store) -> None:
        """A node came up again: what its store was told last may or may not be in it."""
        rows = await store.scan(MISSIONS, DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
        self.standing[node] = {row.key: decode(row.value, Mission) for row in rows}
        for mission in self.standing[node].values():
            if mission.status in _FINAL:
                self._end(node, mission)
        held = await store.find(Table(COPIES, ("owner", "state"), sealed=True), DEFAULT_TENANT, "state", "held")
        self.copies[node] = {row.key for row in held}

    def waits_for(self, mission: str, gone: str) -> bool:
        """Whether it was given to a node that is gone, and no third can say that this one did not take it.

        There was none, or it had ruled that it may: then only a person can say that it will not come back.
        """
        for owner in set(_NODES) - {gone}:
            heir, umpire, term = self.given.get((mission, owner), ("", "", 0))
            if heir == gone and (not umpire or f"{owner}/{heir}/{term:016d}" in self.granted):
                return True
        return False

    def is_somewhere_else(self, mission: str, gone: str) -> bool:
        """Whether a node that is there has the mission, or a copy of it."""
        for name in _NODES:
            own = self.standing[name].get(mission)
            has_it = own is not None and own.status is not MissionStatus.TAKEN
            if name != gone and (has_it or any(key.startswith(mission) for key in self.copies[name])):
                return True
        return False

    def _step(self, node: str, mission: Mission) -> None:
        before = self.standing[node].get(mission.id)
        self.standing[node][mission.id] = mission
        if before is not None and before.status in _FINAL:
            self.checker.violation("a mission went on after its end", node, mission.status.value)
        if mission.status in _FINAL:
            has_it = before is not None and before.status is MissionStatus.ASSIGNED
            self.checker.require(has_it, "ended by a node that did not have it", node, mission.id)
            self._end(node, mission)
        elif mission.status is MissionStatus.TAKEN:
            self.checker.count("found taken over")
        elif mission.origin and (before is None or before.status is MissionStatus.TAKEN):
            self.checker.count("taken over")

    def _end(self, node: str, mission: Mission) -> None:
        first = self.ended.setdefault(mission.id, node)
        self.checker.require(first == node, "a mission was done twice", mission.id, first, node)
        if mission.note.startswith("by "):
            self.checker.require(mission.note.endswith(f" of {node}"), "another's result", mission.note, node)


class _Watched:
    """Passes everything on, and shows each durable commit to the judge."""

    def __init__(self, inner: Store, judge: _Judge, node: str) -> None:
        self._inner, self._judge, self._node = inner, judge, node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        version = await self._inner.commit(writes, expect=expect)
        self._judge.look(self._node, writes)
        return version


class _Run:
    """One seed."""

    def __init__(self, world: SimWorld, checker: Checker, sabotage: Sabotage) -> None:
        self._world, self._checker, self._sabotage = world, checker, sabotage
        self._rng = world.rng.child("plan")
        self._judge = _Judge(checker)
        self._swarms: dict[str, Swarm] = {}
        self._down: set[str] = set()
        self._made = 0
        self._is_calm = False

    async def main(self, world: SimWorld) -> None:
        for name in _NODES:
            world.node(name).start(self._live)
        ends_s = world.loop.time() + _TROUBLED_S
        while world.loop.time() < ends_s:
            await world.clock.sleep(self._rng.exponential(_EVENTS_MEAN_S))
            await self._trouble(self._rng)
        self._is_calm = True
        world.network.heal()
        # One may be gone for good; the others carry on with all that it had given away.
        gone = self._rng.choice(_NODES) if self._rng.chance(0.5) else ""
        if gone and gone not in self._down:
            await self._crash(gone, power_loss=True)
        for name in sorted(self._down - {gone}):
            self._start(name)
        if gone:
            self._checker.count("gone for good")
        await self._calm(gone)

    async def _calm(self, gone: str) -> None:
        """Wait until all that can come to an end has, then account for the rest."""
        for _ in range(int(_CALM_S)):
            await self._world.clock.sleep(1.0)
            if not self._open(gone):
                return
        for mission, node in sorted(self._open(gone).items()):
            held = {name: one[mission].note for name, one in self._judge.standing.items() if mission in one}
            self._checker.violation("a mission does not come to an end", mission, node, held)

    def _open(self, gone: str) -> dict[str, str]:
        """Missions that have no end and should have one, with who made them."""
        missing = {}
        for mission, node in self._judge.made.items():
            if mission in self._judge.ended:
                continue
            # What a node that is gone had given to nobody is gone with it; so is what it was given by one that
            # was away when it vanished.
            if gone and (not self._judge.is_somewhere_else(mission, gone) or self._judge.waits_for(mission, gone)):
                continue
            missing[mission] = node
        return missing

    async def _live(self, node: SimNode) -> None:
        world = self._world
        store = _Watched(world.store(node.name), self._judge, node.name)
        await self._judge.resume(node.name, store)
        telemetry = Telemetry(world.clock)
        bus = await Bus.open(
            node.name, journal=await world.journals(node.name).open("outbox"),
            peers=ClearPeers([world.transport(node.name)]), clock=world.clock, ids=world.ids, telemetry=telemetry,
            rng=node.rng, store=None,
        )  # fmt: skip
        others = frozenset(_NODES) - {node.name}
        for other in sorted(others):
            bus.meet(other)
        succession = Succession(bus, store, lambda: others, PlainCarrier(), clock=world.clock, telemetry=telemetry)
        self._sabotage(succession)
        swarm = Swarm(
            store, clock=world.clock, telemetry=telemetry, rng=node.rng, toolbox=Toolbox(),
            skills=[_Labour(node.name, world.clock, node.rng)], agents_per_role=2, succession=succession,
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bus.run())
            async with swarm:
                self._swarms[node.name] = swarm
                await self._feed(node, store, swarm)
                await asyncio.Event().wait()

    async def _feed(self, node: SimNode, store: "_Watched", swarm: Swarm) -> None:
        """New missions for a node, while there is trouble; one of which nobody knows whether it was written is none."""
        rng = node.rng.child("feed")
        while not self._is_calm:
            await self._world.clock.sleep(rng.exponential(_TROUBLED_S * len(_NODES) / _MISSIONS))
            self._made += 1
            mission = _mission(self._made)
            index = {"status": ("pending", f"pending/{mission.skill}"), "case": (mission.case,)}
            await store.commit([Put(MISSIONS, DEFAULT_TENANT, mission.id, encode(mission), index)])
            self._judge.made[mission.id] = node.name
            swarm.wake()

    async def _trouble(self, rng: Rng) -> None:
        network = self._world.network
        what = rng.weighted(("crash", "start", "cut", "partition", "heal", "nothing"), (5, 6, 3, 3, 5, 2))
        if what == "crash":
            up = [name for name in _NODES if name in self._swarms]
            if len(up) > 1 or rng.chance(0.3):
                name = rng.choice(up) if up else ""
                if name:
                    await self._crash(name, power_loss=rng.chance(0.5))
        elif what == "start":
            if self._down:
                self._start(rng.choice(sorted(self._down)))
        elif what == "cut":
            network.cut(*([name] for name in rng.sample(_NODES, 2)))
        elif what == "partition":
            network.partition([rng.choice(_NODES)], list(_NODES))
        elif what == "heal":
            network.heal()
        self._checker.count(what)

    async def _crash(self, name: str, *, power_loss: bool) -> None:
        self._swarms.pop(name, None)
        self._down.add(name)
        await self._world.node(name).crash(power_loss=power_loss)

    def _start(self, name: str) -> None:
        self._down.discard(name)
        self._world.node(name).start(self._live)


def _mission(number: int) -> Mission:
    return Mission(
        id=derive_id(WORLD_START_NS, "mission", str(number)), tenant=DEFAULT_TENANT, trace=TraceId(f"trace-{number}"),
        at_ns=WORLD_START_NS, skill="triage", subject=f"finding-{number}", case="host:ws-1", severity=Severity.HIGH,
        status=MissionStatus.PENDING,
    )  # fmt: skip


def succession_simulation(*, sabotage: Sabotage = _nothing) -> Simulation:
    """The simulation; ``sabotage`` breaks each node before it starts, for the checker to complain of."""

    def run(seed: int) -> SimReport:
        world, checker = SimWorld(seed, faults=Faults(network=_NETWORK)), Checker()
        return judged_in(world, _Run(world, checker, sabotage).main, checker, simulation=NAME)

    return Simulation(NAME, "nodes die, are cut off and come back; others continue their missions, once", run)
