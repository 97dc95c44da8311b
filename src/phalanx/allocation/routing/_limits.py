"""Bounds of the package."""

# Quantum devices that a circuit is laid out on before one is chosen.
LAID_OUT = 3
# Before anything was learned: how far off expected times are, as sd of the logarithm.
FIRST_TIME_SD = 0.7
FEWEST_TIMES = 8
MAX_TIMES = 200
MAX_LEARNED_NAMES = 4_096
# Pairs of expected and realised fidelity that are remembered, and how many are needed before they are believed.
MAX_FIDELITIES = 2_000
FEWEST_FIDELITIES = 20
# A realised fidelity counts as so many shots that came out right or not.
SHOTS_EACH = 50
# A way whose answer comes too late more often than this is none.
MAX_LATE = 0.5
# What weighs fidelity against time and money where nobody says what an answer is worth.
ASSUMED_WORTH = 1.0
# Starting a simulation, besides simulating.
OVERHEAD_S = 0.02
# The simulator whose method is chosen by the circuit: the fleet does not choose it, routing does.
BY_CIRCUIT = "local.simulator"
