"""Every bound of the room, in one place. Bounds of an event chunk are core's."""

from phalanx.core import MAX_CHUNK_BYTES

# A body is counted while it arrives, before and after decompression: a small gzip that
# unfolds into gigabytes costs no more than the largest honest request.
MAX_BODY_BYTES = MAX_CHUNK_BYTES
MAX_COMPRESSED_BYTES = MAX_CHUNK_BYTES
# Members one gzip body may have: each costs a copy of the rest, and empty ones weigh 20 bytes.
MAX_GZIP_MEMBERS = 64

# A header longer than this is not looked at; the intake has its own, shorter bound.
MAX_HEADER_CHARS = 256
MAX_CURSOR_CHARS = 256
MAX_CASE_CHARS = 512
# What entries of the ledger are asked by.
MAX_FILTER_CHARS = 512
DEFAULT_PAGE_ROWS = 100

# Waypoints one slow reader may fall behind before it loses the oldest (and is told so).
LIVE_CAPACITY = 2_000
# Stored waypoints sent to a reader that comes back with Last-Event-ID.
MAX_RESUMED_WAYPOINTS = 1_000
# Every pulse carries the counters and shows both sides that the other is there.
PULSE_S = 1.0
# The reader's right to read is checked again this often while a stream is open.
RECHECK_S = 15.0
RECONNECT_MS = 2_000
# What an emergency says to every agent, and how long a caller may wait for its report.
MAX_BROADCAST_CHARS = 4_096
MAX_BROADCAST_WAIT_S = 60.0
# Graphs that are compared over a cluster, their degrees, draws of who is silent, and how long its processes may answer.
MAX_GRAPHS = 4
MAX_GRAPH_DEGREE = 64
MAX_TOPOLOGY_TRIALS = 200
MAX_SURVEY_WAIT_S = 20.0
