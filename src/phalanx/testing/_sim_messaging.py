"""Simulation ``messaging``: buses of three processes over a network that loses, doubles, overtakes and is cut.

Agents send all kinds to each other, by name, by tag and to everybody; processes crash, and start again on what their
disks kept; links are cut in one direction or both; a fourth process, which is let in, lies: it forges senders, repeats
what it heard, sends what its receivers may not have, and noise. In the end the network heals. What must hold then is
in ``_messaging_checker``: nothing twice, nothing to whom it is not for, nothing without an end, nothing durable lost.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from phalanx.core import DEFAULT_TENANT, NS_PER_S, Rng, TenantId
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._faults import Faults, NetworkFaults
from phalanx.testing._messaging_checker import MessagingChecker, Sent
from phalanx.testing._world import SimNode, SimWorld

if TYPE_CHECKING:
    from phalanx.messaging import Bus, Envelope, Mailbox, Peers, Receipt

NAME = "messaging"
_PROCESSES = ("p", "q", "r")
_LIAR = "liar"
_AGENTS = ("one", "two")
_TAG = "role:hunter"
_SECRET = TenantId("secret")
_SENDINGS = 30
_PAUSE_MEAN_S = 0.03
# Written to disk for sure after this long: a sync takes a fifth of a millisecond.
_WRITTEN_NS = NS_PER_S // 20
_PATIENCE_S = 6.0
# Well below the deadline of what is durable: that must have arrived, not expired.
_ROUNDS_OF_QUIET = 8


@dataclass(slots=True)
class _Run:
    world: SimWorld
    checker: Checker
    judge: MessagingChecker
    rng: Rng
    labels: "count[int]" = field(default_factory=count)
    buses: dict[str, "Bus"] = field(default_factory=dict)
    boxes: dict[str, "Mailbox"] = field(default_factory=dict)
    crashes: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in _PROCESSES})
    heard: list[bytes] = field(default_factory=list)

    async def main(self, world: SimWorld) -> None:
        for name in _PROCESSES:
            world.node(name).start(self._process)
        liar = _Liar(self, world.transport(_LIAR))
        lying = asyncio.create_task(liar.listen())
        for _ in range(_SENDINGS):
            await world.clock.sleep(self.rng.exponential(_PAUSE_MEAN_S))
            await self._act(liar)
        self._heal_for_good()
        await self._quiet()
        lying.cancel()
        self.judge.finish({**self.crashes, _LIAR: []}, _WRITTEN_NS)
        for name, bus in self.buses.items():
            self.checker.require(not bus.desk.pending, "something is pending for ever", name)

    async def _process(self, node: SimNode) -> None:
        """One process: a bus with its two agents, until it crashes."""
        from phalanx.messaging import Bus, ClearPeers, Member
        from phalanx.telemetry import Telemetry

        world, life = self.world, len(self.crashes[node.name])
        peers: Peers = ClearPeers([world.transport(node.name)])
        bus = await Bus.open(
            node.name, journal=await world.journals(node.name).open("outbox"), peers=peers, clock=world.clock,
            ids=world.ids, telemetry=Telemetry(world.clock), rng=node.rng, store=None,
        )  # fmt: skip
        for other in (*_PROCESSES, _LIAR):
            if other != node.name:
                bus.meet(other)
        self.buses[node.name] = bus
        async with asyncio.TaskGroup() as tasks:
            for agent in _AGENTS:
                # The second agent of each process serves one tenant alone.
                tenants = frozenset({"*"} if agent == "one" else {str(DEFAULT_TENANT)})
                box = bus.join(
                    Member(agent, tags=frozenset({_TAG}) if agent == "one" else frozenset(), tenants=tenants)
                )
                self.boxes[box.address] = box
                tasks.create_task(self._read(box, life))
            tasks.create_task(bus.run())

    async def _read(self, box: "Mailbox", life: int) -> None:
        async for envelope in box:
            self.judge.took(box.address, life, envelope.sender, envelope.body)
            await self.world.clock.sleep(self.rng.exponential(0.002))

    async def _act(self, liar: "_Liar") -> None:
        rng, network = self.rng, self.world.network
        what = rng.weighted(("send", "cut", "partition", "heal", "crash", "lie"), (70, 8, 4, 8, 4, 12))
        if what == "send":
            for _ in range(rng.integer(1, 6)):
                self._send()
        elif what == "cut":
            network.cut(*([name] for name in rng.sample((*_PROCESSES, _LIAR), 2)))
        elif what == "partition":
            network.partition([rng.choice(_PROCESSES)], list(_PROCESSES))
        elif what == "heal":
            network.heal()
        elif what == "lie":
            liar.lie(rng)
        else:
            await self._crash(rng.choice(_PROCESSES))

    async def _crash(self, name: str) -> None:
        node = self.world.node(name)
        self.crashes[name].append(self.world.clock.wall_ns())
        self.checker.count("crashes")
        for agent in _AGENTS:
            self.boxes.pop(f"{name}/{agent}", None)
        self.buses.pop(name, None)
        await node.crash(power_loss=self.rng.chance(0.5))
        node.start(self._process)

    def _send(self) -> None:
        """One envelope of some kind from some agent that is there."""
        from phalanx.messaging import EVERYONE, Kind, MessagingError, tagged

        rng = self.rng
        if not self.boxes:
            return
        box = self.boxes[rng.choice(sorted(self.boxes))]
        everybody = [f"{process}/{agent}" for process in _PROCESSES for agent in _AGENTS]
        hunters = frozenset(address for address in everybody if address.endswith("/one"))
        tenant = _SECRET if rng.chance(0.2) and box.address in hunters else DEFAULT_TENANT
        kind = rng.choice((Kind.ALERT, Kind.ALERT, Kind.CONSENSUS, Kind.COORDINATION, Kind.INTELLIGENCE, Kind.REPLY))
        to: str | Sequence[str]
        if kind is Kind.ALERT:
            to, readers = EVERYONE, frozenset(everybody)
        elif kind in (Kind.CONSENSUS, Kind.INTELLIGENCE) and rng.chance(0.5):
            to, readers = tagged(_TAG), hunters
        else:
            to = rng.choice(everybody)
            readers = frozenset({to})
        if tenant == _SECRET:
            readers &= hunters
        label = b"%d " % next(self.labels) + bytes(rng.integer(0, 2_000) if rng.chance(0.1) else 4)
        deadline_ns = 0 if kind in (Kind.ALERT, Kind.CONSENSUS) else self.world.clock.wall_ns() + 4 * NS_PER_S
        sent = Sent(
            box.address, len(self.crashes[box.address.partition("/")[0]]), self.world.clock.wall_ns(), readers,
            kind is not Kind.REPLY, kind in (Kind.ALERT, Kind.CONSENSUS), frozenset(),
        )  # fmt: skip
        self.judge.accepted(label, sent)
        try:
            receipt = box.send_nowait(kind, to, label, tenant=tenant, deadline_ns=deadline_ns)
        except MessagingError as error:
            self.checker.count(f"told at once: {error.code}")
            self.judge.ended(label, 0, ((str(to), "TOLD"),))
            return
        sent.processes = frozenset(name for name in receipt.outstanding if name in _PROCESSES)
        task = asyncio.create_task(self._await(label, receipt))
        task.add_done_callback(lambda _: None)

    async def _await(self, label: bytes, receipt: "Receipt") -> None:
        await receipt.ended()
        self.judge.ended(label, receipt.taken, [(name, outcome.name) for name, outcome in receipt.refused])

    def _heal_for_good(self) -> None:
        """Nothing is cut or lost any more: what does not arrive now never would."""
        network, places = self.world.network, (*_PROCESSES, _LIAR)
        network.heal()
        for source in places:
            for target in places:
                network.set_faults(NetworkFaults(), source=source, target=target)

    async def _quiet(self) -> None:
        """Wait until nothing has to be delivered any more, or patience ends."""
        for _ in range(_ROUNDS_OF_QUIET):
            await self.world.clock.sleep(_PATIENCE_S)
            links = [bus.abroad.links for bus in self.buses.values() if bus.abroad is not None]
            busy = any(
                state.on_the_way or state.waiting for one in links for state in one.states() if state.process != _LIAR
            )
            if not busy and not any(bus.desk.pending for bus in self.buses.values()):
                return


class _Liar:
    """A process that everybody listens to, and that means no good."""

    def __init__(self, run: _Run, transport: "object") -> None:
        self._run, self._transport = run, transport
        self._numbers = count(1)
        self._heard: list[bytes] = []
        self._origin = run.world.ids.new()

    async def listen(self) -> None:
        while True:
            _, frame = await self._transport.receive()  # type: ignore[attr-defined]
            if len(self._heard) < 200:
                self._heard.append(frame)

    def lie(self, rng: Rng) -> None:
        """One of its tricks, on one victim. Nobody sent what is in these envelopes, so nobody may take it."""
        from phalanx.messaging import encode_envelope

        victim = rng.choice(_PROCESSES)
        self._run.checker.count("lies")
        if rng.chance(0.2):
            self._send(victim, rng.bytes(rng.integer(1, 200)))
            return
        if self._heard and rng.chance(0.3):
            self._send(victim, rng.choice(self._heard))
            return
        if rng.chance(0.2):
            self._repeat(rng, victim)
            return
        number = next(self._numbers)
        envelope = self._envelope(rng, victim, number)
        data: Envelope | bytes = envelope if rng.chance(0.5) else encode_envelope(envelope)
        if isinstance(data, bytes) and rng.chance(0.2):
            data = data[: len(data) // 2]
        frame = self._frame(number, data, again=rng.chance(0.3))
        for _ in range(rng.integer(1, 3)):
            self._send(victim, frame)

    def _repeat(self, rng: Rng, victim: str) -> None:
        """Say something that may be said, of its own, over and over, as a new item each time: once is enough."""
        from phalanx.messaging import Envelope, Kind, Marking

        number, now_ns, address = next(self._numbers), self._run.world.clock.wall_ns(), f"{victim}/two"
        label = b"said %d" % number
        kind = rng.choice((Kind.COORDINATION, Kind.REPLY))
        envelope = Envelope(
            1, kind, self._origin, number, f"{_LIAR}/x", (address,), label, now_ns, now_ns + NS_PER_S, DEFAULT_TENANT,
            Marking.GREEN,
        )  # fmt: skip
        said = Sent(
            f"{_LIAR}/x", 0, now_ns, frozenset({address}), is_acknowledged=False, is_durable=False,
            processes=frozenset({victim}), taken=1, has_end=True,
        )  # fmt: skip
        self._run.judge.accepted(label, said)
        for item in (number, *(next(self._numbers) for _ in range(rng.integer(1, 3)))):
            self._send(victim, self._frame(item, envelope, again=rng.chance(0.3)))

    def _frame(self, number: int, data: "Envelope | bytes", *, again: bool) -> bytes:
        """A frame as it stands on the wire: version, incarnation, floor, and one item."""
        return msgspec.msgpack.encode([2, self._origin, number, [[number, data, 0, 1, again]]])

    def _envelope(self, rng: Rng, victim: str, number: int) -> "Envelope":
        from phalanx.messaging import Envelope, Kind, Marking

        now_ns = self._run.world.clock.wall_ns()
        trick = rng.choice(("forge", "relay", "organisation", "tenant"))
        others = [name for name in _PROCESSES if name != victim]
        return Envelope(
            1, Kind.ALERT if trick == "relay" else Kind.COORDINATION, self._origin, number,
            f"{rng.choice(others)}/one" if trick in ("forge", "relay") else f"{_LIAR}/x",
            ("*",) if trick == "relay" else (f"{victim}/two",), b"lie %d" % number, now_ns, now_ns + NS_PER_S,
            _SECRET if trick == "tenant" else DEFAULT_TENANT, Marking.GREEN, (),
            "other" if trick == "organisation" else "", hops=4 if trick == "relay" else 0,
            proof=b"nonsense" if trick == "relay" else b"",
        )  # fmt: skip

    def _send(self, victim: str, frame: bytes) -> None:
        self._transport.send(victim, frame)  # type: ignore[attr-defined]


def messaging_simulation() -> Simulation:
    """The simulation. Tests plant bugs in the room itself, and see them found."""

    def run(seed: int) -> SimReport:
        plan = Rng(seed).child("messaging")
        network = NetworkFaults(
            loss=plan.uniform(0, 0.3), duplication=plan.uniform(0, 0.2), reordering=plan.uniform(0, 0.5),
            delay_mean_ms=plan.exponential(8.0), delay_max_ms=500.0,
        )  # fmt: skip
        world, checker = SimWorld(seed, faults=Faults(network=network)), Checker()
        agents = {name: tuple(f"{name}/{agent}" for agent in _AGENTS) for name in _PROCESSES}
        one = _Run(world, checker, MessagingChecker(checker, agents), plan.child("acts"))
        return judged_in(world, one.main, checker, simulation=NAME)

    return Simulation(NAME, "agents of three processes over a network that fails, crashes, and a liar among them", run)
