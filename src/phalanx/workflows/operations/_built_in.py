"""The operations that come with the package."""

from phalanx.workflows.operations._assessing import assess
from phalanx.workflows.operations._contract import Operation
from phalanx.workflows.operations._indicators import look_up, search
from phalanx.workflows.operations._keys import expose, judge
from phalanx.workflows.operations._novelty import by_quantum_kernel, gaussian_novelty
from phalanx.workflows.operations._paths import shortest, spread, walk
from phalanx.workflows.operations._responses import choose, residual, weigh

BUILT_IN: tuple[Operation, ...] = (
    assess, by_quantum_kernel, choose, expose, gaussian_novelty, judge, look_up, residual, search, shortest, spread,
    walk, weigh,
)  # fmt: skip
