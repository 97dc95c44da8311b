"""Who connects to a simulated node, the files and the endpoints around it: their ports in memory."""

import asyncio
import hashlib
from collections import deque
from collections.abc import Sequence

from phalanx.core import Clock, FileMark, InvalidInput, Listening, NotFound, Serve, Unavailable
from phalanx.posture import SshOffer, TlsOffer

_FIRST_FREE_PORT = 49_152


class SimListeners:
    """The open ports of one node. A scenario connects to them with ``connect``."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}

    async def listen(self, host: str, port: int, serve: Serve, *, max_open: int) -> Listening:
        await asyncio.sleep(0)
        if port in self._open:
            raise Unavailable(f"{host}:{port}", "it is taken")
        port = port or next(free for free in range(_FIRST_FREE_PORT, 65_536) if free not in self._open)
        self._open[port] = _Open(self, host, port, serve, max_open)
        return self._open[port]

    @property
    def ports(self) -> list[int]:
        return sorted(self._open)

    def connect(self, port: int, *, peer: tuple[str, int]) -> "SimVisitor":
        """Connect from ``peer``. Raises ``Unavailable`` when nobody listens there."""
        if port not in self._open:
            raise Unavailable(f"port {port}", "nobody listens there")
        return self._open[port].connect(peer)

    def forget(self, port: int) -> None:
        self._open.pop(port, None)


class _Open:
    def __init__(self, listeners: SimListeners, host: str, port: int, serve: Serve, max_open: int) -> None:
        self._listeners = listeners
        self.address = (host, port)
        self._serve = serve
        self._max_open = max_open
        self._serving: dict[asyncio.Task[None], SimVisitor] = {}

    async def close(self) -> None:
        self._listeners.forget(self.address[1])
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def connect(self, peer: tuple[str, int]) -> "SimVisitor":
        visitor = SimVisitor(peer, self.address)
        if len(self._serving) >= self._max_open:
            visitor.hang_up()
            visitor.ended.set()
            return visitor
        task = asyncio.create_task(self._run(visitor), name=f"connection from {peer[0]}:{peer[1]}")
        self._serving[task] = visitor
        task.add_done_callback(lambda done: self._serving.pop(done, None) and None)
        return visitor

    async def _run(self, visitor: "SimVisitor") -> None:
        try:
            await self._serve(visitor)
        finally:
            visitor.ended.set()


class SimVisitor:
    """Both ends of one connection: the node reads what ``send`` sent, ``heard`` is what it wrote."""

    def __init__(self, peer: tuple[str, int], local: tuple[str, int]) -> None:
        self.peer = peer
        self.local = local
        self.heard = b""
        self.ended = asyncio.Event()
        self._sent: deque[bytes] = deque()
        self._over = False
        self._stirred = asyncio.Event()

    def send(self, data: bytes) -> None:
        self._sent.append(data)
        self._stirred.set()

    def hang_up(self) -> None:
        self._over = True
        self._stirred.set()

    async def read(self, max_bytes: int) -> bytes:
        while not self._sent and not self._over:
            self._stirred.clear()
            await self._stirred.wait()
        if not self._sent:
            return b""
        data = self._sent.popleft()
        if len(data) > max_bytes:
            self._sent.appendleft(data[max_bytes:])
        return data[:max_bytes]

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0)
        self.heard += data

    async def close(self) -> None:
        self.ended.set()


class SimFileWatch:
    """Files in memory. ``put`` and ``look_into`` are what others do to them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[str, _File] = {}

    def put(self, path: str, data: bytes) -> None:
        """Somebody writes the file."""
        now_ns = self._clock.wall_ns()
        self._files[path] = _File(data, now_ns, now_ns)

    def take_away(self, path: str) -> None:
        """Somebody removes the file."""
        self._files.pop(path, None)

    def look_into(self, path: str) -> bytes:
        """Somebody reads the file."""
        self._files[path].read_ns = self._clock.wall_ns()
        return self._files[path].data

    async def mark(self, path: str) -> FileMark | None:
        await asyncio.sleep(0)
        file = self._files.get(path)
        if file is None:
            return None
        return FileMark(
            size=len(file.data), mode=0o600, modified_ns=file.modified_ns, read_ns=file.read_ns,
            digest=hashlib.sha256(file.data).hexdigest(),
        )  # fmt: skip

    async def read(self, path: str, *, max_bytes: int) -> bytes:
        await asyncio.sleep(0)
        if path not in self._files:
            raise NotFound("file", path)
        return self._files[path].data[:max_bytes]

    async def walk(self, path: str, *, max_files: int) -> Sequence[str]:
        await asyncio.sleep(0)
        below = path.rstrip("/") + "/"
        found = sorted(one for one in self._files if one == path or one.startswith(below))
        if not found:
            raise NotFound("file or folder", path)
        return found[:max_files]

    async def plant(self, path: str, data: bytes) -> None:
        await asyncio.sleep(0)
        if path in self._files:
            raise InvalidInput("path", f"{path} cannot be planted: it is there")
        self.put(path, data)

    async def arm(self, path: str) -> bool:
        await asyncio.sleep(0)
        if path not in self._files:
            return False
        self._files[path].read_ns = self._files[path].modified_ns - 1
        return True


class SimEndpoints:
    """Endpoints that answer with what was set for ``host:port``; the others do not."""

    def __init__(self) -> None:
        self.offers: dict[str, TlsOffer | SshOffer] = {}

    async def tls(self, host: str, port: int, /) -> TlsOffer:
        offer = await self._offer(host, port)
        if not isinstance(offer, TlsOffer):
            raise Unavailable(f"TLS at {host}:{port}", "it speaks no TLS")
        return offer

    async def ssh(self, host: str, port: int, /) -> SshOffer:
        offer = await self._offer(host, port)
        if not isinstance(offer, SshOffer):
            raise Unavailable(f"SSH at {host}:{port}", "it speaks no SSH")
        return offer

    async def _offer(self, host: str, port: int) -> TlsOffer | SshOffer | None:
        await asyncio.sleep(0)
        return self.offers.get(f"{host}:{port}")


class _File:
    __slots__ = ("data", "modified_ns", "read_ns")

    def __init__(self, data: bytes, modified_ns: int, read_ns: int) -> None:
        self.data = data
        self.modified_ns = modified_ns
        self.read_ns = read_ns
