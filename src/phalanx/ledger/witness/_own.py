"""What witnessing and gossip need of the node's own ledger."""

from typing import Protocol

from phalanx.crypto import PublicKey
from phalanx.ledger._checkpoint import Checkpoint


class OwnLog(Protocol):
    """The node's own ledger, as ``Ledger`` is."""

    @property
    def origin(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def public_key(self) -> PublicKey: ...

    async def checkpoint(self) -> Checkpoint:
        """The signed head as it is now; signs one when something was added."""
        ...

    async def newest(self) -> Checkpoint | None:
        """The last checkpoint that was signed."""
        ...

    async def signed(self, size: int) -> Checkpoint | None:
        """The checkpoint of exactly this size, if one was signed."""
        ...

    async def prefix(self, old: int, new: int) -> tuple[bytes, list[bytes]]:
        """The root at ``old`` entries, and the consistency proof from there to ``new``."""
        ...
