"""Bounds of the routines, in one place."""

# Values searched, and indicators looked for among them: 2^20 amplitudes.
MAX_SEARCHED = 1 << 20
# Width of the circuits that `search_circuit` writes.
MAX_SEARCH_CIRCUIT_BITS = 10
# Actions that are weighed against each other: 2^18 choices, all of which the exact answer looks at.
MAX_ACTIONS = 18
MAX_LAYERS = 12
MAX_STEPS = 2_000
# Nodes of a graph that is walked on: its Laplacian is diagonalised.
MAX_WALKED_NODES = 2_048
# Features of a kernel: each is a qubit. Rows of a kernel matrix.
MAX_FEATURES = 14
MAX_KERNEL_ROWS = 20_000
# Rows whose density is asked for, and rows that a kernel machine learns from, once for each width and ridge.
MAX_DENSITY_ROWS = 2_000
MAX_KERNEL_FIT_ROWS = 2_000
# Bits of a number that is factored, and attempts at it.
MAX_FACTORED_BITS = 20
MAX_FACTOR_ATTEMPTS = 64
# Values of a series that a reservoir is fed: each is a handful of products of small matrices.
MAX_SERIES = 20_000
# Qubits of a circuit whose angles are varied, and amplitudes of a batch of them at once (64 MiB).
MAX_VARIED_QUBITS = 14
MAX_BATCH_AMPLITUDES = 1 << 23
# Bits of a distribution that is learned whole, rows that it is learned from, and rows drawn.
MAX_LEARNED_BITS = 12
MAX_BOLTZMANN_BITS = 9
MAX_LEARNED_ROWS = 200_000
MAX_DRAWN_ROWS = 1_000_000
# Hosts that are put into segments, and energies that a device is asked for.
MAX_SEGMENTED = 14
MAX_ENERGIES = 200_000
