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
# How often a node looks whether another in its shared calendar has its name.
LOOK_AT_NAME_S = 5.0
# For how long after it was seen that other one is expected to come back: longer than a service waits for its restart.
DOUBT_NAME_S = 3 * int(LONGEST_RESTART_S)
RECOVERED_NS = 60 * NS_PER_S

# How often a node says that it is here, how many strangers are listed, and refusals that wait for the ledger.
HERE_EVERY_S = 2.0
MAX_STRANGERS = 256
MAX_REFUSED_WAITING = 256
REFUSED_AGAIN_NS = 600 * NS_PER_S
# Workers that may work for a node.
MAX_WORKER_TOKENS = 256
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
# Nodes that agree together: how often each says that it is there, and how long each step to a common epoch waits for
# those who do not answer.
MEMBER, MIN_NODES, BEAT_EVERY_S = "assembly", 3, 2.0
CALL_WITHIN_S = 1.5
REVIEW_WITHIN_S = 3.0
PING_WITHIN_S = 1.0
MATTER_WITHIN_S = 1.5
# By how much the clocks of two nodes may differ: heartbeats are compared across them.
ASSEMBLY_CLOCK_S = 10.0
# Who was not heard for so long is not there; what an epoch is filtered by has the same bound.
HEARD_WITHIN_S = 30.0
# An epoch that was not accepted is not proposed again at once.
REFIX_AFTER_S = 5.0
# An epoch that is refused for the same reason as the last one is told of again after so long.
TOLD_AGAIN_S = 3_600.0
# Vote keys offered to one node and not used yet.
MAX_OFFERED_VOICES = 4
MAX_ASSEMBLY_NODES = 64
MAX_SITTINGS = 8
MAX_MATTERS = 256
MAX_WORDS_AT_WORK = 64
MAX_UNREAD_DATAGRAMS = 4_096
# Votes cross the bus until then; later ones are of no use.
DATAGRAM_WITHIN_S = 5.0
# Votes that one agent may cast on one question: a proposal, two votes and a timeout in each view.
AGREEMENT_LEAVES = 40
# Up to so many agents vote with ML-DSA, whose signatures are dear and need nothing made ahead.
MAX_ML_DSA_VOTERS = 20
# How often it is looked whether each voter has a vote key ready; also whenever votes were cast.
VOTE_KEYS_EVERY_S = 5.0

# So many probes in a row that were late, and the node says that it is not well.
LATE_PROBES_TO_WORRY = 2
# How often tripwires, rules on disk and clocks are looked at, and, in beats of the clocks, what runs out.
TRIPWIRES_EVERY_S = 5.0
DRIFT_EVERY_S = 60.0
MAX_WATCHED_RULE_FILES = 10_000
CLOCK_EVERY_S = 15.0
EXPIRY_EVERY_BEATS = 240
# A step of the wall clock that is told; what keeps clocks right moves them by less.
CLOCK_JUMP_S = 2.0
# Identities are renewed with a third of their time left; with so little left, nobody did.
OVERDUE_PART_LEFT = 0.1
# Nobody renews the listener's certificate for us: people are told so long before it runs out.
TLS_NOTICE_S = 21 * 86_400.0
MAX_CERTIFICATE_BYTES = 256 * KIB

# What is looked through for what roles did, newest first, and what is shown of each.
MAX_DEED_MISSIONS = 500
MAX_DEED_FINDINGS = 200
MAX_DEED_ENTRIES = 200
DEEDS_PER_ROLE = 3

# How often a node looks whether there is so much to look for that kernels are worth their memory, and when it tidies.
INDICATORS_LOOK_S = 15.0
INDICATORS_TIDY_S = 3_600.0
KERNELS_FROM_INDICATORS = 10_000

# A gap between bookings that is taken to be long enough to answer in.
FREE_FOR_S = 1.0
# Routed jobs that are remembered until they have ended, to learn how long they took.
MAX_ROUTED_JOBS = 1_000

# The newest events of a tenant by which clocks are weighed with each probe, and how far ahead one may be: what hosts
# that keep time by NTP stay well within.
MAX_CLOCK_EVENTS = 100
CLOCK_AHEAD_S = 2.0
# A manager for other nodes: its name on the bus, how long an answer may take, and how often it is asked. What only
# looks is asked once, and where a circuit goes too: who gets no answer in time decides by itself. All attempts together
# end before the client of whoever asks gives up, so that it is told who is away.
MANAGER = "reservations"
MANAGER_ANSWER_S = 10.0
MANAGER_PLACE_S = 8.0
MANAGER_ATTEMPTS = 2
# Jobs of a node that its manager lists for it.
MAX_LISTED_WORK = 50
MAX_QUESTIONS_AT_WORK = 64
# Windows that are held for who asks: for how long, how many devices are looked at, what is kept of a node's questions.
HOLD_S, MIN_HOLD_S, MAX_HOLD_S = 60.0, 15.0, 3_600.0
MAX_WINDOWS_TRIED = 4
MAX_PLACED_KEPT = 1_000
PLACED_PRUNE_EVERY = 100
MAX_WORK_KEY_CHARS = 200
# Threads in which a desk without a node has devices emulated and circuits laid out.
DESK_THREADS = 4
# How often it is looked how much work processes were given, and for which hours windows are booked in advance.
PREWARM_EVERY_S = 60.0
ADVANCE_EVERY_S = 3_600.0
MAX_ADVANCE_WINDOWS = 256
# Batch jobs: how long a scheduler may take to say how busy it is, how often jobs are looked at, and how many are kept.
BATCH_LOAD_S = 10.0
BATCH_POLL_S = 15.0
MAX_BATCH_RECORDS = 10_000

# Rule files that an alert names; the rest is counted.
MAX_TOLD_RULE_FILES = 3
