"""Who may be given missions: agents whose identity is valid.

The node gives agents identities; this room only asks whether one is still valid, each time it hands something out.
``Anybody`` is for a swarm without a node around it, whose agents have none.
"""

from typing import Protocol


class Admission(Protocol):
    """Gives each agent an identity for its life, and says whether it may act under it."""

    async def prepare(self, n: int, /) -> None:
        """Make identities ahead until ``n`` are ready, off the event loop."""
        ...

    def seat(self, agent: str, /) -> object:
        """Called once for each new agent, before it gets anything. Quick: it is called where an agent fell."""
        ...

    def leave(self, agent: str, /) -> None:
        """The agent is gone; its identity goes with it."""
        ...

    def admitted(self, agent: str, /) -> bool:
        """Whether the agent may be given missions, and may bring results, now."""
        ...

    def fingerprint(self, agent: str, /) -> str:
        """What tells its key from others; empty when it has none."""
        ...

    def vouch(self, agent: str, statement: bytes, /) -> bytes:
        """The agent's signature under a statement. Takes a millisecond; may be called in another thread."""
        ...

    def check(self, agent: str, statement: bytes, signature: bytes, /) -> None:
        """Raises unless the agent, under the identity that it has, signed the statement."""
        ...


class Anybody:
    """Admits every agent and gives none an identity."""

    async def prepare(self, n: int, /) -> None:
        """Nothing to make."""

    def seat(self, agent: str, /) -> None:
        """Nothing to give."""

    def leave(self, agent: str, /) -> None:
        """Nothing to take back."""

    def admitted(self, agent: str, /) -> bool:  # noqa: ARG002 - the protocol's signature
        return True

    def fingerprint(self, agent: str, /) -> str:  # noqa: ARG002
        return ""

    def vouch(self, agent: str, statement: bytes, /) -> bytes:  # noqa: ARG002
        return b""

    def check(self, agent: str, statement: bytes, signature: bytes, /) -> None:
        """Nobody signs anything."""
