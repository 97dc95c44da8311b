"""Simulation ``delivery``: findings are told to peers that go wrong in every way, by a node whose power keeps failing.

Three peers: one knows an item again, one a parcel, one nothing. They are busy, lose requests, lose answers after they
took everything, take a half, or want less at once; some items they refuse for good. The checker compares what the
peers were told with the store of findings, and shares no code with couriers or notices:

- everything that is stored was told to each peer, or is a dead letter there: nothing is lost;
- a peer that knows items or parcels again has each once; only the third may have doubles;
- revisions of one record are heard of in their order;
- what was refused is a dead letter with its reason, once, and nothing else is.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from phalanx.core import (
    DEFAULT_TENANT,
    EventId,
    Expect,
    Finding,
    Rng,
    Severity,
    Store,
    TraceId,
    Unavailable,
    decode,
    derive_id,
)
from phalanx.intel import BATCHES, FINDINGS, BatchEntry, finding_put
from phalanx.intel.delivery import (
    EVENT,
    FINDING,
    OUTBOX,
    SINK_LETTERS,
    TAKEN,
    Answer,
    Courier,
    Feed,
    Item,
    Notices,
    Parcel,
    ParcelBounds,
    RetryPolicy,
    SinkLetter,
    SinkPlan,
    TellingStore,
)
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._faults import DiskFaults, Faults
from phalanx.testing._world import SimNode, SimWorld
from phalanx.testing.delivery._peers import MemoryPeer, MemorySink

NAME = "delivery"
_LIVES = 4
_LIFE_MEAN_S = 1.0
_FINDINGS = 40
_WRITE_MEAN_S = 0.03
_DRAINED_S = 600.0
_PEERS = ("item", "parcel", "nothing")
_TABLES = {FINDING: FINDINGS, EVENT: BATCHES}


class LossySink(MemorySink):
    """A planted bug: it takes silence for an answer."""

    async def send(self, parcel: Parcel) -> Answer:
        """Reports everything as taken, whatever came of it."""
        try:
            return await MemorySink.send(self, parcel)
        except Unavailable:
            return TAKEN


def refused(item: Item) -> bool:
    """What the peers never take."""
    return item.title.endswith("unwanted")


async def no_events(_: BatchEntry) -> list[object]:
    """There are no events in this simulation."""
    return []


@dataclass(slots=True)
class _Run:
    world: SimWorld
    checker: Checker
    sink: type[MemorySink]
    peers: dict[str, MemoryPeer] = field(default_factory=lambda: {by: MemoryPeer(by) for by in _PEERS})
    # Ids of items in the order of their commits, as whoever wrote them saw it, and those nobody is sure of.
    recorded: list[str] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)
    next_number: int = 0

    async def main(self, world: SimWorld) -> None:
        rng, node = world.rng.child("plan"), world.node("machine")
        for _ in range(_LIVES):
            node.start(self._life)
            await world.clock.sleep(rng.exponential(_LIFE_MEAN_S))
            self.checker.count("crashes")
            await node.crash(power_loss=rng.chance(0.7))
        await node.start(self._last)

    async def _life(self, node: SimNode) -> None:
        store, telling, couriers = await self._opened(node, trouble=True)
        async with asyncio.TaskGroup() as group:
            for courier in couriers:
                group.create_task(courier.run())
            group.create_task(self._write(node, store, telling))

    async def _last(self, node: SimNode) -> None:
        """No faults any more: everything must arrive."""
        store, _, couriers = await self._opened(node, trouble=False)
        tasks = [asyncio.create_task(courier.run()) for courier in couriers]
        end_s = _DRAINED_S
        while end_s > 0 and any([await _behind(store, one) for one in couriers]):
            await self.world.clock.sleep(0.5)
            end_s -= 0.5
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._judge(store)

    async def _opened(self, node: SimNode, *, trouble: bool) -> tuple[Store, TellingStore, list[Courier]]:
        ports, store = node.ports(), self.world.store(node.name)
        telemetry = Telemetry(ports.clock)
        notices = await Notices.open(store, [DEFAULT_TENANT])
        feed = Feed(store, notices, no_events, tables=_TABLES)  # type: ignore[arg-type] # there are none of any kind
        telling = TellingStore(store, notices, ports.clock, kinds={FINDINGS.name: FINDING})
        couriers = []
        for by, peer in self.peers.items():
            rng = node.rng.child(by) if trouble else None
            plan = SinkPlan(
                by, "memory", DEFAULT_TENANT, (FINDING,), bounds=ParcelBounds(10, 10_000, 0.01),
                retry=RetryPolicy(0.01, 0.2, 1.0), updates=True,
            )  # fmt: skip
            courier = Courier(
                plan, self.sink(peer, ports.clock, rng, refused), feed, store, clock=ports.clock,
                rng=node.rng.child(f"courier {by}"), telemetry=telemetry, alerts=Alerts(telemetry),
            )  # fmt: skip
            await courier.open()
            couriers.append(courier)
        return store, telling, couriers

    async def _write(self, node: SimNode, store: Store, telling: TellingStore) -> None:
        """Record findings, several at the same time, and add hits to those that are there."""
        rng = node.rng.child("writer")
        while self.next_number < _FINDINGS:
            together = [self._record(store, telling, rng.chance(0.3)) for _ in range(rng.integer(1, 4))]
            await asyncio.gather(*together)
            await self.world.clock.sleep(rng.exponential(_WRITE_MEAN_S))

    async def _record(self, store: Store, telling: TellingStore, is_more: bool) -> None:  # noqa: FBT001
        number = self.next_number
        self.next_number += 1
        finding, version = _finding(number, 1), 0
        if is_more and number:
            earlier = _finding(number - 1, 1)
            row = await store.get(FINDINGS, DEFAULT_TENANT, earlier.id)
            if row is not None:
                known = decode(row.value, Finding)
                finding, version = _finding(number - 1, known.hits + 1), row.version
        ident = f"{finding.id}.{finding.hits}"
        self.unsure.add(ident)
        await telling.commit([finding_put(finding)], expect=[Expect(FINDINGS, DEFAULT_TENANT, finding.id, version)])
        self.unsure.discard(ident)
        self.recorded.append(ident)
        self.checker.count("recorded")

    async def _judge(self, store: Store) -> None:
        require = self.checker.require
        stored = {f"{row.key}.{decode(row.value, Finding).hits}" for row in await store.scan(FINDINGS, DEFAULT_TENANT)}
        letters: dict[str, list[str]] = {by: [] for by in _PEERS}
        for row in await store.scan(SINK_LETTERS, DEFAULT_TENANT):
            letter = decode(row.value, SinkLetter)
            letters[letter.sink].append(letter.item.id)
            require(refused(letter.item), "something good is a dead letter", letter.item.id, letter.reason)
        known = set(self.recorded) | self.unsure
        for by, peer in self.peers.items():
            told = Counter(item.id for item in peer.told)
            had = set(told) | set(letters[by])
            for ident in [*self.recorded, *sorted(stored)]:
                require(ident in had, "something recorded was never told", by, ident)
            require(had <= known, "something was told that nobody recorded", by, sorted(had - known)[:3])
            doubles = [ident for ident, times in told.items() if times > 1]
            require(by == "nothing" or not doubles, "a peer that knows things again has doubles", by, doubles[:3])
            require(len(set(letters[by])) == len(letters[by]), "one item is two dead letters", by, letters[by][:3])
            require(not any(refused(item) for item in peer.told), "a peer took what it refuses", by)
            self._judge_order(by, peer)
            for _ in doubles:
                self.checker.count("doubled where the peer knows nothing again")
            self.checker.count("peers judged")

    def _judge_order(self, by: str, peer: MemoryPeer) -> None:
        """Revisions of one record, by when the peer first heard of each."""
        first: dict[str, int] = {}
        for place, item in enumerate(peer.told):
            first.setdefault(item.id, place)
        last: dict[str, int] = {}
        for item in sorted(peer.told, key=lambda item: first[item.id]):
            before = last.get(item.subject, 0)
            self.checker.require(item.revision >= before, "a revision overtook a later one", by, item.id)
            last[item.subject] = item.revision


async def _behind(store: Store, courier: Courier) -> bool:
    """Whether there are notices that the courier is not past."""
    rows = await store.scan(OUTBOX, DEFAULT_TENANT, limit=1, reverse=True)
    return bool(rows) and int(rows[0].key) >= courier.state.place.seq


def _finding(number: int, hits: int) -> Finding:
    ident = derive_id(1_000_000_000 * (number + 1), "finding", str(number))
    event = EventId(derive_id(number + 1, "event", str(number)))
    return Finding(
        id=ident, tenant=DEFAULT_TENANT, trace=TraceId(event), at_ns=number + 1, case=f"host-{number % 5}@day",
        rule="rule", title="unwanted" if number % 13 == 5 else "wanted", severity=Severity.HIGH, confidence=0.5,
        techniques=(), tactics=(), entities=(), evidence=(event,), hits=hits, first_seen_ns=1, last_seen_ns=1,
        accepted_at_ns=1, found_at_ns=1, explanation="something happened",
    )  # fmt: skip


def delivery_simulation(*, sink: type[MemorySink] = MemorySink) -> Simulation:
    """The simulation; another ``sink`` is one that the checker must complain of."""

    def run(seed: int) -> SimReport:
        rng = Rng(seed).child("faults")
        faults = DiskFaults(
            tail_lost=rng.random(), tail_torn=rng.random(), tail_garbage=rng.random(), tail_kept=rng.random()
        )
        world = SimWorld(seed, faults=Faults(disk=faults))
        checker = Checker()
        return judged_in(world, _Run(world, checker, sink).main, checker, simulation=NAME)

    return Simulation(NAME, "findings are told to peers that go wrong, while the power fails", run)
