"""What node and workers need from whatever lies between them.

What comes in over a line is proved to come from whom it says: a line that cannot tell drops it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from phalanx.workflows.workers._words import Answer, Ask, Beat, Done, Ticket


class CrewEnd(Protocol):
    """The node, as its line sees it."""

    def asked(self, worker: str, ask: Ask, /) -> Answer: ...

    def heard(self, worker: str, beat: Beat, /) -> None: ...

    def done(self, worker: str, done: Done, /) -> None: ...

    def connected(self) -> None:
        """There is a connection again: what was said meanwhile may have been missed."""
        ...


class CrewLine(Protocol):
    """A node's way to its workers."""

    @property
    def is_connected(self) -> bool: ...

    async def serve(self, crew: CrewEnd, /) -> None:
        """Hand over what comes in, for as long as this runs."""
        ...

    async def put(self, ticket: Ticket, /) -> None:
        """Into the queue, durably. Raises ``Unavailable``."""
        ...

    async def kept(self, piece: str, /) -> tuple[str, Done] | None:
        """The last result of a piece that lies there, and whose it is. Raises ``Unavailable``."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A ticket that was taken from the queue; ``handle`` is the line's own."""

    ticket: Ticket
    handle: Any


class HandLine(Protocol):
    """A worker's way to its node. Everything raises ``Unavailable`` where there is no connection."""

    async def take(self) -> Taken | None:
        """The next ticket; ``None`` when there was none for a while."""
        ...

    async def ask(self, ask: Ask, /) -> Answer: ...

    async def beat(self, beat: Beat, /) -> None: ...

    async def progress(self, taken: Taken, /) -> None:
        """The ticket is in work: it is not handed out again for now."""
        ...

    async def drop(self, taken: Taken, /) -> None:
        """The ticket is of no use any more."""
        ...

    async def later(self, taken: Taken, after_s: float, /) -> None:
        """Others may have the ticket."""
        ...

    async def give(self, done: Done, /) -> None:
        """A result, durably."""
        ...
