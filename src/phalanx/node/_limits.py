"""Every bound and beat of this room."""

from phalanx.core import KIB, MAX_PAGE_ROWS, NS_PER_S

# While storage is full, how often a probe looks for room, and how much it writes: enough that
# it does not succeed on the last free page.
PROBE_EVERY_S = 2.0
PROBE_BYTES = 256 * KIB

# A service that fails is started again after the first delay, doubled each time up to the
# longest. One that ran for a while before is taken to have recovered.
FIRST_RESTART_S = 0.2
LONGEST_RESTART_S = 30.0
RECOVERED_NS = 60 * NS_PER_S

# How often a node says that it is here, how many strangers are listed, and refusals that wait for the ledger.
HERE_EVERY_S = 2.0
MAX_STRANGERS = 256
MAX_REFUSED_WAITING = 256
REFUSED_AGAIN_NS = 600 * NS_PER_S
MAX_INVITATIONS = 1_000
INVITATION_DAYS = 1.0

RETENTION_EVERY_S = 60.0
SEAL_EVERY_S = 60.0
# How often a node looks whether the day has its anchor; a day is anchored this late at worst.
ANCHOR_CHECK_S = 900.0
SETTLED_POLL_S = 0.02

# Waypoints of one trace that are told; an event's story has some tens.
MAX_STORY_WAYPOINTS = MAX_PAGE_ROWS

# What agents may take to agree on an action; then it is left undecided.
AGREE_WITHIN_S = 5.0
# Votes that one agent may cast on one question: a proposal, two votes and a timeout in each view.
AGREEMENT_LEAVES = 40
# Up to so many agents vote with ML-DSA, whose signatures are dear and need nothing made ahead.
MAX_ML_DSA_VOTERS = 20
# How often it is looked whether each voter has a vote key ready; also whenever votes were cast.
VOTE_KEYS_EVERY_S = 5.0
