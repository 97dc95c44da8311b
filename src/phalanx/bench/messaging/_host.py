"""One of the processes of ``bench messaging --suite nats``: a bus with its share of the agents, over sealed peers.

The parent speaks to it through a pipe, one order after another, and it answers each. Times between processes are of
the machine's wall clock, which they share.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.nats import ClusterAccess, NatsTransport
from phalanx.adapters.storage import OsFiles, SegmentJournals
from phalanx.bench._timing import settled_in
from phalanx.core import NO_TRACE, NS_PER_MS, NS_PER_S, PhalanxError, Rng, Uuid7Source
from phalanx.crypto.channel import identity_party
from phalanx.crypto.identity import Identity, NothingKnown, Subject
from phalanx.messaging import Bus, Kind, Mailbox, Marking, Member, SealedPeers, SignedProofs, participants, tagged
from phalanx.telemetry import Telemetry

_TICK_S = 0.001
_TEAM, _INSTANCE, _SENDERS = 8, 4, 64
_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Share:
    """What a process is given to begin with. ``anchors`` are root fingerprints and their subjects' names."""

    name: str
    others: tuple[str, ...]
    agents: int
    access: ClusterAccess
    identity: bytes
    anchors: Mapping[str, str]
    folder: str
    seed: int


@dataclass(frozen=True, slots=True)
class Steady:
    """Send at ``each_per_s`` per agent for ``seconds``; kinds by weight, bodies of ``body_bytes``."""

    seconds: float
    each_per_s: float
    mix: tuple[tuple[Kind, int], ...]
    body_bytes: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Settle:
    """Wait until every envelope has its end, and tell the times of what was taken here."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """So many emergencies to everybody, one after another."""

    times: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Flow:
    """``n`` envelopes to the other process's agents, each awaited by its sender or sent as fast as there is room."""

    n: int
    kind: Kind
    body_bytes: int
    wait: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """Tell which numbered bodies of a flow arrived here, and how many came twice."""

    n: int


@dataclass(slots=True)
class _Taken:
    """What the agents of this process took since it was last told of."""

    own_ms: list[float] = field(default_factory=list)
    far_ms: dict[Kind, list[float]] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)


