"""The bounds of this room, in one place."""

# An entry without its body, as canonical JSON. Tiled logs (tlog-tiles) prefix it with a 16-bit length.
MAX_LEAF_BYTES = 65_535
# An entry's body as canonical JSON.
MAX_PAYLOAD_BYTES = 65_535
# Names in the custody of one entry.
MAX_CUSTODIANS = 64
# Sealers kept at hand, one per tenant; another one is made in about a millisecond.
MAX_SEALERS = 1_024
# Entries that share one journal append and one commit.
MAX_GROUP_ENTRIES = 256
# Entries that wait for a group; more are refused, so that a slow disk is felt by the callers.
MAX_WAITING_ENTRIES = 4_096
# Entries read and hashed at a time, between which others get their turn.
PAGE_ENTRIES = 256
# Checkpoints verified at a time; one costs two signature checks, 0.3 ms.
PAGE_CHECKPOINTS = 16
# A signed checkpoint: two signatures of ours take 3.5 KiB, each post-quantum witness as much again.
MAX_NOTE_BYTES = 65_536
MAX_NOTE_SIGNATURES = 16
