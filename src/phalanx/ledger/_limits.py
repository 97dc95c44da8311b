"""The bounds of this room, in one place."""

# An entry without its body, as canonical JSON. Tiled logs (tlog-tiles) prefix it with a 16-bit length.
MAX_LEAF_BYTES = 65_535
# An entry's body as canonical JSON.
MAX_PAYLOAD_BYTES = 65_535
# Salts drawn from the operating system at a time.
SALTS_AT_ONCE = 64
# Names in the custody of one entry.
MAX_CUSTODIANS = 64
# Sealers kept at hand, one per tenant; another one is made in about a millisecond.
MAX_SEALERS = 1_024
# Entries that share one journal append, by number and by bytes: a group takes well under 100 ms.
MAX_GROUP_ENTRIES = 1_024
MAX_GROUP_BYTES = 4 << 20
# Entries that are synced while their tiles and waypoints are not committed; then appending waits.
MAX_UNTOLD_ENTRIES = 4_096
# Full tiles kept at hand, those of leaves apart from those above, which they never push out: the
# leaf tiles of a million entries, and all others of 60 million. A tile takes at most so many bytes
# with what was hashed of it, so together they are bounded by 50 MiB, and only where proofs are asked for.
MAX_LEAF_TILES = 4_096
MAX_UPPER_TILES = 1_024
MAX_TILE_BYTES = 10_240
# Tiles that an audit looks at together, for their names.
TILES_AT_ONCE = 64
# The id index: ids of a page, which is also the smallest run; how many runs are merged into one;
# ids of the greatest run, whose merging takes about 60 MB for a moment; pages kept at hand, 64 KiB
# each; filters read at a time; and bytes of one commit of a merge.
IDS_PER_PAGE = 4_096
RUN_FAN = 16
MAX_RUN_IDS = 1 << 20
MAX_KEPT_PAGES = 128
PAGE_RUNS = 16
MAX_COMMIT_BYTES = 1 << 20
# Fingerprints in a page of the case index, eight bytes each, and entries that it takes in at a time,
# between which others get their turn.
CASES_PER_PAGE = 4_096
CASES_AT_ONCE = 256
# Entries that wait for a group; more are refused, so that a slow disk is felt by the callers.
MAX_WAITING_ENTRIES = 4_096
# Entries read and hashed at a time, between which others get their turn.
PAGE_ENTRIES = 256
# Entries that one look goes through at most, each of which is read and opened, and how many at a time at least.
LOOK_ENTRIES = 2_000
LOOK_PART_ENTRIES = 64
# Entries an audit reads at a time: a few groups as they lie in the journal.
AUDIT_ENTRIES = 4_096
# Checkpoints verified at a time; one costs two signature checks, 0.3 ms.
PAGE_CHECKPOINTS = 16
# A signed checkpoint: two signatures of ours take 3.5 KiB, each post-quantum witness as much again.
MAX_NOTE_BYTES = 65_536
MAX_NOTE_SIGNATURES = 16
