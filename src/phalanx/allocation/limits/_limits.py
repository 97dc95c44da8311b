"""Bounds of the package."""

# Calibrations that a freshness limit is learned from, and multiples of their usual distance that it may come to.
MAX_COMPARED = 60
MAX_MULTIPLES = 14
# What may change in the logarithm of success of a couple of qubits, in which part of cases, and how many must be known.
TOLERATED = 0.05
TOLERATED_PART = 0.9
MIN_COMPARED = 8
# Two-qubit gates of what success is reckoned for, and what it is at most: a dead coupler counts as this much.
GATES = 10
MAX_LOSS = 5.0
# The part of looks at a queue that is above its limit, how long it may become, and looks before it is one.
LONG_PART = 0.05
MAX_QUEUE = 1_000_000.0
MIN_LOOKS = 256
# Shorter ones are never long.
LONG_JOBS, LONG_S = 10.0, 60.0
# Changes that are kept of each limit.
MAX_KEPT_CHANGES = 100
