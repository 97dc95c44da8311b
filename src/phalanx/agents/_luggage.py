"""What a mission needs besides itself to be done on another node. The node knows; this room asks."""

from collections.abc import Sequence
from typing import Protocol

from phalanx.agents._model import Mission
from phalanx.core import Put


class Carrier(Protocol):
    """Packs what a mission is about, and unpacks it elsewhere."""

    async def pack(self, mission: Mission, /) -> bytes | None:
        """What has to go along; None for a mission that is of no use on another node."""
        ...

    def unpack(self, mission: Mission, luggage: bytes, /) -> Sequence[Put]:
        """The rows that it makes there, each written only where none is. Raises ``InvalidInput`` and ``WireError``."""
        ...
