"""The built-in analyses, each a file in the same form that users write.

They are read when this module is imported, which a node does as it starts; they are entry points of the group
``phalanx.analyses`` like any plug-in's. Incident triage is one of ``incidents``.
"""

from phalanx.workflows.analyses._shipped import (
    ANALYSES,
    attack_path_risk,
    cryptographic_posture,
    indicator_search,
    network_anomaly,
    response_planning,
)

__all__ = [
    "ANALYSES",
    "attack_path_risk",
    "cryptographic_posture",
    "indicator_search",
    "network_anomaly",
    "response_planning",
]
