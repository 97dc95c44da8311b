"""Bounds of the room."""

# A statevector of complex128 takes 16 bytes · 2^n: 22 qubits are 64 MiB, and a gate on a copy doubles it.
MAX_SIMULATED_QUBITS = 22
# Gates times amplitudes: about a minute of one core.
MAX_SIMULATED_UPDATES = 1 << 34
MAX_CIRCUIT_QUBITS = 1_024
MAX_CIRCUIT_GATES = 200_000
MAX_CIRCUIT_BYTES = 16 << 20
MAX_SHOTS = 1_000_000

# Every stage is a qubit, and the reflection needs three fewer helpers than stages: 7 stages are 11 qubits.
MAX_STAGES = 7
MAX_RISKS_PER_STAGE = 256
MAX_PATHS = 128

# Half the width of the interval. Below the lower bound a circuit would exceed what a simulation should cost.
MIN_EPSILON = 0.0005
MAX_EPSILON = 0.25
MIN_ALPHA = 1e-6
MAX_ALPHA = 0.5
# Looks at one circuit depth. Shots double with each, up to what the device takes at once.
MAX_LOOKS_PER_DEPTH = 1_000
