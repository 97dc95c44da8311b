"""Every bound of the room, in one place."""

from phalanx.core import KIB, NS_PER_S

# One frame's payload. 2^20 frames of it under one key are 2^32 AES blocks: the advantage that
# AES-GCM leaves an attacker stays below 2^-64.
MAX_PAYLOAD_BYTES = 64 * KIB
MAX_REKEY_FRAMES = 1 << 20
MAX_REKEY_AGE_S = 3_600.0
# Past this a channel ends and a new handshake brings fresh secrets: the ratchet alone never heals.
MAX_CHANNEL_AGE_S = 24 * 3_600.0
# Frames of one direction, over all epochs.
MAX_FRAMES = 1 << 48
MAX_EPOCH = (1 << 32) - 1
# Epochs that may be lost as a whole before frames are no longer understood; each costs the
# receiver two key derivations, also when the header is forged.
MAX_EPOCH_SKIP = 4
# Frames that fail under one channel before it ends (RFC 9001 section 6.6 allows 2^36).
MAX_FORGERIES = 1 << 32
# How far a frame may come late on an unordered transport.
MAX_REPLAY_WINDOW = 1_024
# How long the key before the last is kept for frames that were overtaken by a rekey.
OVERTAKEN_NS = 10 * NS_PER_S

# One handshake message, credential chain included. A datagram transport must carry it whole.
MAX_HANDSHAKE_BYTES = 64 * KIB
MAX_CREDENTIAL_BYTES = 48 * KIB
MAX_NAME_BYTES = 64
MAX_OFFERED = 8
MAX_PSKS = 4
MAX_PSK_ID_BYTES = 64
# A binder lets whoever sees it test guesses, so a key must not be guessable.
MIN_PSK_BYTES = 32
MAX_PSK_BYTES = 1 * KIB
MAX_REASON_BYTES = 128

# A message of the handshake is sent again after this, then after twice as long, and so on.
RETRY_FIRST_NS = NS_PER_S // 4
RETRY_LONGEST_NS = 2 * NS_PER_S
HANDSHAKE_NS = 10 * NS_PER_S
# Messages that do not authenticate before a handshake gives up: each costs a decapsulation or more.
MAX_FORGED_REPLIES = 16
MAX_FORGED_FINISHES = 16
# Cookies one handshake accepts; another one comes when the responder restarted or a Hello was damaged.
MAX_COOKIES = 8
# A cookie holds for the slot it was made in and the next.
COOKIE_SLOT_NS = 60 * NS_PER_S

# Handshakes answered and not yet finished, in all and from one address.
MAX_HALF_OPEN = 1_024
MAX_HALF_OPEN_PER_ADDRESS = 4
# Handshakes begun here and not yet finished.
MAX_DIALS = 256
# Channels one endpoint keeps; beyond that the least recently used one is closed.
MAX_CHANNELS = 4_096
# Payloads that arrived and nobody took yet; beyond that the oldest of all are dropped and counted.
MAX_INBOX_PAYLOADS = 10_000

# Something was sent and nothing came back: ask, and after the second time call the peer silent.
PROBE_AFTER_NS = 5 * NS_PER_S
SILENT_AFTER_NS = 20 * NS_PER_S
# How often channels look at the clock, with a handshake under way and without.
TICK_BUSY_S = 0.05
TICK_IDLE_S = 1.0
