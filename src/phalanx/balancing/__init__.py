"""Distributing many operations over many resources, with a proof of how far from the best the answer can be.

``Problem`` is what is to be distributed, ``solve`` answers. Solvers are compiled kernels over arrays; importing the
room loads none of them.

Limits: one problem has at most 2,000,000 operations and 256,000,000 pairs of operation and resource. Answers depend
on the seed alone on one machine; another kind of processor may round differently.

Errors::

    PhalanxError (core)
    ├── BalancingError
    │   └── NoEligibleResource   an operation can go nowhere
    └── Overloaded (core)
        └── QueuesFull           every eligible queue is at its bound
"""

from phalanx.balancing._baselines import BASELINES
from phalanx.balancing._errors import BalancingError, NoEligibleResource, QueuesFull
from phalanx.balancing._genetic import Genetics
from phalanx.balancing._model import MAKESPAN_ONLY, Operation, OperationKind, Resource, Weights
from phalanx.balancing._problem import Columns, Problem, columns_of
from phalanx.balancing._scoring import Score
from phalanx.balancing._solving import DEFAULT_METHOD, METHODS, Answer, solve

__all__ = [
    "BASELINES",
    "DEFAULT_METHOD",
    "MAKESPAN_ONLY",
    "METHODS",
    "Answer",
    "BalancingError",
    "Columns",
    "Genetics",
    "NoEligibleResource",
    "Operation",
    "OperationKind",
    "Problem",
    "QueuesFull",
    "Resource",
    "Score",
    "Weights",
    "columns_of",
    "solve",
]
