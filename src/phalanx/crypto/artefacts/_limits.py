"""Every bound of this room."""

from phalanx.core import KIB

# Plaintext sealed at once: a reader holds one, and a chunk's overhead is some 80 bytes.
CHUNK_BYTES = 256 * KIB
MAX_ARTEFACTS = 100_000
MAX_NAME_CHARS = 200
MAX_MEDIA_TYPE_CHARS = 100
MAX_CASE_CHARS = 512
MAX_USE_CHARS = 40
# Artefacts written at one time, over all tenants; each holds one chunk.
MAX_WRITES = 8
# Artefacts read in an old form that are sealed anew soon; more are left to a migration.
MAX_NOTICED = 1_000
# How often those are looked for.
TEND_EVERY_S = 5.0
# Keys that one artefact may be sealed under; a key that ends while it is written is followed by the next.
MAX_KEYS = 1_000
