"""Faults for real servers: a TCP proxy that can cut and stall what passes, and waiting for what must come about.

For integration tests against processes that are not simulated. Nothing here measures time or
assumes how fast anything is: a wait has a bound only so that a broken test ends.
"""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from phalanx.testing._limits import PATIENCE_S

_CHUNK_BYTES = 65_536
_LOOK_EVERY_S = 0.01


async def wait_until(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Look until ``condition`` holds; raises ``TimeoutError`` when it does not come about at all."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - another process's doing sets no event here
            await asyncio.sleep(_LOOK_EVERY_S)


class TcpProxy:
    """Stands between clients and the server at ``host:port``. Use as an asynchronous context manager."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refuses = False
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._refuses = True
        self._drop_all()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def cut(self) -> None:
        """Break every connection, and every new one, until ``heal``."""
        self._refuses = True
        self._drop_all()

    def stall(self) -> None:
        """Let nothing through any more while all connections look open: a partition, or a peer that does not read."""
        self._flowing.clear()

    def heal(self) -> None:
        """Let everything pass again, what waited first."""
        self._refuses = False
        self._flowing.set()

    def _drop_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            if self._refuses:
                return
            with contextlib.suppress(OSError):  # the server is away: the client sees its connection end
                await self._join(reader, writer, *await asyncio.open_connection(*self._target))
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        self._writers.add(back)
        pipes = [asyncio.create_task(self._pipe(*ends)) for ends in ((reader, back), (there, writer))]
        self._pipes.update(pipes)
        try:
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.transport.abort()
            self._writers.discard(back)
            for pipe in pipes:
                pipe.cancel()
            await asyncio.gather(*pipes, return_exceptions=True)
            self._pipes.difference_update(pipes)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
