"""Simulators chosen by circuit: stabiliser, statevector, matrix product; with noise, density matrix or
trajectories.

Also classical annealing of Ising problems.
"""

from phalanx.quantum.simulators._annealing import SWEEPS, annealed
from phalanx.quantum.simulators._choosing import METHODS, Choice
from phalanx.quantum.simulators._noisy import depolarisation, step_ns
from phalanx.quantum.simulators._running import Simulation, plan, probabilities, run
from phalanx.quantum.simulators._warming import warm_mapping, warm_simulators

__all__ = [
    "METHODS",
    "SWEEPS",
    "Choice",
    "Simulation",
    "annealed",
    "depolarisation",
    "plan",
    "probabilities",
    "run",
    "step_ns",
    "warm_mapping",
    "warm_simulators",
]
