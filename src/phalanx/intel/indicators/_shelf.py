"""Where tables lie as files, and how they are looked at without being read."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

from phalanx.core import NotFound


class Shelf(Protocol):
    """Files that are written once and mapped. Its calls block: they are made off the event loop.

    What a crash left unfinished may be there: who writes keeps note of what it finished.
    """

    def write(self, name: str, pieces: Iterable[bytes]) -> str:
        """Write a new one; on return it is durable. Returns the SHA-256 of its bytes, in hexadecimal.

        Raises ``StorageFull``; then nothing of it is left.
        """
        ...

    def view(self, name: str) -> memoryview:
        """Its bytes, which come from the disk as they are looked at. Raises ``NotFound``.

        They stay readable for as long as somebody holds the view, whatever becomes of the file.
        """
        ...

    def names(self) -> Sequence[str]:
        """In order."""
        ...

    def remove(self, name: str) -> None:
        """Removing what is not there is not an error."""
        ...


class MemoryShelf:
    """A shelf for as long as the process lives."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def write(self, name: str, pieces: Iterable[bytes]) -> str:
        data = b"".join(pieces)
        self._files[name] = data
        return hashlib.sha256(data).hexdigest()

    def view(self, name: str) -> memoryview:
        if name not in self._files:
            raise NotFound("table of indicators", name)
        return memoryview(self._files[name])

    def names(self) -> Sequence[str]:
        return sorted(self._files)

    def remove(self, name: str) -> None:
        self._files.pop(name, None)
