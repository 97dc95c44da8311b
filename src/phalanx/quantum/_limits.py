"""Bounds of the room."""

# A statevector of complex128 takes 16 bytes · 2^n: 22 qubits are 64 MiB, and a gate on a copy doubles it.
MAX_SIMULATED_QUBITS = 22
# Gates times amplitudes: about a minute of one core.
MAX_SIMULATED_UPDATES = 1 << 34
# Simulators chosen by circuit: memory of one run, and its estimated time on one core.
MAX_SIMULATED_BYTES = 1 << 31
MAX_SIMULATION_S = 600
MAX_STATEVECTOR_QUBITS = 26
MAX_DENSITY_QUBITS = 12
MAX_TRAJECTORY_QUBITS = 22
MAX_BOND = 256
# Spins and couplings that annealing looks at in all sweeps of all shots: about a minute.
MAX_ANNEALED_UPDATES = 10_000_000_000
MAX_CIRCUIT_QUBITS = 16_384
MAX_CIRCUIT_BITS = 16_384
MAX_CIRCUIT_GATES = 1_000_000
MAX_CIRCUIT_BYTES = 64 << 20
MAX_SHOTS = 1_000_000

# Distances between all pairs of qubits are kept.
MAX_DEVICE_QUBITS = 4_096
MAX_LAYOUT_TRIALS = 64
# Steps of the search for better qubits of a circuit that is routed one way, and how many ways are tried.
MAX_REPLACING_STEPS = 40_000
MAX_REPLACED_ROUTES = 4

# What a program from outside may hold. Steps are counted while it is expanded, calls of empty gates included.
MAX_SOURCE_BYTES = 16 << 20
MAX_REGISTERS = 4_096
MAX_GATE_DEFINITIONS = 4_096
MAX_GATE_NESTING = 64
MAX_GATE_OPERANDS = 4_096
MAX_BLOCK_NESTING = 32
MAX_EXPRESSION_NESTING = 64
MAX_EXPRESSION_TERMS = 256
MAX_CALLS = 2_000_000
# A condition over more bits than this must be an equality: others become one statement per truth assignment.
MAX_CONDITION_BITS = 8
MAX_POWER = 65_536
# What is calculated; a literal may be as wide as a register of bits is compared with.
MAX_INTEGER = 1 << 63
MAX_INTEGER_DIGITS = 4_000

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

# Terms of an observable; each group of them is a circuit.
MAX_OBSERVABLE_TERMS = 4_096

# Analog programs: atoms of one, points of one line of its drive, how long it lasts, and what is evolved exactly here:
# 12 atoms are 4,096 amplitudes: tenths of a second as a rule, half a minute where they stand as closely as any machine
# lets them.
MAX_ATOMS = 1_024
MAX_LINE_POINTS = 16_384
MAX_DRIVE_US = 100.0
MAX_EVOLVED_ATOMS = 12
MAX_LISTED_ATOMS = 20

# Photonic programs: modes, photons and components of one; outcomes that are listed when probabilities are worked out
# exactly, and what that takes in all, in weights: some seconds.
MAX_MODES = 64
MAX_PHOTONS = 16
MAX_COMPONENTS = 16_384
MAX_FOCK_STATES = 500_000
MAX_FOCK_WORK = 1_000_000_000
