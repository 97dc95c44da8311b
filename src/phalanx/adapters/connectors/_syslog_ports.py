"""The ports on which syslog comes in: UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425).

- What was read waits in one bounded place to be drawn. While it is full no connection is read from: TCP makes the
  peers wait. UDP cannot: the kernel drops, counts what it drops, and ``lost`` says it.
- Peers are told nothing: syslog has no reply.
- A peer that sends a message too slowly, is silent for too long, counts wrongly or holds too much is cut off; what it
  had begun is kept as a line.
"""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import struct
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phalanx.adapters._limits import (
    DATAGRAM_KERNEL_BYTES,
    DATAGRAMS_AT_ONCE,
    LISTEN_BACKLOG,
    LISTEN_BUFFER_BYTES,
    LISTEN_DRAWN_LINES,
    LISTEN_HANDSHAKE_S,
    LISTEN_HELD_BYTES,
    LISTEN_LINGER_S,
    MAX_DATAGRAM_BYTES,
)
from phalanx.intel.reading import SyslogFrames, from_sender, one_line

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Linux: counters of a socket's memory, of which the last is how many datagrams were dropped.
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("9I")


@dataclass(frozen=True, slots=True)
class PortPlan:
    """What is listened on, and how patiently."""

    host: str
    port: int
    framing: str
    tls: ssl.SSLContext | None
    allowed: Sequence[Network]
    max_line_bytes: int
    max_waiting_bytes: int
    max_open: int
    max_per_peer: int
    message_s: float
    silent_s: float
    # What a message without a header was received at.
    wall_ns: Callable[[], int]

    def lines_from(self, sender: str, lines: Sequence[bytes]) -> list[bytes]:
        """Lines that say nothing of when and where they are from get it told."""
        now_ns = self.wall_ns()
        return [from_sender(line, sender, now_ns) for line in lines]

    def lets_in(self, host: str) -> bool:
        if not self.allowed:
            return True
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self.allowed)


class Waiting:
    """Lines that were read and not drawn yet."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def is_full(self) -> bool:
        return self._bytes >= self._max_bytes

    def add(self, lines: Sequence[bytes]) -> None:
        """Whoever adds has looked for room; one read more than the bound is the most that it holds."""
        if lines:
            self._lines.extend(lines)
            self._bytes += sum(map(len, lines)) + len(lines)
            self._some.set()
            if self.is_full:
                self._room.clear()

    async def room(self) -> None:
        await self._room.wait()

    async def some(self, within_s: float) -> None:
        """Return when there is something, with what comes right behind it, or after ``within_s``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._some.wait()
                if self._bytes < self._max_bytes // 4:
                    await asyncio.sleep(LISTEN_LINGER_S)

    def take(self, max_bytes: int) -> bytes:
        taken: list[bytes] = []
        size = 0
        while self._lines and len(taken) < LISTEN_DRAWN_LINES:
            size += len(self._lines[0]) + 1
            if taken and size > max_bytes:
                break
            line = self._lines.popleft()
            self._bytes -= len(line) + 1
            taken.append(line)
        if not self._lines:
            self._some.clear()
        if not self.is_full:
            self._room.set()
        return b"".join(line + b"\n" for line in taken)


