"""Circuits that do not fit, cut into pieces that do: the cost in shots is stated before anything is run."""

from phalanx.quantum.cutting._finding import Cut, CutPlan, find_cuts
from phalanx.quantum.cutting._rebuilding import CutMean, circuits_of, cut_mean, exact_mean

__all__ = ["Cut", "CutMean", "CutPlan", "circuits_of", "cut_mean", "exact_mean", "find_cuts"]
