"""Every bound of the room, in one place. A decoy is there for hostile people: all of it is bounded."""

from phalanx.core import KIB, MAX_PAGE_ROWS

# Connections at once, of one decoy, and of one address over all of them.
MAX_OPEN = 64
MAX_OPEN_PER_PEER = 8
# One connection: how long it may take in all, how long it may say nothing, what is read of it.
CONNECTION_S = 60.0
SILENCE_S = 20.0
MAX_READ_BYTES = 64 * KIB
READ_BYTES = 4 * KIB
# What is sent back, at most, whatever is asked; a decoy is no use for flooding others.
MAX_SENT_BYTES = 8 * KIB
# What a capture keeps of what came, and how long a text that was read out of it may be.
MAX_CAPTURE_BYTES = 16 * KIB
MAX_FACT_CHARS = 160
MAX_FACTS = 16
# A request's head, a header line, the lines of a head, and a form that is looked into.
MAX_HEAD_BYTES = 8 * KIB
MAX_HEAD_LINES = 64
MAX_FORM_BYTES = 4 * KIB
# A line of identification (RFC 4253, section 4.2), and the lines before it.
MAX_SSH_LINE_BYTES = 255
MAX_SSH_LINES = 16

# Touches a minute that are kept whole; what is more is counted and told once.
MAX_TOUCHES_PER_MINUTE = 120
# Captures that are not told yet and are looked for at once when the duty begins.
UNTOLD_PAGE = 100
# Captures kept of a node, one page of them; the oldest give way, looked for once in so many touches.
MAX_CAPTURES = MAX_PAGE_ROWS
TRIM_EVERY = 100

# How often planted files are looked at.
FILES_EVERY_S = 5.0
# What is waited for before an event is submitted again that the intake had no room for.
SUBMIT_AGAIN_S = 1.0
SECRET_BYTES = 12

# The newest captures that a touch is compared with, events around it that are looked at, and how quickly whoever goes
# from decoy to decoy is taken to look for what there is.
MAX_PROFILED = 500
MAX_SWEPT_EVENTS = 200
SCAN_WITHIN_S = 30.0
