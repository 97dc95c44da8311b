"""The bounds of this room, in one place. Those that several rooms share are in ``core``."""

from phalanx.core import GIB, KIB, MAX_CHUNK_BYTES, MIB

# A chunk travels in one journal record together with its header.
MAX_CHUNK_HEADER_BYTES = 4 * KIB
MAX_CHUNK_DATA_BYTES = MAX_CHUNK_BYTES - MAX_CHUNK_HEADER_BYTES
MAX_IDEMPOTENCY_KEY_CHARS = 200
# Rounds of looking a key up while keys move from memory to the store; one is the rule.
MAX_KEY_LOOKUPS = 8

# Chunks that may wait for the journal's next append, and how much of them shares one append.
MAX_WAITING_BYTES = 64 * MIB
MAX_APPEND_BYTES = 16 * MIB
MAX_APPEND_RECORDS = 256
# What a sender is told to wait when the backlog is full, whatever the measured rate says.
MAX_RETRY_AFTER_S = 60

# Times of events are before this, which is in the year 2262: nanoseconds in 64 bits. A later one is no time.
END_OF_TIME_NS = (1 << 63) - 1

# Columns of one batch; events that bring more open another batch, so that hostile field
# names cost memory in proportion to their own bytes.
MAX_EVENT_FIELDS = 512
MAX_BATCH_COLUMNS = 1_024
# Where the mark of CEF or LEEF is looked for behind a syslog header.
MAX_HEADER_SEARCH_BYTES = 1_024
# Digits of a count before a message, and what is kept of a message that is longer than a listener takes.
MAX_COUNT_DIGITS = 9
MAX_CUT_HEAD_BYTES = 512
# Binary XML: nesting, names, steps that one chunk of 64 KiB may take, and values of one record.
MAX_XML_DEPTH = 24
MAX_XML_NAME_CHARS = 512
MAX_XML_STEPS = 200_000
MAX_XML_VALUES = 4_096
# The header of a Zeek log, and the name of a reader that carries it.
MAX_TSV_HEADER_BYTES = 16 * KIB
MAX_READER_CHARS = 2_048
# Packed files: how often one may be packed, files in one, what may come out (in all, and for each byte that went in,
# looked at from the second bound on), memory of a decoder; and a JSON document that is held whole.
MAX_UNPACK_DEPTH = 3
MAX_PACKED_PARTS = 10_000
MAX_UNPACKED_BYTES = 16 * GIB
MAX_UNPACK_RATIO = 200
MIN_BOMB_BYTES = 64 * MIB
MAX_UNPACK_MEMORY_BYTES = 96 * MIB
MAX_DOCUMENT_BYTES = 64 * MIB
# Different names and reasons that a tally tells apart.
MAX_TALLIED_NAMES = 1_000
# Replaying quarantine: groups of lines in one go, and how often lines of one group are taken in again.
MAX_REPLAY_GROUPS = 100
MAX_REPLAYS = 64
# Lines of a file that go into one chunk: large enough to amortise, small enough to be repeated.
FILE_CHUNK_BYTES = MIB
# A date in words, and the pattern that a line says it is written in.
MAX_DATE_CHARS = 64

# One uninterrupted stretch of parsing and matching: a few milliseconds. Who pauses in between reads more lines in one
# go, so that what they have in common is done once; unless so much is found in them that it is too much for one commit.
MAX_SLICE_ROWS = 128
MAX_READ_ROWS = 256
MAX_READ_HITS = 400
MAX_SLICE_BYTES = 512 * KIB
# What the sentinel takes from the journal at once, and commits together.
MAX_TAKE_BYTES = 2 * MIB
MAX_TAKE_RECORDS = 256
MAX_FINDINGS_PER_COMMIT = 1_000
# What a detector remembers of one tenant between two commits; it is written with each of them that changed it.
MAX_DETECTOR_STATE_BYTES = MIB
MAX_DETECTORS = 64
MAX_REJECTS_PER_COMMIT = 2_000

# Characters of a rejected line, and of the reason, that quarantine lists; the line stays in the journal.
MAX_EXCERPT_CHARS = 200
# Characters of a field that an explanation or an entity quotes.
MAX_QUOTE_CHARS = 160
MAX_ENTITIES = 12

