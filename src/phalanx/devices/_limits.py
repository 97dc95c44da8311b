"""Bounds of the room."""

MAX_BACKENDS = 4_096
# Outcome probabilities that the local simulator keeps: an estimate asks for the same few circuits again and again.
MAX_REMEMBERED_CIRCUITS = 32
MAX_REMEMBERED_OUTCOMES = 4_096