class Host:
    """The bus of this process and its agents."""

    def __init__(self, share: Share, bus: Bus, peers: SealedPeers) -> None:
        self._share, self._bus, self._peers = share, bus, peers
        self._rng = Rng(share.seed).child(share.name)
        self._boxes = [
            bus.join(Member(f"a{j}", tags=frozenset({f"team:{share.name}:{j // _TEAM}"}))) for j in range(share.agents)
        ]
        self._readers = [asyncio.create_task(self._read(box)) for box in self._boxes]
        self._taken = _Taken()
        self._far: list[str] = []
        self._refusals: dict[str, int] = {}

    async def ready(self) -> None:
        """Wait until the others' agents are known, and convene instances across processes."""
        theirs = [f"{other}/a{self._share.agents - 1}" for other in self._share.others]
        await _until(lambda: all(self._bus.directory.find(one) for one in theirs))
        self._far = [f"{other}/a{j}" for other in self._share.others for j in range(self._share.agents)]
        names = sorted((self._share.name, *self._share.others))
        for at in range(0, self._share.agents - _INSTANCE, _INSTANCE):
            members = [f"{name}/a{j}" for name in names for j in range(at, at + _INSTANCE // len(names))]
            for name in names:
                self._bus.directory.convene(f"{name}:{at}", members, epoch=1)

    async def _read(self, box: Mailbox) -> None:
        async for envelope in box:
            taken = self._taken
            if number := int.from_bytes(envelope.body[:_NUMBER_BYTES]):
                taken.numbers.append(number)  # of a flow, which is counted and not timed
                continue
            took_ms = (time.time_ns() - envelope.at_ns) / NS_PER_MS
            if envelope.origin == self._bus.origin:
                taken.own_ms.append(took_ms)
            else:
                taken.far_ms.setdefault(envelope.kind, []).append(took_ms)

    async def obey(self, order: Any) -> Any:
        match order:
            case Steady():
                return await self._steady(order)
            case Settle():
                return await self._settle()
            case Broadcast():
                return await self._broadcast(order)
            case Flow():
                return await self._flow(order)
            case Seen(n):
                numbers, self._taken = self._taken.numbers, _Taken()
                return len(set(numbers) & set(range(1, n + 1))), len(numbers) - len(set(numbers))

    async def _steady(self, order: Steady) -> dict[str, Any]:
        rng, kinds = self._rng, [kind for kind, _ in order.mix]
        weights, bodies = [weight for _, weight in order.mix], self._bodies(order.body_bytes)
        started_ns, cpu_ns, sent = time.perf_counter_ns(), time.process_time_ns(), 0
        per_s, self._refusals = len(self._boxes) * order.each_per_s, {}
        while (now_s := (time.perf_counter_ns() - started_ns) / NS_PER_S) < order.seconds:
            while sent < now_s * per_s:
                self._send(rng.weighted(kinds, weights), rng.choice(bodies))
                sent += 1
            await asyncio.sleep(_TICK_S)
        cpu_share = (time.process_time_ns() - cpu_ns) / NS_PER_S / order.seconds
        return {"sent": sent, "refused_at_once": self._refusals, "cpu_share": cpu_share}

    def _bodies(self, body_bytes: tuple[int, int]) -> list[bytes]:
        low, high = body_bytes
        return [bytes(_NUMBER_BYTES) + self._rng.bytes(self._rng.integer(low, high)) for _ in range(64)]

    def _send(self, kind: Kind, body: bytes) -> None:
        """From one agent to whomever the kind is for: half of the single recipients are in the other process."""
        rng, j = self._rng, self._rng.integer(0, len(self._boxes) - 2 * _INSTANCE)
        box = self._boxes[j]
        to = rng.choice(self._far) if rng.chance(0.5) else rng.choice(self._boxes).address
        try:
            match kind:
                case Kind.CONSENSUS:
                    at = j - j % _INSTANCE
                    box = self._boxes[at]
                    box.send_nowait(kind, participants(f"{self._share.name}:{at}"), body, epoch=1)
                case Kind.DISCOVERY:
                    team = rng.integer(0, len(self._boxes) // _TEAM)
                    box.send_nowait(kind, tagged(f"team:{rng.choice(self._share.others)}:{team}"), body)
                case Kind.INTELLIGENCE:
                    box.send_nowait(kind, to, body, audience=(to,))
                case _:
                    box.send_nowait(kind, to, body)
        except PhalanxError as error:
            what = f"{kind.name.lower()}: {error.code}"
            self._refusals[what] = self._refusals.get(what, 0) + 1

    async def _settle(self) -> dict[str, Any]:
        await _until(lambda: not self._bus.desk.pending)
        taken, self._taken = self._taken, _Taken()
        assert self._bus.abroad is not None
        return {
            "own_ms": taken.own_ms, "far_ms": {kind.name.lower(): times for kind, times in taken.far_ms.items()},
            "retries": sum(one.retries for one in self._bus.abroad.links.states()),
        }  # fmt: skip

    async def _broadcast(self, order: Broadcast) -> tuple[list[float], int]:
        took_ms, taken = [], 0
        for _ in range(order.times):
            await asyncio.sleep(_TICK_S)
            report = await self._bus.broadcast(self._boxes[0], bytes(order.body_bytes), within_s=60)
            took_ms.append(report.took_ms)
            taken += report.taken
        return took_ms, taken

    async def _flow(self, order: Flow) -> dict[str, float]:
        """Bodies are numbered from 1, so that what arrived can be counted where it did."""
        filler, acknowledged, cpu_ns = bytes(order.body_bytes), 0, time.process_time_ns()
        started_ns = time.perf_counter_ns()

        async def send(first: int) -> None:
            nonlocal acknowledged
            box = self._boxes[first]
            for number in range(first + 1, order.n + 1, _SENDERS):
                body = number.to_bytes(_NUMBER_BYTES) + filler
                to = self._far[number % len(self._far)]
                if order.wait:
                    with contextlib.suppress(PhalanxError):
                        receipt = await box.send(order.kind, to, body)
                        acknowledged += receipt.taken
                else:
                    receipt, full = self._bus.post(
                        box.member, order.kind, to, body, 0, Marking.GREEN, (), None, NO_TRACE, "", 0
                    )  # fmt: skip
                    for place in full:
                        await place.wait_for_room(receipt)
                    if number % (_SENDERS * 16) == first + 1:
                        await asyncio.sleep(0)

        await asyncio.gather(*(send(first) for first in range(_SENDERS)))
        await _until(lambda: not self._bus.desk.pending)
        return {
            "acknowledged": acknowledged, "seconds": (time.perf_counter_ns() - started_ns) / NS_PER_S,
            "cpu_s": (time.process_time_ns() - cpu_ns) / NS_PER_S,
        }  # fmt: skip


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - a bus does not tell a benchmark when it is idle
        await asyncio.sleep(_TICK_S)


@contextlib.asynccontextmanager
async def _opened(share: Share) -> AsyncIterator[Host]:
    clock, entropy = SystemClock(), OsEntropy()
    telemetry, rng = Telemetry(clock), Rng(share.seed).child(f"host {share.name}")
    identity = Identity.from_bytes(share.identity)
    anchors = {key: Subject.parse(name) for key, name in share.anchors.items()}
    async with contextlib.AsyncExitStack() as stack:
        offload = stack.enter_context(contextlib.closing(ThreadOffload(1)))
        files = stack.enter_context(contextlib.closing(OsFiles(Path(share.folder))))
        journal = await SegmentJournals(files, "journals", entropy=entropy, offload=offload).open("outbox")
        stack.push_async_callback(journal.close)
        transports = [
            await NatsTransport.open(
                share.access.nats(pinned=True), share.name, clock=clock, rng=rng.child(path), telemetry=telemetry,
                path=path,
            )
            for path in ("primary", "backup")
        ]  # fmt: skip
        party = identity_party(identity, anchors=lambda: anchors, standing=NothingKnown(), clock=clock)
        peers = SealedPeers(
            transports, party, clock=clock, entropy=entropy, telemetry=telemetry, on_refused=lambda _: None
        )  # fmt: skip
        await stack.enter_async_context(peers)
        bus = await Bus.open(
            share.name, journal=journal, peers=peers, clock=clock, ids=Uuid7Source(clock, rng.bits),
            telemetry=telemetry, rng=rng, organisation="bench", proofs=SignedProofs(identity.key, peers.key_of),
        )  # fmt: skip
        task = asyncio.create_task(bus.run())
        for other in share.others:
            bus.meet(other, organisation="bench")
        host = Host(share, bus, peers)
        await host.ready()
        yield host
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        bus.close()


async def _serve(share: Share, pipe: Connection) -> None:
    async with _opened(share) as host:
        pipe.send("ready")
        with settled_in():
            while True:
                order = await asyncio.to_thread(pipe.recv)
                pipe.send(await host.obey(order))


def serve(share: Share, pipe: Connection) -> None:
    """The process's whole life, until the parent ends it or is gone; ``pipe`` is the parent's."""
    with contextlib.suppress(EOFError, BrokenPipeError):
        asyncio.run(_serve(share, pipe))
