"""The bounds of models, in one place."""

from phalanx.core import MIB

MAX_DOCUMENT_BYTES = 4 * MIB
# Models of one tenant that are kept, and that are asked about its events.
MAX_MODELS = 200
MAX_ASKED = 8
MAX_NAME_CHARS = 64
MAX_REASON_CHARS = 500
# Trees times their longest path: what scoring one event may take.
MAX_STEPS = 12_000
# Fields that a model looks at, words of one, and characters of a word.
MAX_FIELDS = 96
MAX_WORDS = 32
MAX_WORD_CHARS = 64
# How much of a text its shape is taken from.
MAX_SHAPE_CHARS = 512
# Events of one batch that models are asked about: a batch of the sentinel's is smaller.
MAX_ROWS = 4_096
# What a training wants at least, of all rows and of either kind.
MIN_ROWS = 200
MIN_OF_A_KIND = 20
MAX_TRAINING_ROWS = 2_000_000
# Bins of a distribution, features whose distribution is watched, and events before drift is said.
BINS = 10
WATCHED_FEATURES = 8
DRIFT_MIN_EVENTS = 500
# Counts of a distribution are halved when there are so many.
WINDOW_EVENTS = 5_000
# The population stability index from which a distribution is another, and below which it is the same again.
DRIFT_PSI = 0.25
DRIFT_CALM_PSI = 0.1
# Events that a model must have seen in shadow before it may speak.
MIN_SHADOW_EVENTS = 200
# Of the attacks that pass a model's floor, the part that does not pass its ceiling; and the part of scores that is
# wanted beyond its threshold.
LOST_AT_CEILING = 0.25
PASSING = 0.001
# Findings that examples are taken of, and lines beside each that are presumed to be no attack.
MAX_EXAMPLE_FINDINGS = 2_000
PRESUMED_EACH = 10
