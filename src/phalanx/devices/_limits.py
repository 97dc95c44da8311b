"""Bounds of the room."""

MAX_BACKENDS = 4_096
MAX_QUBITS = 16_384
MAX_COUPLERS = 262_144
# A device in which all qubits couple lists its couplers up to 512 qubits.
MAX_LISTED_COUPLINGS = 131_072
# Vendors write 1.0 for "not calibrated": such a gate is broken, not merely bad.
DEAD_ERROR = 0.99
# Outcome probabilities that the local simulator keeps: an estimate asks for the same few circuits again and again.
MAX_REMEMBERED_CIRCUITS = 32
MAX_REMEMBERED_OUTCOMES = 4_096
MAX_SNAPSHOTS = 1_024
