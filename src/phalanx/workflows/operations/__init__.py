"""Operations: named pieces of work that workflows are made of. A node has these and its plug-ins'.

A plug-in of the group ``phalanx.operations`` is an ``Operation``, made with the decorator ``operation``.
"""

from phalanx.workflows.operations._assessing import Assessed
from phalanx.workflows.operations._built_in import BUILT_IN
from phalanx.workflows.operations._calibrating import fit_calibration
from phalanx.workflows.operations._contract import Compared, Operation, estimated, operation
from phalanx.workflows.operations._signals import (
    DEGRADED_COST,
    Fused,
    Part,
    Signal,
    Turn,
    fuse,
    pooled_log_odds,
    verdict_of,
)

__all__ = [
    "BUILT_IN",
    "DEGRADED_COST",
    "Assessed",
    "Compared",
    "Fused",
    "Operation",
    "Part",
    "Signal",
    "Turn",
    "estimated",
    "fit_calibration",
    "fuse",
    "operation",
    "pooled_log_odds",
    "verdict_of",
]
