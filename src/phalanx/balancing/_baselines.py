"""The rules that everybody has, behind one signature: what the others are compared with, measured in the same run."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from phalanx.balancing._kernel_sets import kernels
from phalanx.balancing._limits import MAX_QUADRATIC_OPERATIONS
from phalanx.balancing._problem import Problem
from phalanx.core import LimitExceeded, Rng

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Choice = npt.NDArray[np.int32]

Rule = Callable[[Problem, Rng], "Choice"]


def _round_robin(problem: Problem, rng: Rng) -> "Choice":  # noqa: ARG001 - one signature for all
    from phalanx.balancing._kernels_lists import round_robin

    loads, choice = _start(problem)
    round_robin(problem.times, loads, choice)
    return choice


def _least_loaded(problem: Problem, rng: Rng) -> "Choice":  # noqa: ARG001 - one signature for all
    from phalanx.balancing._kernels_lists import least_loaded

    loads, choice = _start(problem)
    least_loaded(problem.times, loads, choice)
    return choice


def _earliest(problem: Problem, rng: Rng) -> "Choice":  # noqa: ARG001 - one signature for all
    import numpy as np

    loads, choice = _start(problem)
    kernels("lists").earliest(problem.times, np.arange(problem.n_operations), loads, choice)
    return choice


def _longest_first(problem: Problem, rng: Rng) -> "Choice":  # noqa: ARG001 - one signature for all
    import numpy as np

    loads, choice = _start(problem)
    kernels("lists").earliest(problem.times, np.argsort(-problem.least_s, kind="stable"), loads, choice)
    return choice


def _two_choices(problem: Problem, rng: Rng) -> "Choice":
    from phalanx.balancing._kernels_lists import two_choices

    loads, choice = _start(problem)
    two_choices(problem.times, rng.child("two choices").numpy().random((problem.n_operations, 2)), loads, choice)
    return choice


def _min_min(problem: Problem, rng: Rng) -> "Choice":  # noqa: ARG001 - one signature for all
    import numpy as np

    from phalanx.balancing._kernels_lists import min_min

    loads, choice = _start(problem)
    min_min(problem.times, np.argsort(problem.times, axis=1, kind="stable").astype(np.int32), loads, choice)
    return choice


def _max_min(problem: Problem, rng: Rng) -> "Choice":  # noqa: ARG001 - one signature for all
    return _urgent(problem, by_sufferage=False)


def _sufferage(problem: Problem, rng: Rng) -> "Choice":  # noqa: ARG001 - one signature for all
    return _urgent(problem, by_sufferage=True)


def _urgent(problem: Problem, *, by_sufferage: bool) -> "Choice":
    from phalanx.balancing._kernels_lists import most_urgent

    if problem.n_operations > MAX_QUADRATIC_OPERATIONS:
        raise LimitExceeded(
            "operations of max-min and sufferage", maximum=MAX_QUADRATIC_OPERATIONS, seen=problem.n_operations
        )
    loads, choice = _start(problem)
    most_urgent(problem.times, by_sufferage, loads, choice)
    return choice


def _start(problem: Problem) -> "tuple[npt.NDArray[np.float64], Choice]":
    import numpy as np

    return problem.queue_s.copy(), np.zeros(problem.n_operations, np.int32)


BASELINES: Mapping[str, Rule] = {
    "round-robin": _round_robin,
    "least-loaded": _least_loaded,
    "earliest": _earliest,
    "lpt": _longest_first,
    "min-min": _min_min,
    "max-min": _max_min,
    "sufferage": _sufferage,
    "two-choices": _two_choices,
}
