"""Every bound of the room, in one place."""

from phalanx.core import KIB, MIB

# One body, and one envelope's lists of names.
MAX_BODY_BYTES = 8 * MIB
MAX_RECIPIENTS = 1_024
MAX_AUDIENCE = 64
MAX_ADDRESS_CHARS = 256
MAX_TAGS = 64
# A hybrid post-quantum signature is about 3.4 KiB.
MAX_PROOF_BYTES = 16 * KIB

# Members of one process; a process is one machine's share of a thousand agents, and then some.
MAX_MEMBERS = 16_384
MAX_INSTANCES = 4_096

# What waits in one mailbox of the kinds that give way, all together; alerts and consensus have room of their own.
MAX_YIELDING = 1_024
# Senders that wait for room in one mailbox.
MAX_WAITING_SENDERS = 1_024
# Bodies that wait in all mailboxes of a process. Beyond it only alerts and consensus are taken in.
MAX_WAITING_BYTES = 256 * MIB
# Envelopes without an end yet, of one process.
MAX_PENDING = 262_144
# Questions of one member that wait for their reply.
MAX_ASKS = 1_024

# How often deadlines are looked at; nothing is timed more finely than that.
SWEEP_EVERY_S = 0.1
# Every so many deliveries one is timed, so that timing does not cost what it measures.
TIMED_EVERY = 16

# Refusals that one receipt names; more are counted.
MAX_NAMED_REFUSALS = 16
# Entries that wait for the ledger. The same event from the same place is told once in the window, with a count.
MAX_AUDIT_QUEUE = 1_024
AUDIT_WINDOW_S = 10.0

# One frame between processes, before sealing: room is left below the megabyte that transports carry.
MAX_FRAME_BYTES = 512 * KIB
# A body is cut into parts that fit a frame beside its other contents.
MAX_PART_BYTES = 256 * KIB
MAX_PARTS = 1_024
# Parts of envelopes that are not whole yet, from one process.
MAX_PARTIAL_BYTES = 4 * MAX_BODY_BYTES
# One frame's lists.
MAX_FRAME_ITEMS = 4_096
MAX_FRAME_ASKED = 1_024
MAX_FRAME_RANGES = 64
MAX_FRAME_SETTLED = 4_096
MAX_FRAME_TAKEN = 4_096
# What one process hands another in one turn of the loop, and what it may have on the way.
MAX_TURN_BYTES = 4 * MIB
MAX_IN_FLIGHT_BYTES = 16 * MIB
# Sequence numbers of one stream that may be open at once.
MAX_WINDOW = 65_536
# What waits for its turn on one link, per kind, besides what is on the way.
MAX_LINK_QUEUE = 4_096
# Envelopes without any guarantee that wait for a frame; of more, the oldest go.
MAX_LOOSE = 4_096

# Deadlines on a link are looked at together, this coarsely.
DEADLINE_GRAIN_S = 0.05
# An envelope with a larger body is not kept as an object until its frame is written, but as bytes that can be cut.
MAX_WHOLE_BYTES = 16 * KIB

# Retries: the first after the measured round trip and then some, each later one about twice as late, up to the last.
FIRST_RETRY_S = 0.2
MIN_RETRY_S = 0.03
MAX_RETRY_S = 5.0
RETRY_JITTER = 0.25
MAX_ATTEMPTS = 40
# How long the word that something was received waits for company.
ACK_DELAY_S = 0.005
# How often retries are looked at while anything is on the way.
RETRY_TICK_S = 0.01
# A path that lost something is thought no worse of after this long.
STRIKE_FORGOTTEN_S = 5.0

# Envelopes of other processes that are remembered, to know them again; and those that may be here without an end.
MAX_SEEN = 131_072
# What waits at one mailbox for room, of what came from other processes.
MAX_PARKED = 8_192
MAX_LINKS = 1_024

# Envelopes that wait to be written to the outbox, and how far its oldest open record may lag behind its newest.
MAX_OUTBOX_QUEUE = 65_536
MAX_OUTBOX_BATCH = 1_024
MAX_OUTBOX_SPAN = 100_000
# Dead letters that wait to be stored, and those kept per tenant; of more, the oldest go.
MAX_UNBURIED = 4_096
MAX_DEAD_LETTERS = 10_000
# How many processes pass an emergency on, one after another, and to how many neighbours each.
FLOOD_HOPS = 8
FLOOD_DEGREE = 8
# Changes among the members of a process are announced together, this often.
ANNOUNCE_EVERY_S = 0.25
# An incarnation that seems older than the last one counts after the last one was silent for so long: clocks step back.
TAKEOVER_AFTER_S = 5.0
MAX_RETIRED = 64

# Channels with other processes on one path; beyond it the least recently used is closed and made anew when needed.
MAX_SEALED_CHANNELS = 1_024
# Handshakes under way on one path, and what waits for each.
MAX_DIALS = 128
MAX_DIALLED_FRAMES = 1_024
MAX_DIALLED_BYTES = 8 * MIB
# After a handshake that failed the next one is not begun at once: each costs milliseconds.
REDIAL_AFTER_S = 1.0
# Opened frames that wait to be taken; beyond it they wait in the channels, whose bound drops the oldest.
MAX_UNREAD_FRAMES = 256
# The same refusal is told once in so long.
REFUSAL_WINDOW_S = 60.0
# Graphs of processes that are drawn and measured.
MAX_TOPOLOGY_NODES = 2_000
TREE_DEGREE = 8
# A survey of a cluster: echoes of each way, the time between two looks, how long the last echo is waited for, how long
# what was measured is good, how long whoever asks may wait for all answers, and what nobody is believed beyond.
ECHOES = 5
SURVEY_STEP_S = 0.02
ECHO_WAIT_S = 1.0
SURVEY_KEPT_S = 2.0
MAX_SURVEY_WAIT_S = 30.0
MAX_ROUND_TRIP_MS = 60_000.0
