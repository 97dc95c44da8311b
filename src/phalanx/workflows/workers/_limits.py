"""Bounds of workers."""

from phalanx.core import KIB, MIB

# A worker says this often how it is, and is presumed dead when it was not heard for so long.
BEAT_S = 1.0
LEASE_S = 6.0
# How often a ticket that was taken is told to the queue to be in work; the queue hands it out again after the lease.
PROGRESS_S = 2.0
MAX_WORKERS = 256
MAX_WORKER_SLOTS = 256
# Arguments of one piece, or its result, as they travel; what is bigger is done on the node.
MAX_PIECE_BYTES = MIB - 16 * KIB
# What is known to take less than this is done on the node when it has room: the way would take as long.
SHORT_S = 0.005
# How often a piece is given out before it is done on the node whatever else is there.
MAX_GIVEN_OUT = 3
# Pieces of which a node remembers that it has begun them in this life.
MAX_BEGUN = 65_536
# What was lost once begins before everything that was not.
LOST_WEIGHT_S = 1e9
# Times of a function's last calls that are remembered, and how many it takes to say what is usual.
MAX_TIMES = 256
MIN_TIMES = 20
# A piece is not begun a second time before it took this long, whatever is usual.
HEDGE_LEAST_S = 0.05
# How often, in units of what is usual, it is looked whether there is room to begin a late piece a second time.
MAX_HEDGE_LOOKS = 64
# A worker that cannot do what is on a ticket leaves it to others, and looks again after.
LATER_S = 0.1
# How long a worker waits for a ticket at once, and for the node to answer.
TAKE_S = 5.0
ANSWER_S = 5.0
MAX_FAULT_CHARS = 500
