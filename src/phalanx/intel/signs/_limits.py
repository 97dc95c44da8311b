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
