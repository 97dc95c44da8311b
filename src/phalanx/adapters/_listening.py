"""Ports of the operating system that others connect to. Implements ``core.Listeners``."""

import asyncio
import contextlib

from phalanx.adapters._limits import LISTEN_BACKLOG, LISTEN_BUFFER_BYTES
from phalanx.core import Listening, Serve, Unavailable


class StreamListeners:
    """Plain TCP through asyncio."""

    async def listen(self, host: str, port: int, serve: Serve, *, max_open: int) -> Listening:
        listening = _Open(serve, max_open)
        try:
            await listening.open(host, port)
        except OSError as error:
            raise Unavailable(
                f"{host}:{port}", error.strerror or str(error), hint="choose another port or stop what has it"
            ) from error
        return listening


class _Open:
    """One open port and everybody connected to it."""

    def __init__(self, serve: Serve, max_open: int) -> None:
        self._serve = serve
        self._max_open = max_open
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> tuple[str, int]:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def open(self, host: str, port: int) -> None:
        self._server = await asyncio.start_server(
            self._connected, host, port, limit=LISTEN_BUFFER_BYTES, backlog=LISTEN_BACKLOG
        )

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._serving) >= self._max_open:
            writer.transport.abort()
            return
        self._serving.add(task)
        connection = _Stream(reader, writer)
        try:
            await self._serve(connection)
        except asyncio.CancelledError:
            # The server ends; asyncio would log a cancelled callback as an error.
            return
        finally:
            self._serving.discard(task)
            await connection.close()


class _Stream:
    """A connection. Whatever the network does to it is its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.peer = _end(writer, "peername")
        self.local = _end(writer, "sockname")

    async def read(self, max_bytes: int) -> bytes:
        try:
            return await self._reader.read(max_bytes)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    async def close(self) -> None:
        # Not waited for: who does not take our last bytes would hold the place.
        self._writer.close()


def _end(writer: asyncio.StreamWriter, which: str) -> tuple[str, int]:
    # Nothing there when the connection was gone before anybody looked.
    host, port = (writer.get_extra_info(which) or ("", 0))[:2]
    return host, port


async def knock(host: str, port: int, data: bytes, *, source: str = "") -> bytes:
    """Connect, say ``data``, and hear the other end out; ``source`` is the address to come from, where that can be had.

    For whoever plays somebody else, as a demo does. Raises ``Unavailable`` when nobody listens.
    """
    try:
        try:
            reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0) if source else None)
        except OSError:
            reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise Unavailable(f"{host}:{port}", error.strerror or str(error)) from error
    try:
        writer.write(data)
        return await reader.read(LISTEN_BUFFER_BYTES)
    except OSError:
        return b""
    finally:
        writer.close()
