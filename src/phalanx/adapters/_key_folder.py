"""A folder of private keys, each in a file of its own that the node's user alone may read."""

import re
from pathlib import Path

from phalanx.adapters._folders import make_folder, sync_folder
from phalanx.adapters._keyfile import load_or_create, read_private
from phalanx.core import InvalidInput, Offload

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class KeyFolder:
    """Implements the identities' ``KeyCabinet``. Files appear whole or not at all, and are durable."""

    def __init__(self, folder: Path, offload: Offload) -> None:
        self._folder = folder
        self._offload = offload

    async def load(self, name: str) -> bytes | None:
        """Raises ``StorageCorrupt`` for a key that others may read."""
        return await self._offload.run(_load, self._path(name))

    async def save(self, name: str, secret: bytes) -> None:
        """Raises ``InvalidInput`` when another secret is under that name."""
        found = await self._offload.run(load_or_create, self._path(name), lambda: secret)
        if found != secret:
            raise InvalidInput("key", f"{name} is the name of another key")

    async def erase(self, name: str) -> None:
        await self._offload.run(_erase, self._path(name))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidInput("key", f"{name[:80]!r} is no name of a key")
        return self._folder / f"{name}.key"


def _load(path: Path) -> bytes | None:
    try:
        return read_private(path)
    except FileNotFoundError:
        return None


def _erase(path: Path) -> None:
    make_folder(path.parent)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)
