"""Every bound of this room, in one place."""

from phalanx.core import MIB, NS_PER_S

_DAY_NS = 86_400 * NS_PER_S

# organisation → node → agent is the longest chain there is.
MAX_CHAIN = 3
# Earlier certificates of one organisation that a chain may bring along, to lead from an old anchor to today's root.
MAX_SUCCESSION = 16
# One segment of a name; a name has at most MAX_CHAIN of them.
MAX_SEGMENT_CHARS = 63
# The largest certificate is signed twice with SLH-DSA-256f (49,856 bytes each).
MAX_CERTIFICATE_BYTES = 128 * 1024
# A public key and one signature by it, the largest of which is SLH-DSA-256f's.
MAX_REQUEST_BYTES = 64 * 1024
MAX_CHAIN_BYTES = (MAX_CHAIN + MAX_SUCCESSION) * MAX_CERTIFICATE_BYTES
# Rotations of one subject whose times are remembered; six years of a node's.
MAX_EPOCHS = 64
# Revocations of one issuer; a list of them is signed and carried as a whole.
MAX_REVOCATIONS = 10_000
# Of these so many are left for what people ask for, when a start ends the agents of the one before.
SPARED_REVOCATIONS = 1_000
MAX_LIST_BYTES = 4 * MIB
MAX_REASON_CHARS = 200

# How long a certificate of each kind is good for, unless it is asked for otherwise.
ORGANISATION_LIFETIME_NS = 3_650 * _DAY_NS
NODE_LIFETIME_NS = 90 * _DAY_NS
# An agent lives as long as its node runs, and its certificate is renewed while it does. What a start of the node
# cannot end of the one before, because the list of revocations has no room, ends by itself within a day.
AGENT_LIFETIME_NS = _DAY_NS
PERSON_LIFETIME_NS = 365 * _DAY_NS
MAX_LIFETIME_NS = ORGANISATION_LIFETIME_NS
# What a node owns is renewed when less than this part of its life is left.
RENEW_AT_PART_LEFT = 1 / 3
# Clocks of two nodes may differ by this much: a certificate is good from this long before it was made.
CLOCK_SKEW_NS = 300 * NS_PER_S
# After a rotation the old key's signatures are still accepted for this long: they may be on their way.
ROTATION_GRACE_NS = 3_600 * NS_PER_S

# Verified chains that are remembered; the one not used for the longest time goes first.
MAX_VERIFIED = 4_096
# Identities made ahead at most, whatever is asked for; each is about 12 KB.
MAX_SPARES = 10_000
# Identities made in one turn of the offload, so that other work gets its turn between.
SPARE_BATCH = 16
# What is told of each revocation; a channel registers one.
MAX_LISTENERS = 100_000
# Agents' identities that are seated and not written down yet.
MAX_UNRECORDED = 10_000

# How often the node looks for what has to be renewed or forgotten; sooner after storage failed.
RENEW_EVERY_S = 3_600.0
STORAGE_PAUSE_S = 10.0
# Certificates re-signed in one commit of `reissue all`; an interruption repeats at most one such batch.
REISSUE_BATCH = 32
# How long `reissue` rests after a batch at most; else as long as the batch took.
REISSUE_REST_MAX_S = 1.0
# Certificates under a forbidden algorithm that are listed at once.
MAX_FORBIDDEN = 1_000
# Rows looked at in one read.
PAGE_ROWS = 500
# Expired identities of agents are forgotten after this long.
KEEP_EXPIRED_NS = 14 * _DAY_NS

# Later than every time: the end of what 63 bits of nanoseconds can say.
LATEST_NS = (1 << 63) - 1
