"""Who may be given missions: agents whose identity stands.

The node gives agents identities; this room only asks whether one still holds, each time it hands
something out. ``Anybody`` is for a swarm without a node around it, whose agents have none.
"""

from typing import Protocol


class Admission(Protocol):
    """Gives each agent an identity for its life, and says whether it may act under it."""

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


class Anybody:
    """Admits every agent and gives none an identity."""

    def seat(self, agent: str, /) -> None:
        """Nothing to give."""

    def leave(self, agent: str, /) -> None:
        """Nothing to take back."""

    def admitted(self, agent: str, /) -> bool:  # noqa: ARG002 - the protocol's signature
        return True

    def fingerprint(self, agent: str, /) -> str:  # noqa: ARG002
        return ""
