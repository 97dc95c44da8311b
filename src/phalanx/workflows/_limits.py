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

# Circuits are of one kind, for what a device takes, up to each of these widths; what is wider is of the last.
CIRCUIT_WIDTHS = (4, 8, 12, 16, 20, 24, 32, 64, 128, 4_096)
# What a circuit is taken to need until one has been seen.
DECLARED_CIRCUIT_S = 0.01
# Circuits that one device runs at the same time, and that it may hold in all.
CIRCUITS_AT_ONCE = 2
MAX_WAITING_CIRCUITS = 1_000
