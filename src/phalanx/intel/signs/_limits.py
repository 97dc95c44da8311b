"""The bounds of this package, in one place."""

from phalanx.core import KIB, MIB

# Keys of one check, and how long a modulus may be: the square of the product of all is made.
MAX_KEYS = 200_000
MAX_MODULUS_BITS = 16_384
MAX_KEY_FILE_BYTES = 64 * MIB
# Steps of Fermat's method: enough for factors that were chosen next to each other.
FERMAT_ROUNDS = 1_000
# Of certificates in events: the moduli that a tenant is remembered by, well within what a detector may remember.
MAX_SEEN_KEY_BYTES = 512 * KIB
MAX_CERTIFICATE_CHARS = 64 * KIB
# Pairs of peers a tenant is remembered by: with their longest names well within what a detector may remember.
MAX_PEERS = 4_000

# Of flows: the latest handshakes that are remembered, by client, server and port; names and addresses.
MAX_HARVEST_PAIRS = 2_000
MAX_FLOW_NAME_CHARS = 64
MAX_ADDRESSES_KEPT = 8_192
# Peers outside, tunnels, and encrypted sessions and flows out that ended lately: with their longest names well within
# what a detector may remember.
MAX_HARVEST_PEERS = 160
MAX_TUNNELS = 64
MAX_HARVEST_SESSIONS = 400
MAX_COPIES = 100
# Hosts, servers, pairs and events that are remembered of one peer, and pairs that a finding names of each kind.
MAX_HARVEST_NAMES = 8
MAX_PAIRS_NAMED = 8
MAX_HARVEST_EVIDENCE = 10
MAX_HARVEST_NAMED = 4
# A peer is told again after a day. Scores move no threshold by themselves; the part that passes is that of a quantile.
HARVEST_AGAIN_S = 86_400.0
HARVEST_PASSING = 0.001
# Mirrored: megabytes (10⁶) through one tunnel, floor and ceiling, and how many times what came back.
MIRRORED_FLOOR_MB = 10.0
MIRRORED_CEILING_MB = 100_000.0
MIRRORED_RATIO = 100
# Copied: twins beyond chance, floor and ceiling, with how many servers, and the least volume that says anything.
COPIED_FLOOR = 8.0
COPIED_CEILING = 200.0
MAX_COUNTED_FLOWS = 512
COPIED_SERVERS = 3
COPIED_LEAST_BYTES = 64 * KIB
# Ends of a session and of its copy, how far their volumes may be apart, and how far off a decoy is.
COPIED_WITHIN_S = 10.0
COPIED_TOLERANCE = 0.005
COPIED_DECOY = 0.03
# The part of what goes out that may come back from who is given a copy.
COPIED_PART = 0.05
# Collected: hosts, floor and ceiling; bytes of one session and how many times what came back; within how long of the
# first, and how long the house was watched before.
COLLECTED_FLOOR_HOSTS = 5.0
COLLECTED_CEILING_HOSTS = 8.0
COLLECTED_BYTES = 10_000_000
COLLECTED_RATIO = 20
COLLECTED_WITHIN_S = 86_400.0
HARVEST_WATCHED_S = 86_400.0
