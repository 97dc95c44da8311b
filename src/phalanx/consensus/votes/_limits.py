"""The bounds of this package, in one place."""

# Leaves of one key: 2^height votes. 2^10 take 45 ms and 4.6 KB a vote; every level more doubles the time.
DEFAULT_HEIGHT = 10
MIN_HEIGHT = 2
MAX_HEIGHT = 16
# Leaves made at a time, between which others get the interpreter.
LEAVES_AT_ONCE = 64
# Leaves that are taken durably at once. A crash wastes at most so many.
RESERVED_LEAVES = 32
# Verdicts remembered by the digest of the exact bytes, 100 bytes each.
MAX_REMEMBERED = 65_536
MAX_STATEMENT_BYTES = 4_096
# Leaves of one key that are made ready ahead: a decision takes three, and each is 17 KiB.
READY_LEAVES = 4
