"""Every bound of the room, in one place."""

from phalanx.core import KIB, MIB

# One body, and one envelope's lists of names.
MAX_BODY_BYTES = 8 * MIB
MAX_RECIPIENTS = 1_024
MAX_AUDIENCE = 64
MAX_ADDRESS_CHARS = 256
MAX_TAGS = 64

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
