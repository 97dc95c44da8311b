"""Detectors that learn what is usual: rhythms of contacts, who does what, how much, from where, and what after
what.

Each is a plug-in of ``phalanx.detectors`` like anybody's. Their state is small, kept per tenant and committed with
the sentinel's cursor. Their thresholds adapt to the site and have floors (``phalanx.learning``).
"""

from phalanx.intel.detectors._beaconing import BEACON, BeaconDetector, beacon_detector
from phalanx.intel.detectors._rarity import RARE_CHILD, RARE_LOGON, RarityDetector, rarity_detector
from phalanx.intel.detectors._sequence import ANCESTRY, CHAIN, SequenceDetector, sequence_detector
from phalanx.intel.detectors._travel import TRAVEL, TURNS, TravelDetector, travel_detector
from phalanx.intel.detectors._volume import EVENTS, FAILED, OUT, SHORT, VolumeDetector, volume_detector

__all__ = [
    "ANCESTRY",
    "BEACON",
    "CHAIN",
    "EVENTS",
    "FAILED",
    "OUT",
    "RARE_CHILD",
    "RARE_LOGON",
    "SHORT",
    "TRAVEL",
    "TURNS",
    "BeaconDetector",
    "RarityDetector",
    "SequenceDetector",
    "TravelDetector",
    "VolumeDetector",
    "beacon_detector",
    "rarity_detector",
    "sequence_detector",
    "travel_detector",
    "volume_detector",
]
