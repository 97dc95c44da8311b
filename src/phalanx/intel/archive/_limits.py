"""The bounds of the archive and of questions to it, in one place."""

from phalanx.core import KIB, MIB

# Rows of one piece in memory, of one segment when it is written, and of one made of small ones. What is gathered
# and what is just being written are both in memory, 1 to 2 KiB a row: they are most of what a flood of events takes.
PIECE_ROWS = 8_192
SEGMENT_ROWS = 65_536
# Events that wait for their segment longer than this are written with what there is.
SEGMENT_AFTER_S = 900.0
# Segments smaller than this are put together, so many at once.
SMALL_ROWS = SEGMENT_ROWS // 2
MERGE_SEGMENTS = 16
MERGE_FROM_SEGMENTS = 8
# Whole segments that are put into a large one, and its rows at most: what a question costs for a segment hardly depends
# on its rows. Not while more segments than these were written since segments were last tended.
WHOLE_SEGMENTS = 4
LARGE_ROWS = 5 * SEGMENT_ROWS
QUIET_SEGMENTS = 4
# What is made of several is no more than this part of what is kept of the tenant, in bytes and in time: it goes as a
# whole, so that much more than needed goes with it, or so much longer the oldest of it is kept.
MERGED_BYTES_PART = 50
MERGED_AGE_PART = 20
# Segments of one tenant.
MAX_SEGMENTS = 20_000
# Rows times fields of a piece and of a segment, which end when they have so many: hostile names of fields cost no more.
MAX_PIECE_CELLS = 4_000_000
MAX_SEGMENT_CELLS = 80_000_000

# Values of a field up to so many bytes together lie in the segment's directory.
SMALL_VALUES_BYTES = 4 * KIB
# Bits that a filter spends on a word, and how many of them are looked at.
FILTER_BITS = 12
FILTER_PROBES = 6
# One uninterrupted stretch of hashing.
HASH_BLOCK_BYTES = 512 * KIB
# Letters of a word beyond which it is cut into words of its own for a filter.
MAX_WORD_BYTES = 128

# Reads of a file that lie so close are one read.
READ_GAP_BYTES = 64 * KIB
MAX_READ_BYTES = 16 * MIB

# A question: its length, how deep it is nested, its terms, and how many values one term may list.
MAX_QUERY_CHARS = 4_096
MAX_QUERY_DEPTH = 32
MAX_QUERY_TERMS = 100
# States of one compiled pattern.
MAX_STATES = 2_000
MAX_NFA_STATES = 4_000
# Rows of an answer, of a table of counts, and bars of a histogram.
MAX_ANSWER_ROWS = 1_000
MAX_GROUPS = 1_000
MAX_BARS = 2_000
# Different values that are counted before the rest is given up.
MAX_COUNTED_VALUES = 1_000_000
# How long a question may take, and segments that are looked through at once.
DEFAULT_TIMEOUT_S = 10.0
MAX_TIMEOUT_S = 120.0
SEARCHES_AT_ONCE = 2
SEGMENTS_AT_ONCE = 2
# Questions that wait for their turn.
MAX_WAITING_SEARCHES = 32
# Values that are looked at one by one between two looks at the clock.
CHECK_EVERY_VALUES = 4_096
# Values of one pattern left when it is quicker to go through them one by one.
FEW_VALUES = 24
# Bytes of one value that are gone through between two looks at the clock.
CHECK_EVERY_BYTES = 64 * KIB

# Values that pass up to so many are looked for one by one among the codes of events.
FEW_CODES = 3

# Packed values of one segment from which on it is looked first whether they can add anything.
NARROW_FROM_BYTES = 128 * KIB

# Events that rules judge at once.
JUDGED_ROWS = 2_048

# While there is no room, the archive tries again this often; and how often it tends its segments.
ARCHIVE_RETRY_S = 1.0
TEND_EVERY_S = 60.0
# What it takes from the journal at once.
TAKE_RECORDS = 64
# Names of fields that a name which no event has is compared with, and how many that are like it are told.
MAX_NEAR_FROM = 5_000
NEAR_NAMES = 3
