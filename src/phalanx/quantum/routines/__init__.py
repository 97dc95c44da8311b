"""Quantum routines for security questions, simulated by our own kernels, with the classical answer beside each.

Probability estimation is in the room itself, because it runs on devices. The routines here are computed directly on
amplitudes, as large as they fit: they show what an ideal machine would give, and what a classical one gives on the
same input. Nothing here claims to be faster in time.
"""

from phalanx.quantum.routines._ansatz import Layers, metric
from phalanx.quantum.routines._answer import KERNELS, Answer
from phalanx.quantum.routines._bits import Binning
from phalanx.quantum.routines._boltzmann import BoltzmannMachine, find_novelties, isolation
from phalanx.quantum.routines._classifying import VariationalClassifier, boosted_stumps, checked, classify, logistic
from phalanx.quantum.routines._density import density_novelties, density_ranks
from phalanx.quantum.routines._factoring import factor, measured_phase, smallest_divisor
from phalanx.quantum.routines._forecasting import autoregressed, forecast, quantum_features
from phalanx.quantum.routines._generating import BornMachine, generate, generate_classically, tree_chances
from phalanx.quantum.routines._kernel_classifying import classify_by_kernel
from phalanx.quantum.routines._kernels import PhaseKernel, RidgeMachine, gaussian_kernel, novelty
from phalanx.quantum.routines._responding import Action, choose_responses, expectation_and_gradient
from phalanx.quantum.routines._searching import amplified, chance_of_marked, search_circuit, search_indicators
from phalanx.quantum.routines._segmenting import Lowest, best_segments, lowest_energy, segment_energy, segment_hosts
from phalanx.quantum.routines._spreading import ESTIMATE_CLAIM, estimate_compromise, spread_model, spread_threat
from phalanx.quantum.routines._walking import chance_at, mean_occupation, shortest_path, walk_paths

__all__ = [
    "Action",
    "Answer",
    "ESTIMATE_CLAIM",
    "Binning",
    "BoltzmannMachine",
    "BornMachine",
    "KERNELS",
    "Layers",
    "Lowest",
    "PhaseKernel",
    "RidgeMachine",
    "VariationalClassifier",
    "amplified",
    "autoregressed",
    "best_segments",
    "boosted_stumps",
    "chance_at",
    "chance_of_marked",
    "checked",
    "choose_responses",
    "classify",
    "classify_by_kernel",
    "density_novelties",
    "density_ranks",
    "estimate_compromise",
    "expectation_and_gradient",
    "factor",
    "find_novelties",
    "forecast",
    "gaussian_kernel",
    "generate",
    "generate_classically",
    "isolation",
    "logistic",
    "lowest_energy",
    "mean_occupation",
    "measured_phase",
    "metric",
    "novelty",
    "quantum_features",
    "search_circuit",
    "search_indicators",
    "segment_energy",
    "segment_hosts",
    "shortest_path",
    "smallest_divisor",
    "spread_model",
    "spread_threat",
    "tree_chances",
    "walk_paths",
]
