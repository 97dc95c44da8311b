"""Distributing many operations over many resources, with a proof of how far from optimal the answer can be.

``Problem`` is what is to be distributed, ``solve`` distributes it. Solvers are compiled kernels over arrays; importing
the room loads none of them.

Limits: one problem has at most 2,000,000 operations and 256,000,000 pairs of operation and resource. Answers depend
on the seed alone on one machine; another kind of processor may round differently.

Errors::

    PhalanxError (core)
    ├── BalancingError
    │   └── NoEligibleResource   no resource may do an operation
    └── Overloaded (core)
        └── QueuesFull           every eligible queue is at its bound
"""

from phalanx.balancing._baselines import BASELINES
from phalanx.balancing._beating import compute, put, take
from phalanx.balancing._bursting import place_many
from phalanx.balancing._capacity import Addition, CapacityPlan, Demand, Offer, plan_capacity
from phalanx.balancing._documents import (
    AnswerView,
    CapacityDocument,
    CapacityView,
    ProblemDocument,
    answer_document,
    capacity_document,
    problem_of,
)
from phalanx.balancing._errors import BalancingError, NoEligibleResource, QueuesFull
from phalanx.balancing._fairness import FairShares
from phalanx.balancing._fluid import FluidPlan, plan_fluid
from phalanx.balancing._genetic import Genetics
from phalanx.balancing._kernel_sets import plainly
from phalanx.balancing._model import MAKESPAN_ONLY, Operation, OperationKind, Resource, Weights
from phalanx.balancing._pool import Pool
from phalanx.balancing._problem import Columns, Problem, columns_of
from phalanx.balancing._rebalancing import Move, confirm, plan_moves
from phalanx.balancing._scoring import Score
from phalanx.balancing._service import Balancing, Mover
from phalanx.balancing._showing import placements, show
from phalanx.balancing._solving import DEFAULT_METHOD, METHODS, Answer, solve
from phalanx.balancing._tickets import Reason, Ticket
from phalanx.balancing._views import KindView, PlacementView, PoolView, ResourceView
from phalanx.balancing._warming import warm, warming

__all__ = [
    "BASELINES",
    "DEFAULT_METHOD",
    "MAKESPAN_ONLY",
    "METHODS",
    "Addition",
    "Answer",
    "AnswerView",
    "Balancing",
    "BalancingError",
    "CapacityDocument",
    "CapacityPlan",
    "CapacityView",
    "Columns",
    "Demand",
    "FairShares",
    "FluidPlan",
    "Genetics",
    "KindView",
    "Move",
    "Mover",
    "NoEligibleResource",
    "Offer",
    "Operation",
    "OperationKind",
    "PlacementView",
    "Pool",
    "PoolView",
    "Problem",
    "ProblemDocument",
    "QueuesFull",
    "Reason",
    "Resource",
    "ResourceView",
    "Score",
    "Ticket",
    "Weights",
    "answer_document",
    "capacity_document",
    "columns_of",
    "compute",
    "confirm",
    "place_many",
    "placements",
    "plan_capacity",
    "plan_fluid",
    "plan_moves",
    "plainly",
    "problem_of",
    "put",
    "show",
    "solve",
    "take",
    "warm",
    "warming",
]
