"""Bounds of the room."""

MAX_DEVICES = 4_096
# The best few of the compiled tier; what is computed on a mapped layout is computed for these.
SHORTLIST = 3
MAX_SHORTLIST = 16
