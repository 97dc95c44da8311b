"""Transports in memory on the real loop, which lose frames and can be killed: where faults are injected."""

import asyncio

from phalanx.core import Rng, Unavailable


class MemoryNetwork:
    """Places by name and path. Loss is per frame; a killed path loses everything."""

    def __init__(self, rng: Rng, *, loss: float) -> None:
        self.lost = 0
        self._rng, self._loss = rng, loss
        self._places: dict[tuple[str, int], MemoryTransport] = {}
        self._left: dict[int, int] = {}

    def transport(self, name: str, *, path: int = 0) -> "MemoryTransport":
        made = self._places[name, path] = MemoryTransport(self, name, path)
        return made

    def kill_after(self, *, path: int, frames: int) -> None:
        """Let so many frames pass on a path, and nothing after them."""
        self._left[path] = frames

    def revive(self) -> None:
        """All paths carry again."""
        self._left.clear()

    def carry(self, source: str, target: str, path: int, datagram: bytes) -> None:
        left = self._left.get(path)
        if left is not None:
            self._left[path] = left - 1
        if (left is not None and left <= 0) or self._rng.chance(self._loss):
            self.lost += 1
            return
        place = self._places.get((target, path))
        if place is not None:
            place.inbox.put_nowait((source, datagram))


class MemoryTransport:
    """One place on one path; implements core.Transport."""

    def __init__(self, network: MemoryNetwork, name: str, path: int) -> None:
        self.inbox: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self._network, self._name, self._path = network, name, path

    @property
    def address(self) -> str:
        return self._name

    def send(self, to: str, datagram: bytes) -> None:
        self._network.carry(self._name, to, self._path, datagram)

    async def receive(self) -> tuple[str, bytes]:
        got = await self.inbox.get()
        if got is None:
            raise Unavailable(self._name, "its transport is closed")
        return got

    async def close(self) -> None:
        self.inbox.put_nowait(None)
