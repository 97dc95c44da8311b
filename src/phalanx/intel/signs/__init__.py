"""Signs of attacks on cryptography, reported with how certain they are: weak keys, canary keys, downgrades,
harvested ciphertext.

Pure. Raises ``InvalidInput`` and ``LimitExceeded``.
"""

from phalanx.intel.signs._canaries import CLASSICAL_BITS, GRADES, CanaryKey, make_canaries, verify_answer
from phalanx.intel.signs._certificates import BROKEN_KEY, SeenKeysDetector
from phalanx.intel.signs._flows import HYBRID
from phalanx.intel.signs._harvest import COLLECTED, COPIED, HARVEST_RULES, MIRRORED, HarvestDetector
from phalanx.intel.signs._keys import certificate_key, keys_in, weaknesses
from phalanx.intel.signs._model import Certainty, SeenKey, Sign
from phalanx.intel.signs._numbers import close_factor, looks_like_roca, shared_factors, small_factor
from phalanx.intel.signs._telling import CANARY_ANSWERED, SignTold, proven_fields
from phalanx.intel.signs._transport import CONFIRMABLE, DOWNGRADED, DowngradeDetector

__all__ = [
    "BROKEN_KEY",
    "CANARY_ANSWERED",
    "SignTold",
    "proven_fields",
    "CLASSICAL_BITS",
    "COLLECTED",
    "CONFIRMABLE",
    "COPIED",
    "DOWNGRADED",
    "GRADES",
    "HARVEST_RULES",
    "HYBRID",
    "MIRRORED",
    "CanaryKey",
    "Certainty",
    "DowngradeDetector",
    "HarvestDetector",
    "SeenKey",
    "SeenKeysDetector",
    "Sign",
    "certificate_key",
    "close_factor",
    "keys_in",
    "looks_like_roca",
    "make_canaries",
    "shared_factors",
    "small_factor",
    "verify_answer",
    "weaknesses",
]
