"""Analog programs: atoms in a plane under one time-dependent drive, and their quantum evolution.

The Hamiltonian, in radians per microsecond, with n = |r⟩⟨r| and distances in micrometres::

    H(t) = Ω(t)/2 · Σ (e^{iφ(t)}|r⟩⟨g| + h.c.) − Σ (Δ(t) + Δ_local(t)·h_k) n_k + Σ C₆/d⁶ n_k n_l

The sign of φ is that of Pulser's and of Amazon Braket's emulators; Braket's documentation uses the opposite sign.
C₆ belongs to the machine, everything else to the program. Outcomes spell the atoms from left to right, 1 for excited.
"""

from phalanx.quantum.analog._evolving import evolve, probabilities
from phalanx.quantum.analog._exporting import braket_text
from phalanx.quantum.analog._importing import read_program
from phalanx.quantum.analog._program import AnalogProgram, Line, blockade_radius_um, drawn, interactions, lowest_energy

__all__ = [
    "AnalogProgram",
    "Line",
    "blockade_radius_um",
    "braket_text",
    "drawn",
    "evolve",
    "interactions",
    "lowest_energy",
    "probabilities",
    "read_program",
]
