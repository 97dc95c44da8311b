"""The bounds of what is shared, in one place."""

from phalanx.core import KIB, MAX_CHUNK_BYTES, MIB

# A bundle or MISP document from a file; the whole of ATT&CK is half of it. Over HTTP it is MAX_CONTENT_BYTES.
MAX_DOCUMENT_BYTES = 64 * MIB
MAX_OBJECTS = 100_000
# One object as JSON, and how deep it may nest.
MAX_OBJECT_BYTES = 2 * MIB
MAX_DEPTH = 32
# Objects of a document that may be refused before the rest is not looked at.
MAX_REJECTED = 1_000

MAX_PATTERN_CHARS = 64 * KIB
MAX_PATTERN_TOKENS = 20_000
MAX_PATTERN_DEPTH = 64
# Values that one pattern may stand for.
MAX_PATTERN_VALUES = 10_000
# What a regular expression of a pattern is asked about: Python's engine backtracks.
MAX_REGEX_CHARS = 512
MAX_REGEX_VALUE_CHARS = 4 * KIB
MAX_QUOTE_CHARS = 120

# TAXII: one request's envelope, a page, and what one request looks through.
MAX_CONTENT_BYTES = MAX_CHUNK_BYTES
MAX_PAGE_OBJECTS = 1_000
DEFAULT_PAGE_OBJECTS = 100
MAX_SCANNED_ROWS = 20_000
SCAN_ROWS = 500
MAX_MATCH_VALUES = 100
MAX_COLLECTIONS = 256
MAX_NAMES = 64
MAX_TITLE_CHARS = 200
MAX_TEXT_CHARS = 4_000
# Objects of one request that are committed together.
COMMIT_OBJECTS = 200
# Rounds of writing a collection's head while others write it too.
MAX_COMMIT_ROUNDS = 64
# Statuses and notes of exports that are kept of a tenant, the oldest dropped first.
MAX_STATUSES = 1_000
MAX_EXPORTS = 1_000
MAX_STATUS_FAILURES = 200

# TAXII client: one answer, one wait, attempts at one request, and how long a server may make us wait.
MAX_ANSWER_BYTES = 16 * MIB
ASK_WITHIN_S = 30.0
MAX_ATTEMPTS = 5
FIRST_WAIT_S = 1.0
MAX_WAIT_S = 300.0
# Pages of one pull; the next pull goes on behind them.
MAX_PULL_PAGES = 1_000
PUSH_OBJECTS = 500
MAX_STATUS_POLLS = 30

# MISP: events of one feed that one pull reads, attributes and objects of one event.
MAX_FEED_EVENTS = 10_000
MAX_ATTRIBUTES = 100_000
