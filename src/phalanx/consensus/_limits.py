"""Every bound of the room, in one place."""

from fractions import Fraction

from phalanx.core import KIB, MIB, NS_PER_MS, NS_PER_S

# Fewer cannot outvote one of them; with three, one that lies or is silent is one too many.
MIN_PARTICIPANTS = 3
MAX_PARTICIPANTS = 1_024
MAX_WEIGHT = 1_000
MIN_THRESHOLD = Fraction(2, 3)

MAX_OPTIONS = 16
MAX_OPTION_CHARS = 200
MAX_NAME_CHARS = 200
CONTEXT_BYTES = 32

# Afterwards nobody votes any more and the answer is `Indeterminate`.
MAX_VIEWS = 10
# How long the first view may take; each further one takes half as long again.
VIEW_NS = 400 * NS_PER_MS
MIN_VIEW_NS = NS_PER_MS
MAX_VIEW_NS = 600 * NS_PER_S
GROWTH = (3, 2)

# Reporters of one unknown certificate that are asked for it at once, and once half of the view is over.
FETCH_AT_ONCE = 2
FETCH_LATER = 8
# Participants asked for the decision at a time by one that has come to its last view, and how often.
CATCH_UP_PEERS = 4
CATCH_UP_ROUNDS = 12
# A participant that was told the decision and still asks is told again, this many times.
MAX_ANSWERS = 16

# What one machine remembers of misbehaviour; each piece names one participant, so this is plenty.
MAX_EVIDENCE = 64
# Certificates and proposals that were verified and need not be again, per instance.
MEMO_ENTRIES = 256

MAX_SIGNATURE_BYTES = 16 * KIB
MAX_ROOT_BYTES = 8 * KIB
MAX_MESSAGE_BYTES = 64 * MIB
# A message longer than this travels in pieces.
CHUNK_BYTES = 256 * KIB
MAX_CHUNKS = MAX_MESSAGE_BYTES // KIB
# Messages that one sender may have half delivered.
MAX_PARTIAL = 4

# A participant whose last heartbeat is older does not get into an epoch.
HEARTBEAT_MAX_AGE_NS = 30 * NS_PER_S
MAX_EPOCH_BYTES = 32 * MIB
# Instances that one council has open at once.
MAX_INSTANCES = 64
# Proposals kept of slots that are not open yet; each is one signature long.
MAX_EARLY_PROPOSALS = 64
# Deliveries handled in one go before the event loop gets its turn.
DELIVERIES_PER_TURN = 64
# Decisions that a council tells to whoever asks late; older ones are in the archive.
REMEMBERED_DECISIONS = 256
# A document holds an epoch and a certificate, in base64.
MAX_DOCUMENT_BYTES = 160 * MIB
