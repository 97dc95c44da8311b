"""Which device a circuit goes to: what it asks for, what devices are like now, and a decision that explains itself.

Limits: the compiled tier knows medians of a device, not the layout of a circuit on it; what it calls log success is
good for an order, not as a probability.

Errors::

    PhalanxError (core)
    └── Unavailable (core)
        └── NothingFits    no device meets the requirement; says why for each
"""

from phalanx.allocation._board import Board, Standing
from phalanx.allocation._deciding import Considered, Decider, Decision, kernel_of, warm_decisions
from phalanx.allocation._errors import NothingFits
from phalanx.allocation._plain import shortlist_loop
from phalanx.allocation._requirement import FEED_FORWARD, MID_CIRCUIT, Counts, Requirement, requirement_of

__all__ = [
    "FEED_FORWARD",
    "MID_CIRCUIT",
    "Board",
    "Considered",
    "Counts",
    "Decider",
    "Decision",
    "NothingFits",
    "Requirement",
    "Standing",
    "kernel_of",
    "requirement_of",
    "shortlist_loop",
    "warm_decisions",
]
