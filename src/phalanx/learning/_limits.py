"""The bounds of this room, in one place."""

# A model as it is stored: trees, their nodes, and the columns they look at.
MAX_TREES = 5_000
MAX_NODES = 2_000_000
MAX_FEATURES = 4_096
# Rows scored at once, so that the paths of all trees over them stay in cache.
SCORE_ROWS = 4_096

# ADWIN: buckets of one size before two of them merge, and sizes (2^32 values and beyond).
ADWIN_BUCKETS = 5
ADWIN_LEVELS = 33
# The window is only looked through when it holds so many values, and after so many new ones.
ADWIN_MIN_VALUES = 32
ADWIN_EVERY = 8
# Values on either side of a cut before it counts.
ADWIN_MIN_SIDE = 8

# Scores that an adaptive threshold remembers, how many it wants before it moves, and how often it looks.
THRESHOLD_WINDOW = 4_096
THRESHOLD_MIN_SCORES = 256
THRESHOLD_EVERY = 64
# A move smaller than this part of the threshold is not made: nobody wants it in an audit.
THRESHOLD_STEP = 0.01
MAX_THRESHOLD_CHANGES = 1_000

# Knots of a calibration after equal steps were joined, and bins of a reliability diagram.
MAX_KNOTS = 4_096
RELIABILITY_BINS = 10
BOOTSTRAP_ROUNDS = 1_000

# Groups of an online regression with an offset of their own; the others are like all.
MAX_GROUPS = 256
