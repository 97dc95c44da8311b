"""The bounds of evidence, in one place."""

from phalanx.core import MIB

# A bundle as a file. An entry takes a few kilobytes: its leaf, its payload and its path.
MAX_BUNDLE_BYTES = 64 * MIB
MAX_BUNDLE_ENTRIES = 10_000
# Further checkpoints in a bundle: those with a timestamp or an anchor.
MAX_MARKS = 16
MAX_BUNDLE_WITNESSES = 7
MAX_ROOTS = 16
# No tree of less than 2^63 leaves has a longer path.
MAX_PATH = 63

# How often the case index looks for new entries.
INDEX_EVERY_S = 60.0
