"""Photonic programs: photons in modes, a linear-optical circuit, detectors, and which runs are kept.

Column j of a circuit's matrix says where the light of mode j goes. Outcomes are text, the photons (or clicks) of
each mode from the first on: ``1,0,2``.
"""

from phalanx.quantum._limits import MAX_MODES, MAX_PHOTONS
from phalanx.quantum.photonic._components import (
    BeamSplitter,
    Component,
    Interferometer,
    Permutation,
    PhaseShifter,
    interferometer,
)
from phalanx.quantum.photonic._drawing import check_drawable, drawn
from phalanx.quantum.photonic._encoding import OnPhotons, on_photons
from phalanx.quantum.photonic._expecting import Expected, amplitude_weights, expected, keeps
from phalanx.quantum.photonic._program import Condition, Herald, PhotonicProgram, read_photonic, shown
from phalanx.quantum.photonic._source import PERFECT, Source

__all__ = [
    "MAX_MODES",
    "MAX_PHOTONS",
    "PERFECT",
    "BeamSplitter",
    "Component",
    "Condition",
    "Expected",
    "Herald",
    "Interferometer",
    "OnPhotons",
    "Permutation",
    "PhaseShifter",
    "PhotonicProgram",
    "Source",
    "amplitude_weights",
    "check_drawable",
    "drawn",
    "expected",
    "interferometer",
    "keeps",
    "on_photons",
    "read_photonic",
    "shown",
]
