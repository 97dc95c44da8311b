"""Every bound of the room, in one place."""

# One problem. A matrix of times holds one float32 for every pair: 256 MiB at a million operations on 64 resources.
MAX_OPERATIONS = 2_000_000
MAX_RESOURCES = 4_096
MAX_PAIRS = 256_000_000
MAX_KINDS = 4_096
MAX_SITES = 1_024

# Times are kept as float32 (relative rounding 6e-8) and added up in whatever order is fastest. A bound is lowered by
# this share, which is more than all of it together, so that it stays a bound of the problem as it was given.
BOUND_SLACK = 2e-6

# Sampling of columns for the first prices, coarse to fine.
COARSE_SAMPLE = 512
FINE_SAMPLE = 2_048
RETRY_SAMPLE = 8_192
# An answer further from its bound than this is worth a second, more careful attempt.
RETRY_GAP = 0.005
# One closer than this is left alone.
CLOSE_ENOUGH = 0.0005
MAX_SHED_ROUNDS = 6
# Resources that one operation's local search considers, cheapest first.
SHORTLIST = 8
# Operations that local search looks at; of more, the fullest resources' and a sample of the others'.
MAX_LOCAL_OPERATIONS = 32_768
# Problems of this many operations at most are searched long: there granularity decides, not prices.
SMALL_OPERATIONS = 4_096
SEARCH_PER_OPERATION = 2_400
LONG_SEARCH = 1_200_000
LONG_DESCENT = 1_500_000
SHORT_SEARCH = 50_000
SHORT_DESCENT = 250_000
# Problems of this many pairs at most have their bound sharpened.
MAX_SHARPENED_PAIRS = 65_536

# The genetic solver, as specified.
POPULATION = 100
GENERATIONS = 50
MUTATION_RATE = 0.1
CROSSOVER_RATE = 0.8
MAX_POPULATION = 1_000
MAX_GENERATIONS = 10_000
MAX_GENES = 200_000_000

# What a baseline that looks at every remaining operation in every step may take: its cost grows with the square.
MAX_QUADRATIC_OPERATIONS = 40_000
