"""Every bound of this room."""

from phalanx.core import KIB, MIB, NS_PER_S

# Indexes are 1 to this; decoding is quadratic in the number of shares (255 take well under a second).
MAX_SHARES = 255
# A secret that is shared directly is one key; what is longer is sealed and its key shared.
SECRET_BYTES = 32
MAX_SEALED_SECRET_BYTES = MIB
# An encoded share: the widest field has 3071 bits, and a verifiable share carries two of its elements.
MAX_SHARE_BYTES = 2 * KIB
CHECKSUM_BYTES = 8
SET_ID_BYTES = 16
DIGEST_BYTES = 32
# A reduced draw is this much wider than the modulus, so that its bias is below 2^-128.
EXTRA_DRAW_BYTES = 16
# A dealing to the largest committee: for each a KEM ciphertext and two elements of 3071 bits, sealed.
MAX_MESSAGE_BYTES = MIB
# Different messages kept of one sender in one round: two prove that it says two things.
MAX_VERSIONS = 2
# Documents of an escrow: the sealed secret twice over for base64, and keys and shares of the largest committee.
MAX_DOCUMENT_BYTES = 8 * MIB
MAX_CUSTODIAN_NAME_CHARS = 100
MAX_PURPOSE_CHARS = 500
# A ceremony that nobody finishes must not stay open; people may live in several time zones.
MAX_CEREMONY_S = 7 * 86_400
# How far the clocks of people and of the registrar may be apart.
MAX_SKEW_NS = 600 * NS_PER_S
