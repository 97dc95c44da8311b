"""Quantum routines for security questions, simulated by kernels of their own, with the classical answer beside each.

Estimating a probability is in the room itself, because it runs on devices. These here are computed on amplitudes
directly, as large as they fit: what they show is what an ideal machine would give, and what a classical one gives on
the same input. Nothing here claims to be faster in time.
"""

from phalanx.quantum.routines._answer import KERNELS, Answer
from phalanx.quantum.routines._factoring import factor, measured_phase
from phalanx.quantum.routines._forecasting import forecast, quantum_features
from phalanx.quantum.routines._kernels import PhaseKernel, RidgeMachine, gaussian_kernel, novelty
from phalanx.quantum.routines._responding import Action, choose_responses, expectation_and_gradient
from phalanx.quantum.routines._searching import amplified, chance_of_marked, search_circuit, search_indicators
from phalanx.quantum.routines._spreading import spread_model, spread_threat
from phalanx.quantum.routines._walking import chance_at, mean_occupation, shortest_path, walk_paths

__all__ = [
    "KERNELS",
    "Action",
    "Answer",
    "PhaseKernel",
    "RidgeMachine",
    "amplified",
    "chance_at",
    "chance_of_marked",
    "choose_responses",
    "expectation_and_gradient",
    "factor",
    "forecast",
    "gaussian_kernel",
    "mean_occupation",
    "measured_phase",
    "novelty",
    "quantum_features",
    "search_circuit",
    "search_indicators",
    "shortest_path",
    "spread_model",
    "spread_threat",
    "walk_paths",
]
