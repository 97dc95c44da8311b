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
# Characters of a name that are remembered.
MAX_NAME_CHARS = 64
