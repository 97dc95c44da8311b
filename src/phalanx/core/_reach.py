"""Ports to a node's surroundings: who connects to it, files that others may touch, and events it generates itself.

Through these, a node never reaches out to anybody: it waits for connections, looks at files that the settings name,
and tells its own intake what it saw.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from phalanx.core._events import Value
from phalanx.core._ids import EventId, TenantId

# Where probes of the node itself live: no tenant's events, findings or cases are touched by them.
PROBE_TENANT = TenantId("node:canary")


class Connection(Protocol):
    """Somebody who connected. Nothing that comes through it is to be trusted."""

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the other end."""
        ...

    @property
    def local(self) -> tuple[str, int]:
        """Address and port that were connected to."""
        ...

    async def read(self, max_bytes: int) -> bytes:
        """What came, at most so much; nothing at its end, however it ended."""
        ...

    async def write(self, data: bytes) -> None:
        """Send; what the other end does not take is dropped."""
        ...

    async def close(self) -> None: ...


Serve = Callable[[Connection], Awaitable[None]]


class Listening(Protocol):
    """A port that is open."""

    @property
    def address(self) -> tuple[str, int]: ...

    async def close(self) -> None:
        """Take nobody any more, and end who is connected."""
        ...


class Listeners(Protocol):
    """Opens ports for others to connect to."""

    async def listen(self, host: str, port: int, serve: Serve, *, max_open: int) -> Listening:
        """Serve whoever connects, at most ``max_open`` at once; who is one too many is turned away.

        Port 0 takes a free one. Raises ``Unavailable`` when the address cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileMark:
    """How a file looks from outside, and the digest of what is in it.

    ``read_ns`` is when it was last read as far as the file system keeps that.
    """

    size: int
    mode: int
    modified_ns: int
    read_ns: int
    digest: str


class FileWatch(Protocol):
    """Files that others may touch. Paths are absolute or relative to where the node was started."""

    async def mark(self, path: str) -> FileMark | None:
        """How the file looks; None when there is none, or none that can be read. Looking is not seen as reading."""
        ...

    async def read(self, path: str, *, max_bytes: int) -> bytes:
        """What is in it, up to ``max_bytes``. Raises ``NotFound``."""
        ...

    async def walk(self, path: str, *, max_files: int) -> Sequence[str]:
        """The files at or below a path, sorted, links not followed. Raises ``NotFound`` when it is not there."""
        ...

    async def plant(self, path: str, data: bytes) -> None:
        """Make a file that is not there, with the folders above it. Raises ``InvalidInput`` when it is or cannot be."""
        ...

    async def arm(self, path: str) -> bool:
        """Have the next reading of the file be seen by ``mark``; false where the file system keeps no such time."""
        ...


class EventSink(Protocol):
    """The node's intake for what the node itself saw. Nobody outside can send events of these kinds."""

    async def submit(
        self, kind: str, fields: Mapping[str, Value], *, tenant: TenantId, at_ns: int, key: str
    ) -> EventId:
        """Make one event durable, as soon as there is room; the same ``key`` makes it once."""
        ...
