"""The bounds of these detectors, in one place. What they remember is written with every commit, so it is small."""

# Pairs of host and destination that are remembered of a tenant; of too many the one heard longest ago goes.
MAX_PAIRS = 1_024
# Contacts of a pair that are remembered, and how many it takes before their rhythm says anything.
BEACON_CONTACTS = 24
BEACON_MIN_CONTACTS = 12
# Contacts closer than this are one; a rhythm slower than the other is not seen before the pair is forgotten.
BEACON_MIN_GAP_S = 5.0
BEACON_MAX_GAP_S = 6 * 3_600.0
# What a pair's score must exceed.
BEACON_FLOOR = 0.87
# Below this a pair is out of step, and is told anew when it is in step again.
BEACON_FALLEN = 0.75
# A destination that so many hosts of a tenant talk to is a service of the house, such as time or updates.
BEACON_COMMON_HOSTS = 8

# What is remembered of who usually does what: starters, and things started by each.
MAX_STARTERS = 256
MAX_STARTED = 32
# Times that a starter was seen before something new of it surprises.
RARE_MIN_SEEN = 50
# Bits of surprise: the floor and ceiling of the threshold.
RARE_FLOOR_BITS = 6.5
RARE_CEILING_BITS = 14.0

# The part of scores that is wanted beyond a threshold.
PASSING = 0.001
# Characters of a name that are remembered; and names that need not be made anew.
MAX_NAME_CHARS = 64
MAX_NAMES_KEPT = 4_096

# Accounts whose ways are remembered, stays and changes of network of each, and pairs of places told of each.
MAX_TRAVELLERS = 768
MAX_STAYS = 4
MAX_TURNS = 6
MAX_TOLD_PAIRS = 6
# Faster than an airliner from door to door, over a way that a wrong entry of a table does not make.
TRAVEL_FLOOR_KMH = 900.0
TRAVEL_MIN_KM = 300.0
# Gaps shorter than this count as this long; stays further apart say nothing.
TRAVEL_LEAST_H = 1 / 60
TRAVEL_WITHIN_S = 24 * 3_600.0
# Changes between two networks, there and back, and within what time.
TURNS_WANTED = 5
TURNS_WITHIN_S = 1_800.0

# Entities whose volume is remembered, by what is counted of them.
MAX_VOLUMES = 512
VOLUME_HOUR_S = 3_600
VOLUME_SLOTS = 168
# Latest distances from what was expected, and hours that were seen before anything is said.
VOLUME_RESIDUALS = 48
VOLUME_MIN_HOURS = 24
# Hours without anything after which an entity was away, and is not expected to have been silent.
VOLUME_ABSENT_HOURS = 24
# The weight of a new hour of the week; and how far one may pull what is expected, in scales.
VOLUME_WEIGHT = 0.5
VOLUME_PULL = 2.0
# The least scale of log counts: half as much again is no news anywhere.
VOLUME_LEAST_SCALE = 0.3
# Scales above which it is told: floor and ceiling; and how many times what is expected it must be.
VOLUME_FLOOR = 4.0
VOLUME_CEILING = 6.0
VOLUME_FACTOR = 3.0
# The part of hours that is wanted beyond the threshold.
VOLUME_PASSING = 0.0003
# How much an hour of the week says beside the same hours of days like it, and how far off them it stands alone.
VOLUME_OWN = 0.35
VOLUME_HABIT = 1.5
# Where the hour of the week is not known yet, the scale is that much wider.
VOLUME_UNSURE = 1.5
# An event this far ahead of when it was accepted has a wrong clock.
VOLUME_AHEAD_S = 3_600
# Places of a batch that are named as evidence.
MAX_VOLUME_PLACES = 8

# The sketch of chains: counters of one row, rows, and when all are halved.
SKETCH_COUNTERS = 1 << 13
SKETCH_ROWS = 2
SKETCH_FULL = 60_000
# Keys whose places in a sketch need not be found anew.
MAX_PLACES_KEPT = 8_192
# Chains that are remembered, steps of one that a score is over, and steps of the house before anything is said.
MAX_CHAINS = 128
CHAIN_STEPS = 12
CHAIN_MIN_STEPS = 2_000
# Bits a step: floor and ceiling of the threshold, and how far below it a chain is ordinary again.
CHAIN_FLOOR_BITS = 5.0
CHAIN_CEILING_BITS = 7.5
CHAIN_FALLEN_BITS = 1.0
# What of a chain's latest events is named as evidence.
CHAIN_EVIDENCE = 6
# Who started what last, by host and program; and the bits of an ancestry: floor and ceiling.
MAX_LINEAGES = 2_048
ANCESTRY_FLOOR_BITS = 7.0
ANCESTRY_CEILING_BITS = 14.0
ANCESTRY_MIN_SEEN = 60
