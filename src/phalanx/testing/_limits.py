"""Bounds of a simulation. Reaching one is a failure of the run, never a silent stop."""

from phalanx.core import MIB

# Turns of the loop in one world; a run that needs more is taken for a livelock.
MAX_STEPS = 5_000_000
# Turns at one instant of virtual time, past which each turn takes a little time of its own.
BURST_STEPS = 1_000
CREEP_S = 1e-6
# Turns that cancelled tasks get to clean up in before they are called unstoppable.
MAX_SHUTDOWN_STEPS = 100_000
# The cyclic collector runs at fixed steps only: its own timing would differ between runs.
COLLECT_EVERY_STEPS = 1_000_000
# Entries of a trace kept in memory; older ones live on in the digest.
MAX_TRACE_ENTRIES = 200_000

# Datagrams waiting at one address; a full inbox drops, as a socket's buffer does.
MAX_INBOX_DATAGRAMS = 10_000
MAX_DATAGRAM_BYTES = MIB

# One simulated disk, where its faults set no smaller capacity.
MAX_DISK_BYTES = 512 * MIB
# What a disk writes as one piece; power loss tears a write between sectors or inside one.
SECTOR_BYTES = 512

# Virtual time that a crashed node's tasks may take to accept that they are dead.
MAX_CRASH_CLEANUP_S = 60.0
# Times they are cancelled before they are called unstoppable; cleanup may start tasks of its own.
MAX_CRASH_ROUNDS = 10


# What the real stores accept, so that nothing passes in a simulation that fails outside one.
MAX_KEY_BYTES = 512
MAX_INDEX_VALUE_BYTES = 1_024
MAX_VALUE_BYTES = 16 * MIB
MAX_COMMIT_WRITES = 20_000

# One record of a simulated store's log; a bigger commit becomes several records of one append.
MAX_LOG_PART_BYTES = 4 * MIB

# Violations one simulated run reports; the first ones tell the story.
MAX_VIOLATIONS = 20

# What a test against real processes waits for something that must come about: only a broken one waits this long.
PATIENCE_S = 120.0
