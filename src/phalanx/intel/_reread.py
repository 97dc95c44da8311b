"""Chunks that were read a moment ago, opened: missions for findings near each other look at the same ones.

Bounded by bytes, the least recently used giving way. Whether a chunk may still be shown is not known here.
"""

from collections.abc import Sequence

from phalanx.intel._limits import MAX_REREAD_BYTES
from phalanx.intel._model import Chunk


class Reread:
    """By their offset in the journal."""

    def __init__(self, max_bytes: int = MAX_REREAD_BYTES) -> None:
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._kept: dict[int, tuple[Chunk, Sequence[bytes]]] = {}

    def find(self, offset: int) -> tuple[Chunk, Sequence[bytes]] | None:
        """The chunk at ``offset`` and its lines, if they are here."""
        found = self._kept.pop(offset, None)
        if found is not None:
            self._kept[offset] = found  # the last to give way
        return found

    def keep(self, offset: int, chunk: Chunk, lines: Sequence[bytes]) -> None:
        """Remember a chunk; others give way to it. One that is too large for that is not kept."""
        self.forget(offset)
        # The lines hold the same bytes once more.
        n_bytes = 2 * len(chunk.data)
        if n_bytes > self._max_bytes // 4:
            return
        self._kept[offset] = chunk, lines
        self._n_bytes += n_bytes
        while self._n_bytes > self._max_bytes:
            self.forget(next(iter(self._kept)))

    def forget(self, offset: int) -> None:
        """``offset`` may not be shown any more, or is to be read anew."""
        found = self._kept.pop(offset, None)
        if found is not None:
            self._n_bytes -= 2 * len(found[0].data)