MAX_RULE_FILE_BYTES = MIB
MAX_RULES = 10_000
# Log sources for which a rule set remembers whom it asks.
MAX_ROUTES = 1_000
# Predicates of one rule after lists and modifiers are unfolded.
MAX_PREDICATES = 20_000
MAX_CONDITION_TOKENS = 1_000
MAX_CONDITION_DEPTH = 32
# A regular expression sees this much of a value: Python's engine backtracks.
MAX_REGEX_CHARS = 8 * KIB
# Places in one pattern where ``windash`` tries every kind of dash.
MAX_WINDASHES = 3
# Literals one of which must occur for a rule to hold, how short one may be, and matches of one pass over a column.
MAX_WITNESS_ATOMS = 2_048
MIN_WITNESS_CHARS = 3
MAX_SCAN_MATCHES = 20_000
# Values of several columns that are taken as one text: few enough that it stays in the processor's cache.
MAX_JOINED_VALUES = 2_048
# Literals without which a regular expression is not tried.
MAX_NEEDED_LITERALS = 4
# What correlations remember of one tenant, and of one group of one rule; and what they may count to.
MAX_CORRELATED_EVENTS = 8_000
MAX_CORRELATED_PER_GROUP = 1_000
MAX_CORRELATION_COUNT = 1_000
# Bytes of a group's values and of a value that is counted, as they are remembered.
MAX_GROUP_CHARS = 512
# Decisions a predicate remembers per distinct value (addresses recur).
MEMO_VALUES = 4_096

# What people say of findings: reasons, and suppressions of one tenant.
MAX_REASON_CHARS = 500
MAX_SUPPRESSIONS = 1_000

# Thresholds of one tenant, steps of a move that are kept, and how often the ledger is told of moves.
MAX_STANDINGS = 1_000
MAX_MOVE_STEPS = 32
THRESHOLDS_EVERY_S = 5.0
# Opinions that are listened to, in pages, the newest first.
MAX_OPINION_PAGES = 10
# Opinions before they raise a threshold, how many more wrong than right ones raise it by its whole way from floor to
# ceiling, and the part of that way that opinions raise it at most.
OPINIONS_WANTED = 6
OPINIONS_FULL = 40.0
OPINIONS_MOST = 0.5
# Wrong findings on one host that make a suppression worth a thought, and findings that are looked up for it.
ADVICE_WRONG = 3
ADVICE_FINDINGS = 200

# While the store is full or fails, the sentinel tries again this often.
STORAGE_RETRY_S = 1.0

# Chunks one listing of events or one trim goes through.
MAX_SCANNED_CHUNKS = 1_000
TRIM_RECORDS = 64

# What an event of the node's own waits before it is tried again, when there was no room for it.
OWN_EVENT_AGAIN_S = 1.0

# Rhythms of sources: how many, gaps before one counts and how long it was heard by then, the weight of a new gap, and
# what silence is. A file that is uploaded in pieces is over long before.
MAX_RHYTHMS = 1_000
RHYTHM_SAMPLES = 8
RHYTHM_SPAN_S = 900.0
RHYTHM_WEIGHT = 0.125
QUIET_FACTOR = 3.0
QUIET_DEVIATIONS = 8.0
QUIET_FLOOR_S = 30.0
QUIET_EVERY_S = 5.0
# What happened so shortly before it came was sent as it happened; a lag that stays the same may change by as much.
LIVE_WITHIN_S = 1_800.0
# Batches that a sentinel learns from when it begins.
QUIET_HISTORY_BATCHES = 500

# What one hunt looks through, nearest to its finding first, and what it keeps of what it found.
MAX_HUNT_BYTES = 2 * MIB
MAX_HUNT_CHUNKS = 128
# What of it is looked at at once, away from the event loop; and opened chunks that are kept for who looks next.
HUNT_PART_BYTES = 128 * KIB
MAX_REREAD_BYTES = 8 * MIB
MAX_HUNT_HITS = 50
MAX_HUNT_ENTITIES = 24
# A value shorter than this is in every other line, and so is one in more than this part of what was looked at.
MIN_NEEDLE_CHARS = 4
COMMON_PART = 0.25
# Saved queries that one finding asks for.
MAX_HUNT_QUERIES = 8
# Hunts over the archive: how far back and on a hunter looks from a finding, what it follows at once, and how often what
# it found is followed in its turn. What more events name than these is a house's daily life.
HUNT_BACK_S = 30 * 86_400.0
HUNT_ON_S = 86_400.0
MAX_HUNT_LINKS = 24
MAX_HUNTER_LINKS = 8
MAX_HUNT_HOPS = 3
MAX_HOP_LINKS = 8
MAX_LINK_EVENTS = 2_000
MAX_LINK_HITS = 50
# Events of a finding whose processes, logons and connections are followed.
MAX_HUNT_EVIDENCE = 5
# Rules of one hunt, and how long it may take where a person waits for it, and where a hunter does.
MAX_RETRO_RULES = 100
PERSON_HUNT_S = 25.0
HUNTER_HUNT_S = 10.0

# How often who waits for the archive to have everything looks whether it has.
ARCHIVE_POLL_S = 0.25
# The archive reads the journal itself when nothing was handed over to it for so long.
HANDED_WITHIN_S = 1.0
# Saved hunts of one tenant, the events that the last run of one notes, and how often those that are due are looked for.
MAX_HYPOTHESES = 500
MAX_RUN_EVENTS = 50
HYPOTHESES_EVERY_S = 15.0

# What a sentinel reads again for one finding: of what it rests on, and of what its host said around it.
MAX_RECHECKED_EVIDENCE = 16
MAX_RECHECKED_EVENTS = 400
