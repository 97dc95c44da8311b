"""Bounds of the room."""

from phalanx.core import MIB

MAX_TEMPLATES = 1_024
MAX_STEPS = 64
# Inputs of a run, and what one step may hand on; bulk data belongs in a table of its own.
MAX_INPUT_BYTES = 1 * MIB
MAX_OUTPUT_BYTES = 1 * MIB
# Rows that one step may write together with its result.
MAX_EXTRA_WRITES = 256
# Steps of all runs of one engine that work at the same time; the others wait their turn.
MAX_CONCURRENT_STEPS = 64
MAX_REASON_CHARS = 500
