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
# A workflow's file, and how deep it is nested.
MAX_FILE_BYTES = 256 * 1024
MAX_FILE_DEPTH = 32
MAX_FILES = 256

# Circuits are of one kind, for what a device takes, up to each of these widths; what is wider is of the last.
CIRCUIT_WIDTHS = (4, 8, 12, 16, 20, 24, 32, 64, 128, 4_096)
# What a circuit is taken to need until one has been seen.
# Circuits of one step that are jobs at the same time, all at the machine that the step has.
JOBS_OF_STEP_AT_ONCE = 4
DECLARED_CIRCUIT_S = 0.01
# Circuits that one device runs at the same time, and that it may hold in all.
CIRCUITS_AT_ONCE = 2
MAX_WAITING_CIRCUITS = 1_000
# A circuit waits so long for room where every queue is full; then its step is answered without a device.
WAIT_FOR_ROOM_S = 30.0
# Windows on devices that are remembered of one step.
MAX_WINDOWS = 32

# Runs that one engine brings forward at once; the others are queued, on disk.
MAX_RUNS_IN_FLIGHT = 16_384
# Runs of one tenant that are looked at in one go when an engine looks for work.
MAX_PICKED_UP = 1_000
# How often a step may be tried, and how long waited between attempts.
MAX_ATTEMPTS = 10
MAX_BACK_OFF_S = 3_600.0
MAX_DEADLINE_S = 30 * 86_400.0
# Changes of where a run stands that are remembered with it.
MAX_MOVES = 32
# An engine says this often that it is at work, looks this often for what others left, and is taken for dead after.
LEASE_S = 15.0
LOOK_S = 5.0
# How often somebody who waits for a run that another engine has asks for its end.
FOLLOW_S = 0.05
# Results of one run that are kept in one commit, when they gather while another is under way.
MAX_POSTED_TOGETHER = 16
# Questions to the store, and commits, that one engine has under way; past it, its runs wait their turn.
STORE_CALLS_AT_ONCE = 512
# A commit that finds the run changed is tried again with what it is now, this often.
MAX_COMMIT_TRIES = 16

# What is known of prices and budgets of simulators is believed so long, and for so many tenants and devices.
FREE_FOR_S = 1.0
MAX_FREE_KNOWN = 4_096
# A window is booked for so many circuits as long as the one that wants it, within bounds; a step gives back the rest.
WINDOW_CIRCUITS = 8
MIN_WINDOW_S = 1.0
MAX_WINDOW_S = 3_600.0
# What a circuit is taken to last at a machine until one has, and how often backfill looks whether it had to make room.
FIRST_CIRCUIT_S = 0.5
LOOK_AT_WINDOW_S = 0.5
# Windows that a step asks for under one name before it gives up, and submissions of one circuit whose jobs failed.
MAX_WINDOW_NAMES = 64
MAX_JOBS_OF_CIRCUIT = 10
