"""Bounds that more than one room relies on. A room's own bounds live in that room."""

from phalanx.core._units import KIB, MIB

# One event line; the longest Windows event seen in public captures is 64 KiB.
MAX_EVENT_BYTES = 256 * KIB
# One bulk request; also the largest record a journal takes.
MAX_CHUNK_BYTES = 8 * MIB
MAX_CHUNK_EVENTS = 20_000
# Nesting of an event's fields; deeper lines are quarantined.
MAX_EVENT_DEPTH = 16
# Rows one page of any listing returns at most.
MAX_PAGE_ROWS = 1_000
# Event ids kept as evidence on one finding; further hits are counted.
MAX_EVIDENCE = 16
MAX_NAME_CHARS = 128
