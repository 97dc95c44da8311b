"""A swarm under faults: agents crash, hang, fall silent, are revoked in the middle of their work; machines too.

``agents_simulation`` is what ``phalanx sim agents`` runs. Its checker reads the commits that reach the
store and what skills and duties see, and shares no code with the swarm.
"""

from phalanx.testing.agents._sim import agents_simulation

__all__ = ["agents_simulation"]
