"""Quantum or classical: which resource answers a task, by what it is worth, how long it takes and what it costs.

Each *way* of answering (a device, a simulator on this machine, a step's classical fallback) is told by seconds, money
and fidelity, each as it is expected. Whoever asks says what a right answer is worth and what an hour of waiting costs;
the way that is expected to lose least is taken, and every other one is told why not.

Limits: expectations are as good as what was learned; a fidelity is learned only where outcomes are known.
"""

from phalanx.allocation.routing._batch_places import KUBERNETES, LOCAL, SLURM, BatchPlace, route_batch
from phalanx.allocation.routing._learning import Expectations
from phalanx.allocation.routing._router import Routed, Router, Verdict, judge
from phalanx.allocation.routing._ways import Aims, Kind, Way, expected_loss, loss_of, ways_of

__all__ = [
    "KUBERNETES",
    "LOCAL",
    "SLURM",
    "Aims",
    "BatchPlace",
    "Expectations",
    "Kind",
    "Routed",
    "Router",
    "Verdict",
    "Way",
    "expected_loss",
    "judge",
    "loss_of",
    "route_batch",
    "ways_of",
]
