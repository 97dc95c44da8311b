"""Detectors that learn what is usual: rhythms of contacts, and who does what; and models trained on labelled events.

Each is a plug-in of ``phalanx.detectors`` like anybody's. What they remember is small, kept by tenant and committed
with the sentinel's cursor. Their thresholds follow the house and have floors (``phalanx.learning``).
"""

from phalanx.intel.detectors._beaconing import BEACON, BeaconDetector, beacon_detector
from phalanx.intel.detectors._rarity import RARE_CHILD, RARE_LOGON, RarityDetector, rarity_detector

__all__ = [
    "BEACON",
    "RARE_CHILD",
    "RARE_LOGON",
    "BeaconDetector",
    "RarityDetector",
    "beacon_detector",
    "rarity_detector",
]
