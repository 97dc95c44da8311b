"""Circuits in and out, in the languages that people write them in."""

from phalanx.quantum._errors import UnreadableCircuit
from phalanx.quantum.circuits._reading import language_of, read

__all__ = ["UnreadableCircuit", "language_of", "read"]