class _Received(asyncio.StreamReader):
    """A stream whose end is its end, however it came: what was received before a reset is still read.

    Senders that never read close with the server's session tickets unread, and the network makes a reset of it.
    """

    def set_exception(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self.feed_eof()
        else:
            super().set_exception(exc)


class StreamPort:
    """TCP or TLS: many connections, each with its own framing."""

    def __init__(self, plan: PortPlan, waiting: Waiting) -> None:
        self._plan = plan
        self._waiting = waiting
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], str] = {}
        self._held_bytes = 0
        # Connections that were turned away or cut off, and messages of which only the beginning was kept.
        self.lost = 0

    @property
    def address(self) -> tuple[str, int]:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def open(self) -> None:
        plan = self._plan
        handshake_s = None if plan.tls is None else LISTEN_HANDSHAKE_S
        loop = asyncio.get_running_loop()

        def opened() -> asyncio.StreamReaderProtocol:
            received = _Received(limit=LISTEN_BUFFER_BYTES, loop=loop)
            return asyncio.StreamReaderProtocol(received, self._connected, loop=loop)

        self._server = await loop.create_server(
            opened, plan.host, plan.port, backlog=LISTEN_BACKLOG, ssl=plan.tls, ssl_handshake_timeout=handshake_s
        )

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def count_lost(self) -> int:
        lost, self.lost = self.lost, 0
        return lost

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        host = (writer.get_extra_info("peername") or ("",))[0]
        if not self._has_room_for(host):
            self.lost += 1
            writer.transport.abort()
            return
        self._open[task] = host
        frames = SyslogFrames(max_bytes=self._plan.max_line_bytes, framing=self._plan.framing)
        try:
            await self._read(reader, frames, host)
        except asyncio.CancelledError:
            # The port closes; asyncio would log a cancelled callback as an error.
            return
        finally:
            del self._open[task]
            self._waiting.add(self._plan.lines_from(host, frames.end()))
            writer.transport.abort()

    def _has_room_for(self, host: str) -> bool:
        plan = self._plan
        return (
            plan.lets_in(host)
            and len(self._open) < plan.max_open
            and Counter(self._open.values())[host] < plan.max_per_peer
        )

    async def _read(self, reader: asyncio.StreamReader, frames: SyslogFrames, host: str) -> None:
        """Until the peer ends, or is cut off. A message has ``message_s``, however often a byte of it comes."""
        loop = asyncio.get_running_loop()
        due_s = 0.0
        held = 0
        try:
            while not frames.is_broken:
                if self._waiting.is_full:
                    # That it takes long now is not the peer's doing.
                    await self._waiting.room()
                    due_s = loop.time() + self._plan.message_s
                patience_s = due_s - loop.time() if frames.is_within else self._plan.silent_s
                async with asyncio.timeout(max(0.0, patience_s)):
                    data = await reader.read(LISTEN_BUFFER_BYTES)
                if not data:
                    return
                was_within, cut = frames.is_within, frames.cut
                lines = self._plan.lines_from(host, frames.feed(data))
                self._waiting.add(lines)
                self.lost += frames.cut - cut
                if lines or not was_within:
                    due_s = loop.time() + self._plan.message_s
                self._held_bytes += frames.held_bytes - held
                held = frames.held_bytes
                if self._held_bytes > LISTEN_HELD_BYTES:
                    break
            self.lost += 1
        except TimeoutError:
            self.lost += 1
        except OSError:
            # The network's end of it; what came before counts.
            return
        finally:
            self._held_bytes -= held


class DatagramPort:
    """UDP: one message a datagram."""

    def __init__(self, plan: PortPlan, waiting: Waiting) -> None:
        self._plan = plan
        self._waiting = waiting
        self._socket: socket.socket | None = None
        self._is_reading = False
        self._refused = 0
        self._dropped = 0

    @property
    def address(self) -> tuple[str, int]:
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        return host, port

    async def open(self) -> None:
        found = await asyncio.get_running_loop().getaddrinfo(
            self._plan.host, self._plan.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setblocking(False)  # noqa: FBT003 - positional only
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAM_KERNEL_BYTES)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
        self._socket = opened
        self._resume()

    async def close(self) -> None:
        if self._socket is not None:
            self._pause()
            self._socket.close()
            self._socket = None

    def count_lost(self) -> int:
        """What the kernel dropped since it was last asked, and what came from others than those who may send."""
        self._resume()
        dropped = self._kernel_dropped()
        lost, self._refused = self._refused + dropped - self._dropped, 0
        self._dropped = dropped
        return lost

    def _kernel_dropped(self) -> int:
        assert self._socket is not None
        try:
            told = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:
            # Not Linux, or an old one: nobody counts there.
            return self._dropped
        return int(_MEMINFO.unpack(told)[-1]) if len(told) == _MEMINFO.size else self._dropped

    def _resume(self) -> None:
        if not self._is_reading and not self._waiting.is_full and self._socket is not None:
            self._is_reading = True
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def _pause(self) -> None:
        if self._is_reading and self._socket is not None:
            self._is_reading = False
            asyncio.get_running_loop().remove_reader(self._socket.fileno())

    def _readable(self) -> None:
        assert self._socket is not None
        lines: list[bytes] = []
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                data, peer = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An answer of the network to something that was never sent; the port stays open.
                continue
            if not self._plan.lets_in(peer[0]):
                self._refused += 1
            elif line := one_line(data):
                lines += self._plan.lines_from(peer[0], [line])
        self._waiting.add(lines)
        if self._waiting.is_full:
            self._pause()
