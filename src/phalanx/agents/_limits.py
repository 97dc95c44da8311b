"""Every bound of the room, in one place."""

# An attempt is counted when it is assigned, so a mission that takes the whole process down counts too.
MAX_ATTEMPTS = 5
# Time one attempt may take; then it is cancelled, counts as failed, and its agent is replaced.
ATTEMPT_LIMIT_S = 120.0
# Missions waiting in one agent's mailbox behind the one in hand. Short, because what waits in a
# mailbox cannot go to an agent that falls idle sooner; the long queue is the store.
MAILBOX_MISSIONS = 2
# Pause before the second attempt; it doubles with each further one, up to the longest.
BACKOFF_FIRST_S = 0.5
BACKOFF_LONGEST_S = 30.0
# Pause before storage that was full or failing is tried again.
STORAGE_PAUSE_S = 1.0
# Rows read at once while looking for missions.
SCAN_ROWS = 100
# Missions that rest after a failed attempt; one beyond that is tried again without a rest.
MAX_RESTING = 10_000
# What a mission remembers of its outcome.
MAX_NOTE_CHARS = 500
MAX_AGENTS_PER_ROLE = 10_000
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
