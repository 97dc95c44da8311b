"""The bounds of this package, in one place."""

from phalanx.core import KIB, MIB

MAX_VALUE_CHARS = 4 * KIB
# Values that are put, removed or matched in one call, and of one row of the log of values.
MAX_CALL_VALUES = 1_000_000
CHUNK_VALUES = 20_000
CHUNK_BYTES = 2 * MIB
# What is known of values, beside them: one for each source, or for each indicator of a source that tells them apart.
MAX_NOTES = 1_000_000
NOTES_PER_ROW = 1_000
NOTE_ROWS_AT_ONCE = 16
# A table's places are 32 bits wide.
MAX_TABLE_VALUES = (1 << 32) - 2
# Values in memory before they become a file, and how much smaller a table is than the one before it.
FLUSH_VALUES = 1 << 18
TIER_FACTOR = 4
# Bits of the filter for each value, and values of one bucket: a line or two of a cache.
FILTER_BITS_PER_VALUE = 12
BUCKET_VALUES = 8
# Names above a host that are asked about, labels and all.
MAX_LABELS = 32
# An indicator must not cover more of the Internet than this.
MIN_PREFIX_V4 = 8
MIN_PREFIX_V6 = 16
# Of one batch: values of one field, and findings.
MAX_FIELD_CHARS = 16 * KIB
MAX_BATCH_HITS = 1_000
# Warninglists: how many, how long one file may be, entries of all, and patterns that are tried one by one.
MAX_LISTS = 1_000
MAX_LIST_FILE_BYTES = 64 * MIB
MAX_LIST_ENTRIES = 10_000_000
MAX_LIST_PATTERNS = 10_000
# A file of indicators, read line by line.
MAX_LINE_CHARS = 64 * KIB
# Rows of the store that are read at once: one may be megabytes long.
PAGE_ROWS = 4
# Of a list of indicators: one page, and values that are looked at to fill it.
MAX_LISTED = 1_000
MAX_LOOKED_AT = 200_000
# Up to so many values are put together for an exact count; it takes a tenth of a second.
MAX_COUNTED_VALUES = 1 << 18
# Findings that are told of a value that somebody looks up.
MAX_LOOKED_UP_FINDINGS = 20
# Rows of values that are looked through for the history of one: four million values, seconds of a thread.
MAX_HISTORY_ROWS = 200
# Values that somebody put or took away by hand, as the ledger names them.
MAX_RECORDED_VALUES = 10
# Tenants with indicators of their own.
MAX_BOOKS = 1_000
# Of events asked afterwards: what is told.
MAX_RETRO_HITS = 1_000
