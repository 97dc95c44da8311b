"""Every bound of this room."""

from phalanx.core import KIB, MIB

# Random 96-bit nonces: SP 800-38D §8.3 allows 2^32 messages under one key, which leaves two equal
# nonces less likely than 2^-32. A message counts as one use for every USE_BYTES it has, so that the
# blocks under one key stay below 2^44 as well.
MAX_KEY_USES = 1 << 32
USE_BYTES = 64 * KIB
# Uses are taken from a key's bound in steps that are durable before the first of them: a process
# that dies leaves the rest of its step unused. Half a step before the end the next one is taken.
RESERVED_USES = 1 << 24

MAX_PLAINTEXT_BYTES = 16 * MIB
MAX_AAD_BYTES = 64 * KIB
MAX_NAME_BYTES = 256
# Purposes one tenant may have; each is two keys.
MAX_PURPOSES = 64
# Sealers kept for reuse, beyond those that somebody holds.
MAX_CACHED_SEALERS = 4_096
# Data keys of one purpose that a sealer holds. A node makes one per rotation.
MAX_DATA_KEYS = 10_000

# Keys rewrapped or erased in one commit.
REWRAP_BATCH = 500
# Rows a migration seals in one commit, and how long it rests after: so many times what the batch
# took, within bounds, so that it has a quarter of one core at most.
MIGRATION_BATCH = 200
MIGRATION_REST_TIMES = 3.0
MIGRATION_REST_MIN_S = 0.002
MIGRATION_REST_MAX_S = 5.0
# Rows in an old form that readers met and that are sealed anew soon; more are left to a migration.
MAX_NOTICED_ROWS = 1_000
# How often a change of the hierarchy is tried again when another one came first.
MAX_CHANGE_ATTEMPTS = 8
# How often the vault looks whether a key nears its bound or an event waits for the ledger.
TEND_EVERY_S = 5.0
EVENTS_PAGE = 100

# Argon2id parameters read from a wrapped key: a changed record must not exhaust the machine.
MAX_ARGON2_MEMORY_KIB = 4 * 1024 * KIB
MAX_ARGON2_PASSES = 64
MAX_ARGON2_LANES = 64
MIN_PASSPHRASE_BYTES = 12
MAX_PASSPHRASE_BYTES = 4 * KIB
SALT_BYTES = 16

# Index values whose blind form is remembered for a tenant, about 300 bytes each.
MAX_RECENT_BLINDS = 1_024
# Nonces drawn from the entropy source at a time.
NONCES_AT_ONCE = 64
