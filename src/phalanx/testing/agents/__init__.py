"""A swarm under faults: agents crash, hang, fall silent, are revoked in the middle of their work; machines too.

``agents_simulation`` is what ``phalanx sim agents`` runs, ``succession_simulation`` the same for nodes that stand
in for each other (``phalanx sim succession``). Its checker reads the commits that reach the store and what skills
and duties see, and shares no code with the swarm.
"""

from phalanx.testing.agents._nodes import PlainCarrier, succession_simulation
from phalanx.testing.agents._sim import agents_simulation

__all__ = ["PlainCarrier", "agents_simulation", "succession_simulation"]
