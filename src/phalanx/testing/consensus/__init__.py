"""Agreement under test: ideal votes, traitors, faults, and checkers that share no code with the protocol."""

from phalanx.testing.consensus._ideal import IDEAL, IdealVerifier, IdealVotes, ideal_epoch
from phalanx.testing.consensus._plan import CUNNING, HABITS, MISHAPS, NETWORK_FAULTS, Plan, draw
from phalanx.testing.consensus._sim import consensus_simulation, run_plan, shrink
from phalanx.testing.consensus._twins import SCHEDULES, twins_simulation

__all__ = [
    "CUNNING",
    "HABITS",
    "IDEAL",
    "MISHAPS",
    "NETWORK_FAULTS",
    "IdealVerifier",
    "IdealVotes",
    "SCHEDULES",
    "Plan",
    "consensus_simulation",
    "draw",
    "ideal_epoch",
    "run_plan",
    "shrink",
    "twins_simulation",
]
