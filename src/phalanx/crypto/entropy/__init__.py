"""Secret randomness from more than one place: sources are tested, mixed, and never trusted alone.

``EntropyPool`` is an ``EntropySource`` whose every byte includes a fresh byte from the operating
system. ``NoiseWatch`` puts noise sources (plug-ins of ``phalanx.entropy``) through the health tests
of NIST SP 800-90B, stirs their samples into the pool and drops a source that fails.

Errors::

    CryptoError
    └── EntropyError
        └── SourceFailed    a source is silent, or not what it claims to be
"""

from phalanx.crypto.entropy._errors import EntropyError, SourceFailed
from phalanx.crypto.entropy._health import (
    HealthTest,
    critbinom,
    estimate_min_entropy,
    proportion_cutoff,
    repetition_cutoff,
)
from phalanx.crypto.entropy._limits import STARTUP_SAMPLES
from phalanx.crypto.entropy._pool import EntropyPool
from phalanx.crypto.entropy._source import (
    SOURCES_GROUP,
    NoiseSource,
    SimulatedQrng,
    SourceContext,
    SourceFactory,
    simulated_qrng,
)
from phalanx.crypto.entropy._watch import NoiseWatch, SourceStatus

__all__ = [
    "SOURCES_GROUP",
    "STARTUP_SAMPLES",
    "EntropyError",
    "EntropyPool",
    "HealthTest",
    "NoiseSource",
    "NoiseWatch",
    "SimulatedQrng",
    "SourceContext",
    "SourceFactory",
    "SourceFailed",
    "SourceStatus",
    "critbinom",
    "estimate_min_entropy",
    "proportion_cutoff",
    "repetition_cutoff",
    "simulated_qrng",
]
