"""Contract suites: what every implementation of a port must do, ours and anybody's.

A suite is a tuple of async check functions, to run one by one on the thing under test; each module says what its
checks are given. A check that fails raises ``AssertionError``.
"""

from phalanx.testing.contracts._analog import ANALOG_CHECKS
from phalanx.testing.contracts._annealers import ANNEALER_CHECKS
from phalanx.testing.contracts._blobs import BLOB_CHECKS, OpenBlobs
from phalanx.testing.contracts._buses import BUS_CHECKS, OpenPlaces
from phalanx.testing.contracts._detectors import DETECTOR_CHECKS, DetectorCheck, MakeDetector
from phalanx.testing.contracts._devices import DEVICE_CHECKS, check_provider
from phalanx.testing.contracts._journal import JOURNAL_CHECKS, JOURNAL_FULL_CHECKS, OpenJournals
from phalanx.testing.contracts._notes import NOTES, OpenStore
from phalanx.testing.contracts._operations import OPERATION_CHECKS, OperationCheck
from phalanx.testing.contracts._photonic import PHOTONIC_CHECKS
from phalanx.testing.contracts._policies import POLICY_CHECKS
from phalanx.testing.contracts._sinks import SINK_CHECKS, SinkCheck, SinkLab, item_like, parcel_like
from phalanx.testing.contracts._skills import DUTY_CHECKS, SKILL_CHECKS, DutyCheck, SkillCheck, Tools
from phalanx.testing.contracts._sources_from import SOURCE_CHECKS, SourceCheck, SourceLab
from phalanx.testing.contracts._staged import STAGED_CHECKS
from phalanx.testing.contracts._store import STORE_CHECKS
from phalanx.testing.contracts._store_concurrency import STORE_SHARED_CHECKS
from phalanx.testing.contracts._store_full import STORE_FULL_CHECKS
from phalanx.testing.contracts._store_model import compare_with_model, store_operations
from phalanx.testing.contracts._wrappers import WRAPPER_CHECKS, OpenWrapper

__all__ = [
    "ANALOG_CHECKS",
    "ANNEALER_CHECKS",
    "BUS_CHECKS",
    "OpenPlaces",
    "BLOB_CHECKS",
    "DETECTOR_CHECKS",
    "DEVICE_CHECKS",
    "DetectorCheck",
    "MakeDetector",
    "DUTY_CHECKS",
    "JOURNAL_CHECKS",
    "JOURNAL_FULL_CHECKS",
    "NOTES",
    "OPERATION_CHECKS",
    "PHOTONIC_CHECKS",
    "POLICY_CHECKS",
    "SINK_CHECKS",
    "SKILL_CHECKS",
    "SOURCE_CHECKS",
    "STAGED_CHECKS",
    "STORE_CHECKS",
    "STORE_FULL_CHECKS",
    "STORE_SHARED_CHECKS",
    "WRAPPER_CHECKS",
    "DutyCheck",
    "OpenBlobs",
    "OperationCheck",
    "OpenJournals",
    "OpenStore",
    "OpenWrapper",
    "SinkCheck",
    "SinkLab",
    "SkillCheck",
    "SourceCheck",
    "SourceLab",
    "Tools",
    "check_provider",
    "compare_with_model",
    "item_like",
    "parcel_like",
    "store_operations",
]
