"""Frames between processes: what the links need of whatever carries them.

A path is one of several disjoint ways to the same process: 0 is the primary, 1 the backup. A frame may be lost, doubled
or overtaken on any of them. ``ClearPeers`` seals nothing: it is for processes on one machine that trust its loopback,
and for simulations.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from phalanx.core import PhalanxError, Transport
from phalanx.messaging._limits import MAX_FRAME_BYTES


class Peers(Protocol):
    """``send`` never waits. ``receive`` gives a frame, the process that it is proved to come from, and its path."""

    @property
    def process(self) -> str: ...

    @property
    def paths(self) -> int:
        """How many disjoint paths there are, at least 1."""
        ...

    @property
    def max_frame_bytes(self) -> int: ...

    def send(self, process: str, frame: bytes, *, path: int = 0) -> None: ...

    async def receive(self) -> tuple[str, bytes, int]: ...

    async def close(self) -> None: ...


class ClearPeers:
    """Peers over bare transports, one per path. Whoever can reach them is believed to be who it says."""

    def __init__(self, transports: Sequence[Transport]) -> None:
        assert transports, "there is at least one path"
        self._transports = tuple(transports)
        self._got: asyncio.Queue[tuple[str, bytes, int] | PhalanxError] = asyncio.Queue(1)
        self._readers: list[asyncio.Task[None]] = []

    @property
    def process(self) -> str:
        return self._transports[0].address

    @property
    def paths(self) -> int:
        return len(self._transports)

    @property
    def max_frame_bytes(self) -> int:
        return MAX_FRAME_BYTES

    def send(self, process: str, frame: bytes, *, path: int = 0) -> None:
        self._transports[path].send(process, frame)

    async def receive(self) -> tuple[str, bytes, int]:
        if len(self._transports) == 1:
            return *await self._transports[0].receive(), 0
        if not self._readers:
            self._readers = [asyncio.create_task(self._read(path)) for path in range(self.paths)]
        got = await self._got.get()
        if isinstance(got, PhalanxError):
            raise got
        return got

    async def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for transport in self._transports:
            await transport.close()

    async def _read(self, path: int) -> None:
        try:
            while True:
                process, frame = await self._transports[path].receive()
                await self._got.put((process, frame, path))
        except PhalanxError as error:
            await self._got.put(error)
