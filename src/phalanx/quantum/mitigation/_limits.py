"""Bounds of mitigation, in one place."""

# A matrix between outcomes: 128 MiB.
MAX_OBSERVED_OUTCOMES = 4_096
# What cancelling errors by their opposites costs at most without being forced: the square of its weight, in shots.
MAX_CANCELLING_OVERHEAD = 10_000.0
MAX_CANCELLING_CIRCUITS = 4_096
MAX_TWIRLS = 256
MAX_MITIGATED_SHOTS = 100_000_000
MAX_SCALES = 9
BOOTSTRAP_DRAWS = 300
