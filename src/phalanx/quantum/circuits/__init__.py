"""Circuits in and out, in the languages that people write them in."""

from phalanx.quantum._errors import UnreadableCircuit
from phalanx.quantum.circuits._equivalence import Equivalence, equivalent
from phalanx.quantum.circuits._reading import LANGUAGES, language_of, read
from phalanx.quantum.circuits._writing import convert

__all__ = [
    "LANGUAGES",
    "Equivalence",
    "UnreadableCircuit",
    "convert",
    "equivalent",
    "language_of",
    "read",
]
