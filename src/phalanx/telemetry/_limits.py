"""The bounds of this room, in one place."""

# Label sets one instrument keeps; later ones are counted together under OVERFLOW_LABEL, so that
# a label fed from outside cannot grow memory without end.
MAX_LABEL_SETS = 1_000
OVERFLOW_LABEL = "overflow"

# Finished spans kept for the page of one trace; older ones are forgotten first.
MAX_SPANS = 20_000

# Waypoints one slow reader may fall behind before it loses the oldest.
SUBSCRIPTION_CAPACITY = 1_000
# Open readers of the live feed; each costs one append per waypoint.
MAX_SUBSCRIPTIONS = 1_000

# Alerts kept to be shown; all of them are logged and counted.
MAX_RECENT_ALERTS = 256

# Characters of one logged value; what is logged may come from an attacker.
MAX_LOG_VALUE_CHARS = 2_000

# What waits for storage that fails tries again so often.
STORAGE_PAUSE_S = 1.0
