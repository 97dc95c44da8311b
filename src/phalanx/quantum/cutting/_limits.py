"""Bounds of cutting, in one place."""

# How many times as many shots the same precision may need without being forced.
MAX_CUT_OVERHEAD = 10_000.0
MAX_CUT_CIRCUITS = 20_000
# Letters that name indices in a contraction, two for each cut.
MAX_CUTS = 24
MAX_CUT_GATES = 4_000
SEARCH_ROUNDS = 4_000
BOOTSTRAP_DRAWS = 100
