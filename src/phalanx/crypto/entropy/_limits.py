"""Every bound of this room."""

from phalanx.core import KIB, MIB

# SP 800-90B §4.4: a healthy source fails a test once in 2^30 tries; the standard asks for 2^-20 to 2^-40.
ALPHA_BITS = 30
# §4.4.2: the window of the adaptive proportion test, for samples of one bit and for wider ones.
BINARY_WINDOW = 1024
WINDOW = 512
# §4.3: at least this many consecutive samples before a source is used.
STARTUP_SAMPLES = 1024
POLL_SAMPLES = 512
POLL_EVERY_S = 30.0
# A source that does not answer within this is dropped; its thread ends when its read does.
READ_S = 5.0
MAX_SOURCES = 16
KEY_BYTES = 32
# One run of the cipher. The first bytes become its next key, the rest is handed out once.
BLOCK_BYTES = 4 * KIB
MAX_TOKEN_BYTES = MIB
