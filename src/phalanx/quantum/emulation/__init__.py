"""Machines emulated from plain noise: circuits are laid out, timed, decoupled and run as a calibration says."""

from phalanx.quantum.emulation._machine import Disturbance, Machine
from phalanx.quantum.emulation._timing import SEQUENCES, Timed, decoupled, timed

__all__ = ["SEQUENCES", "Disturbance", "Machine", "Timed", "decoupled", "timed"]
