"""The bounds of places, in one place."""

from phalanx.core import MIB

# A table as it is sent: parts of one file, and networks in all.
MAX_PARTS = 16
MAX_PART_BYTES = 4 * MIB
MAX_NETWORKS = 1_000_000
MAX_NAME_CHARS = 64
# Rows that were refused and are told.
MAX_TOLD = 100
# How exact a place is when the table does not say.
DEFAULT_RADIUS_KM = 50.0
MAX_RADIUS_KM = 20_000.0
# Addresses whose network is remembered.
MEMO_ADDRESSES = 8_192
