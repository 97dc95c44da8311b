"""Every bound of the room, in one place."""

from phalanx.core import KIB

# Files one inventory looks into, how much of each is read, and assets it lists.
MAX_FILES = 20_000
MAX_FILE_BYTES = 256 * KIB
MAX_ASSETS = 5_000
# Certificates and keys read out of one file.
MAX_PER_FILE = 256
# How much of a line of source code is looked at.
MAX_LINE_CHARS = 400
MAX_NAME_CHARS = 200
# How often a node takes stock of itself.
INVENTORY_EVERY_S = 86_400.0
# Events of sessions that are judged around one finding.
MAX_TRAFFIC_EVENTS = 200
# How long a plan waits for the inventory that it was asked for by, and between two looks.
INVENTORY_KEPT_WITHIN_S = 10.0
INVENTORY_LOOK_S = 0.1
