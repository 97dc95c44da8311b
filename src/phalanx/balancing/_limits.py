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
LAST_SAMPLE = 32_768
# An answer further from its bound than this is worth a second, more careful attempt, and beyond the next a third.
RETRY_GAP = 0.006
LAST_GAP = 0.012
# One closer than this is left alone.
CLOSE_ENOUGH = 0.0005
# An answer further from its bound than this after the first sweeps gets at most so many steep ones at a time, and its
# bound is looked at again after every third of them.
SETTLED_GAP = 0.004
STEEP_SWEEPS = 12
SWEEPS_PER_BOUND = 3
MAX_SHED_ROUNDS = 8
# From so many operations on, passes over all of them are counted.
MANY_OPERATIONS = 200_000
FEW_SHED_ROUNDS = 4
# Resources that one operation's local search considers, cheapest first.
SHORTLIST = 8
# Operations that local search looks at; of more, the fullest resources' and a sample of the others'.
MAX_LOCAL_OPERATIONS = 32_768
# Problems of this many operations at most are searched long: there granularity decides, not prices.
SMALL_OPERATIONS = 4_096
SEARCH_PER_OPERATION = 1_800
LONG_SEARCH = 1_200_000
LONG_DESCENT = 1_500_000
SHORT_SEARCH = 50_000
SHORT_DESCENT = 250_000
# Problems of this many pairs at most have their bound sharpened.
MAX_SHARPENED_PAIRS = 65_536

# A gap beyond which a small problem's makespan is bounded by deadlines as well, which takes as long as answering it.
DEADLINE_GAP = 0.02

# How many times as long as usual a search may be.
MAX_EFFORT = 100

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

# Streaming. Resources and kinds that one pool knows; operations that it has given out and not seen finished.
MAX_POOL_RESOURCES = 4_096
MAX_POOL_KINDS = 256
MAX_OUTSTANDING = 1_000_000
# Operations one resource holds at once, unless it says otherwise.
DEFAULT_CAPACITY = 64
MAX_CAPACITY = 100_000
# How many a resource that is new, or back, may hold; doubled by each one that ends well.
SLOW_START = 1
# Failures in a row after which a resource rests, for how long at first, and at most.
FAILURES_TO_REST = 3
REST_FIRST_S = 1.0
REST_LONGEST_S = 60.0
# Calibration drift beyond which a device is given nothing that needs coherence.
MAX_DRIFT = 0.5
# An arrival of this many operations at once is solved as a whole; of fewer, each goes where it fits best now.
BURST_OPERATIONS = 1_000
# Estimates move by at least this share of a new observation, and believe no single one beyond this factor.
LEAST_LEARNING = 0.05
TRUSTED_OBSERVATIONS = 5
MAX_SURPRISE = 10.0
# How far back arrival rates and measured utilisation look.
RATE_WINDOW_S = 60.0
BEAT_S = 5.0
# How long after its start a node has kernels compiled, and what it leaves the event loop between loading two of them.
COMPILE_AFTER_S = 5.0
PIECE_PAUSE_S = 0.01
# Arrivals a second in a pool from which a plan is worth loading compiled kernels for.
PLAN_FROM_PER_S = 50.0
# Utilisation is planned no higher than this when prices are made from it: at one, waiting has no end.
MAX_PLANNED_UTILISATION = 0.97
# Rebalancing: moves of one beat, moves in the life of one operation, and what a move must gain to be worth it.
MAX_MOVES_PER_BEAT = 64
MAX_MOVES_PER_OPERATION = 3
LEAST_GAIN = 0.2
LEAST_GAIN_S = 0.001
# How much of what an operation is reckoned to cost those who come later is believed. The reckoning presumes that they
# come here whatever waits here; they look first, and most step aside at little cost. Believed in full the mean is a
# little better under heavy load, and the last percent of operations is up to a quarter later than without any plan.
BELIEVED = 0.1
# Placements that are remembered for people to look at.
RECENT_PLACEMENTS = 200
# Tenants whose shares are kept apart; beyond that, the one served longest ago is forgotten.
MAX_TENANTS = 10_000

# Capacity planning.
MAX_HORIZON_DAYS = 1_826
MAX_GROWTH_PER_DAY = 10.0
MAX_ADDITIONS = 1_000

# A problem that is sent in as a document.
MAX_DOCUMENT_OPERATIONS = 100_000
MAX_DOCUMENT_PAIRS = 10_000_000
