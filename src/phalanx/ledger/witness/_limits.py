"""The bounds of witnessing, gossip and timestamps, in one place."""

from phalanx.core import KIB, NS_PER_S
from phalanx.ledger._limits import MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES

# tlog-witness: a consistency proof has no more lines, for no log has more than 2^63 entries.
MAX_PROOF_LINES = 63
# A request: the old size, the proof (45 bytes a line) and a note.
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 4 * KIB
# An answer to it: as many signature lines as a note may have.
MAX_ANSWER_BYTES = MAX_NOTE_BYTES
# A witness of ours adds two lines to a note that holds two of the log's own.
MAX_WITNESSES = MAX_NOTE_SIGNATURES // 2 - 1
# Logs that one node watches.
MAX_LOGS = 256
# How long a witness, a neighbour or a timestamp authority may take to answer.
ANSWER_WITHIN_S = 10.0
# How often a node asks its witnesses and tells its neighbours what it has seen.
ASK_EVERY_S = 60.0

# Checkpoints in one message of gossip, proofs asked for, and evidence passed on.
MAX_GOSSIP_NOTES = 64
MAX_GOSSIP_QUESTIONS = 64
MAX_GOSSIP_EVIDENCE = 4
# All of it, each checkpoint with its own log's signatures only (3.6 KiB).
MAX_GOSSIP_BYTES = 512 * KIB
MAX_NEIGHBOURS = 64
# Checkpoints of one log that are not yet known to be of one history with what was verified. A
# log that signs more than it can prove is told of anyway.
MAX_OPEN_NOTES = 256
# How long a log may leave the question open before people are told.
UNPROVED_AFTER_NS = 600 * NS_PER_S

# A timestamp token: its certificates are most of it.
MAX_TOKEN_BYTES = 64 * KIB
# Linked checkpoints kept of one log: at one a minute, the last seventeen hours.
MAX_KEPT_NOTES = 1_000
# One convicts a log; a few more show how it went on.
MAX_SPLIT_VIEWS_OF_LOG = 4
MAX_SPLIT_VIEWS = MAX_LOGS * MAX_SPLIT_VIEWS_OF_LOG
