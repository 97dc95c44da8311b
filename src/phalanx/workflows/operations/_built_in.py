"""The operations that come with the package."""

from phalanx.workflows.operations._assessing import assess
from phalanx.workflows.operations._classes import classes, stumps
from phalanx.workflows.operations._contract import Operation
from phalanx.workflows.operations._further import estimate, factors, following, segment
from phalanx.workflows.operations._indicators import look_up, search
from phalanx.workflows.operations._keys import expose, judge
from phalanx.workflows.operations._means import mean, plan_cuts
from phalanx.workflows.operations._novelty import by_boltzmann, by_quantum_kernel, forest_novelty, gaussian_novelty
from phalanx.workflows.operations._paths import shortest, spread, walk
from phalanx.workflows.operations._responses import choose, residual, weigh
from phalanx.workflows.operations._traffic import traffic

BUILT_IN: tuple[Operation, ...] = (
    assess, by_boltzmann, by_quantum_kernel, choose, classes, estimate, expose, factors, following, forest_novelty,
    gaussian_novelty, judge, look_up, mean, plan_cuts, residual, search, segment, shortest, spread, stumps, traffic,
    walk, weigh,
)  # fmt: skip
