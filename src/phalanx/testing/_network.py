"""Unreliable datagrams between named places (core.Transport) on virtual time.

Each direction of each link has its own faults and its own random stream, so that changing the
traffic on one link does not move what happens on another. Nothing passes a link that is cut:
neither what is sent meanwhile nor what was under way.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.core import LimitExceeded, Rng, Unavailable
from phalanx.testing._errors import PowerLost
from phalanx.testing._faults import NetworkFaults
from phalanx.testing._limits import MAX_DATAGRAM_BYTES, MAX_INBOX_DATAGRAMS
from phalanx.testing._loop import OWNER, SimLoop


@dataclass(slots=True)
class _Link:
    rng: Rng
    faults: NetworkFaults
    is_cut: bool = False
    last_arrival_s: float = 0.0


class SimNetwork:
    """All links of a world. Addresses are names; a link exists once something is sent on it."""

    def __init__(self, loop: SimLoop, rng: Rng, faults: NetworkFaults) -> None:
        self._loop = loop
        self._rng = rng
        self._faults = faults
        self._links: dict[tuple[str, str], _Link] = {}
        self._transports: dict[str, SimTransport] = {}

    def transport(self, address: str) -> "SimTransport":
        """The endpoint of ``address``, which belongs to the node that asks for it."""
        if address in self._transports:
            raise ValueError(f"{address} is in use; close its transport first")
        made = self._transports[address] = SimTransport(self, address, owner=OWNER.get())
        return made

    def set_faults(self, faults: NetworkFaults, *, source: str, target: str) -> None:
        """Let one direction of one link behave unlike the rest."""
        self._link(source, target).faults = faults

    def cut(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        """Let nothing pass from ``sources`` to ``targets``; the way back stays open."""
        self._loop.trace.note("network", "cut", *sources, "->", *targets)
        for source in sources:
            for target in targets:
                self._link(source, target).is_cut = True

    def partition(self, *groups: Sequence[str]) -> None:
        """Cut all links between different groups, both ways."""
        for group in groups:
            for other in groups:
                if other is not group:
                    self.cut(group, other)

    def heal(self) -> None:
        """Let all links pass again."""
        self._loop.trace.note("network", "heal")
        for link in self._links.values():
            link.is_cut = False

    def lose_power(self, owner: str) -> None:
        """Disconnect every endpoint of a node; what is under way to it finds nobody."""
        for transport in [t for t in self._transports.values() if t.owner == owner]:
            transport.lose_power()
            del self._transports[transport.address]

    def _link(self, source: str, target: str) -> _Link:
        link = self._links.get((source, target))
        if link is None:
            link = self._links[source, target] = _Link(self._rng.child(f"{source}>{target}"), self._faults)
        return link

    def _send(self, source: str, target: str, datagram: bytes) -> None:
        if len(datagram) > MAX_DATAGRAM_BYTES:
            raise LimitExceeded("MAX_DATAGRAM_BYTES", maximum=MAX_DATAGRAM_BYTES, seen=len(datagram))
        link, note = self._link(source, target), self._loop.trace.note
        faults, rng = link.faults, link.rng
        note(source, "send", target, len(datagram))
        if rng.chance(faults.loss):
            note(source, "lost", target, len(datagram))
            return
        for _ in range(2 if rng.chance(faults.duplication) else 1):
            delay_ms = faults.delay_min_ms
            if faults.delay_mean_ms > 0:
                delay_ms = min(delay_ms + rng.exponential(faults.delay_mean_ms), faults.delay_max_ms)
            arrival_s = self._loop.time() + delay_ms / 1_000
            if not rng.chance(faults.reordering):
                arrival_s = max(arrival_s, link.last_arrival_s)
            link.last_arrival_s = max(arrival_s, link.last_arrival_s)
            self._loop.call_at(arrival_s, self._arrive, link, source, target, bytes(datagram))

    def _arrive(self, link: _Link, source: str, target: str, datagram: bytes) -> None:
        transport = self._transports.get(target)
        if link.is_cut:
            what = "cut-off"
        elif transport is None:
            what = "nobody-there"
        else:
            what = "receive" if transport.take_in(source, datagram) else "inbox-full"
        self._loop.trace.note(target, what, source, len(datagram))

    def _forget(self, transport: "SimTransport") -> None:
        if self._transports.get(transport.address) is transport:
            del self._transports[transport.address]


class SimTransport:
    """One endpoint; implements core.Transport."""

    def __init__(self, network: SimNetwork, address: str, *, owner: str) -> None:
        self.owner = owner
        self._network = network
        self._address = address
        self._inbox: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self._is_open = self._has_power = True

    @property
    def address(self) -> str:
        return self._address

    def send(self, to: str, datagram: bytes) -> None:
        if self._is_open:
            self._network._send(self._address, to, datagram)  # noqa: SLF001 - the other half of one thing

    async def receive(self) -> tuple[str, bytes]:
        got = await self._inbox.get() if self._is_open else None
        if got is not None and self._is_open:
            return got
        self._inbox.put_nowait(None)  # whoever else waits must see it too
        if not self._has_power:
            raise PowerLost(self._address)
        raise Unavailable(self._address, "its transport is closed")

    async def close(self) -> None:
        self._is_open = False
        self._network._forget(self)  # noqa: SLF001
        self._inbox.put_nowait(None)

    def take_in(self, source: str, datagram: bytes) -> bool:
        """Queue what arrived; False when the inbox is full and it is dropped."""
        if self._inbox.qsize() >= MAX_INBOX_DATAGRAMS:
            return False
        self._inbox.put_nowait((source, datagram))
        return True

    def lose_power(self) -> None:
        self._is_open = self._has_power = False
        self._inbox.put_nowait(None)
