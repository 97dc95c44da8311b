"""What findings may lead to: how threats continue, where they go, how likely a host falls, which is next, what is
new.

Each question is answered by quantum methods, simulated, and by classical ones that saw the same earlier findings;
both are scored on later ones. Agents answer when they are ordered to.
"""

from phalanx.intel.foresight._model import FORESIGHTS, QUESTIONS, Foreseen, Foresight, ForesightMeans, Foretold
from phalanx.intel.foresight._questions import foresee
from phalanx.intel.foresight._skills import (
    foresee_evolution_skill,
    foresee_novelty_skill,
    foresee_paths_skill,
    foresee_risk_skill,
    foresee_vulnerability_skill,
)

__all__ = [
    "FORESIGHTS",
    "QUESTIONS",
    "Foreseen",
    "Foresight",
    "ForesightMeans",
    "Foretold",
    "foresee",
    "foresee_evolution_skill",
    "foresee_novelty_skill",
    "foresee_paths_skill",
    "foresee_risk_skill",
    "foresee_vulnerability_skill",
]
