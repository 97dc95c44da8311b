"""The bounds of delivering and drawing, in one place."""

from phalanx.core import KIB, MIB

# Items that are made or encoded before others have the loop.
PAUSE_ITEMS = 128
# Notices of one tenant that wait for a sink; beyond it the oldest go, and who missed them reads the tables instead.
MAX_WAITING_NOTICES = 1_000_000
# What a courier reads ahead at once.
MAX_PAGE_NOTICES = 500
# One item in a product's form, and one parcel, whatever a product would take.
MAX_ITEM_BYTES = 256 * KIB
MAX_PARCEL_BYTES = 8 * MIB
MAX_PARCEL_ITEMS = 10_000
MAX_SINKS = 64
MAX_SOURCES = 64
# Dead letters that one sink keeps; beyond it the oldest are dropped, and counted as lost.
MAX_SINK_LETTERS = 10_000
# What a look at a sink counts of them.
MAX_COUNTED_LETTERS = 1_000
MAX_ERROR_CHARS = 400
MAX_ANSWER_BYTES = 4 * MIB

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 120.0
# A peer may ask for a longer pause than ours, but not for ever.
LONGEST_ASKED_S = 3_600.0
# While nothing is waiting, a courier looks again after so long, whatever wakes it before.
IDLE_LOOK_S = 30.0
TRIM_EVERY_S = 5.0
TRIM_NOTICES = 1_000
RATE_SECONDS = 60

# What a source gives at once, and how much of it is kept until it is in the intake.
MAX_DRAWN_BYTES = 512 * KIB
MAX_POSITION_CHARS = 16 * KIB
