"""The demo's intruder beside a real node: over the loopback interface and in the file system."""

import contextlib
from collections.abc import Iterator

from phalanx.adapters import OsFileWatch, ThreadOffload, knock
from phalanx.demo._lure import VICTIM_STAND_IN

_MAX_READ_BYTES = 64 * 1024


class LoopbackIntruder:
    """Comes from the address that stands in for the victim, where the system lets it."""

    def __init__(self, files: OsFileWatch) -> None:
        self._files = files

    async def knock(self, port: int, data: bytes) -> None:
        await knock("127.0.0.1", port, data, source=VICTIM_STAND_IN)

    async def read(self, path: str) -> bytes:
        return await self._files.read(path, max_bytes=_MAX_READ_BYTES)

    async def write(self, path: str, data: bytes) -> None:
        await self._files.plant(path, data)


@contextlib.contextmanager
def on_loopback() -> Iterator[LoopbackIntruder]:
    """An intruder with a thread of its own for files."""
    with contextlib.closing(ThreadOffload(1)) as offload:
        yield LoopbackIntruder(OsFileWatch(offload))
