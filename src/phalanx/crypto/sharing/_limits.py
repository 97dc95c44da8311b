"""Every bound of this room."""

from phalanx.core import KIB, MIB

# Indexes are 1 to this; decoding is quadratic in the number of shares (255 take well under a second).
MAX_SHARES = 255
# A secret that is shared directly is one key; what is longer is sealed and its key shared.
SECRET_BYTES = 32
MAX_SEALED_SECRET_BYTES = 4 * MIB
# An encoded share: the widest field has 3071 bits, and a verifiable share carries two of its elements.
MAX_SHARE_BYTES = 2 * KIB
CHECKSUM_BYTES = 8
SET_ID_BYTES = 16
DIGEST_BYTES = 32
# A reduced draw is this much wider than the modulus, so that its bias is below 2^-128.
EXTRA_DRAW_BYTES = 16
