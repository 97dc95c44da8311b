"""Every bound of the room, in one place."""

from phalanx.core import Severity

# An attempt is counted when it is assigned, so a mission that takes the whole process down counts too.
MAX_ATTEMPTS = 5
# Time one attempt may take; then it is cancelled, counts as failed, and its agent is replaced.
ATTEMPT_LIMIT_S = 120.0
# Missions waiting in one agent's mailbox behind the one in hand. Short, because what waits in a
# mailbox cannot go to an agent that falls idle sooner; the long queue is the store.
MAILBOX_MISSIONS = 2
# Up to so many attempts that failed are repeated at once: most failures are of the agent and not of the mission.
UNRESTED_ATTEMPTS = 1
# Pause before the attempt after those; it doubles with each further one, up to the longest.
BACKOFF_FIRST_S = 0.5
BACKOFF_LONGEST_S = 30.0
# Pause before storage that was full or failing is tried again.
STORAGE_PAUSE_S = 1.0
# Rows read at once while looking for missions.
SCAN_ROWS = 100
# Outcomes that may be on their way to the store while their agents go on; beyond that each is waited for.
MAX_ENDING = 1_000
# Missions given out in one commit.
ASSIGN_BATCH = 64
# How long a skill may take over one envelope, and envelopes that wait for an agent's skills.
HEAR_S = 5.0
MAX_UNHEARD = 64
# Missions that rest after a failed attempt; one beyond that is tried again without a rest.
MAX_RESTING = 10_000
# What a mission remembers of its outcome.
MAX_NOTE_CHARS = 500
MAX_AGENTS_PER_ROLE = 10_000
# Agents of a role that are there when a swarm has started; the others come as their identities become ready.
AT_ONCE_PER_ROLE = 4
# Agents seated in one turn of the event loop, so that others get theirs.
SEAT_BATCH = 16
# What an orderly stop waits for missions in hand, unless told otherwise.
DRAIN_S = 10.0
# What it then waits for skills that do not yield to being cancelled.
CANCEL_S = 5.0

# Parts that one duty may be kept in, and how long a duty may say nothing before it is taken to hang.
MAX_PARTITIONS = 64
SILENCE_LIMIT_S = 60.0
# Duties of a node, partitions counted.
MAX_POSTS = 1_000
# A duty that was kept so long has recovered: its next rest is a short one again.
DUTY_RECOVERED_S = 60.0
# What a duty's successor waits for the one before to end. One that does not is left behind, fenced.
DUTY_CANCEL_S = 5.0

# How often every agent is asked for a heartbeat.
BEAT_S = 5.0
# Agents are asked and looked at in so many groups, one after another: a thousand answers at once would hold the loop.
BEAT_GROUPS = 20
# How suspicious a silence may be (phi): from the first on an agent gets nothing, from the second on it is replaced.
# With an even beat of 5 s that is after about 7.8 and 9.1 seconds.
SUSPECT_PHI = 8.0
SILENT_PHI = 16.0
# Each silence is looked at once in so many turns, of which there are BEAT_GROUPS in a beat: once a second.
LOOK_TURNS = 4
# A turn that comes later than this means that the observer was away, not the agents.
LATE_TURN_S = 2.0
# How long a key for heartbeats is good; then every agent enrols another.
EPOCH_S = 3_600.0
# Agents that enrol their keys in one turn of the offload.
ENROL_BATCH = 16
# Falls of one role within the time before it is degraded: so many, and a part of its agents.
FALLS_BASE = 5
FALLS_PART = 0.25
FALLS_WITHIN_S = 60.0
# What a successor rests in a degraded role before it takes anything.
DEGRADED_REST_S = 5.0
# Agents set apart that are remembered, the newest.
MAX_QUARANTINED = 1_000
# What agents recall of the intelligence they were sent, the newest.
MAX_TOLD = 64

# Later than every time: the deadline of a mission that has none.
LATEST_NS = (1 << 63) - 1

# Sets of kinds that a planner looks at before it gives up.
MAX_PLAN_STATES = 5_000
# Subjects of one order; each has a mission for every step of the plan.
MAX_ORDER_SUBJECTS = 100

# How often people are told of one piece of work that holds the event loop.
HOG_TOLD_S = 60.0
# An admin's overview: how often, missions looked at of each status of a tenant, what is told of, and how often what
# agents did is put on record.
OVERVIEW_EVERY_S = 10.0
MAX_LOOKED_AT = 1_000
MAX_OPEN_PER_TENANT = 1_000
REPLACED_TO_WORRY = 8
REVIEW_EVERY_S = 60.0
# How long a mission may stand open before something is done about it, by its severity.
PATIENCE_S = {
    Severity.INFORMATIONAL: 900.0,
    Severity.LOW: 900.0,
    Severity.MEDIUM: 600.0,
    Severity.HIGH: 300.0,
    Severity.CRITICAL: 180.0,
}

# Among nodes that stand in for each other: how often each says that it is there, and after which silence it counts as
# dead. To be wrong about it costs an attempt and nothing else.
NODE_BEAT_S = 0.5
NODE_SILENT_S = 2.5
# How often missions without an heir are looked for, after how many turns also without news of any, missions that may
# have one at a time, and in one letter.
BEQUEATH_EVERY_S = 0.25
BEQUEATH_TURNS = 20
MAX_BEQUESTS = 2_000
MAX_LETTER_COPIES = 64
MAX_LETTER_BYTES = 1 << 20
MAX_LUGGAGE_BYTES = 256 * 1024
# Copies that a node keeps for all others.
MAX_COPIES = 20_000
# How long an answer is waited for, the pause before a letter is written anew, and how often an heir is asked what
# came of what it took.
LETTER_S = 3.0
LETTER_AGAIN_S = 0.5
OUTCOME_AGAIN_S = 5.0
# Words of other nodes that are looked at at once; one beyond that comes again.
MAX_WORDS_AT_WORK = 64
# What an heir took over is told of in pages, the newest.
MAX_TAKEN_SHOWN = 100
# Verdicts of one pair of nodes that an umpire remembers.
MAX_VERDICTS = 64

# What one report says.
MAX_REPORT_FACTS = 64
MAX_REPORT_CONCERNS = 16
MAX_REPORT_ENTITIES = 24
# Missions that an agent failed at since it was last weighed, from which on it is replaced if it failed at most of all.
FAILED_TO_REPLACE = 3
# After agents were weighed, whoever asks for it again within so long gets what was found then.
WEIGHED_FOR_S = 10.0
