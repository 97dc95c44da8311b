"""In which order a resource does what it was given, and when each will be done.

Higher priority first; within it the earlier deadline; within that tenants take turns by the work they have had, so that
one with a thousand operations does not stand before one with ten. When all is done does not change by it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phalanx.balancing._arrays import Longs, Places, Sums
    from phalanx.balancing._model import Operation
    from phalanx.balancing._problem import Problem


def order(problem: "Problem", operations: "Sequence[Operation]", choice: "Places") -> "tuple[Longs, Sums]":
    """``order`` (n,): operations resource by resource, each in its turn; ``done_s`` (n,): when each will be done."""
    import numpy as np

    n = problem.n_operations
    times = problem.times[choice, np.arange(n)].astype(np.float64)
    tenants: dict[str, int] = {}
    tenant = np.array([tenants.setdefault(one.tenant, len(tenants)) for one in operations], np.int64)
    priority = np.array([-one.priority for one in operations], np.int64)
    deadline = np.array([one.deadline_s for one in operations], np.float64)
    served = _served(np.lexsort((np.arange(n), times, deadline, priority, tenant, choice)), choice, tenant, times)
    sequence = np.lexsort((np.arange(n), served, deadline, priority, choice))
    ends = np.cumsum(times[sequence])
    first = np.r_[True, choice[sequence][1:] != choice[sequence][:-1]]
    before = np.where(first, ends - times[sequence], 0.0)
    started = np.maximum.accumulate(before)
    done = np.empty(n)
    done[sequence] = ends - started + problem.queue_s[choice[sequence]]
    return sequence, done


def _served(sequence: "Longs", choice: "Places", tenant: "Longs", times: "Sums") -> "Sums":
    """What each operation's tenant will have had on its resource once it is done, going through ``sequence``."""
    import numpy as np

    ends = np.cumsum(times[sequence])
    group = choice[sequence].astype(np.int64) * (int(tenant.max(initial=0)) + 1) + tenant[sequence]
    first = np.r_[True, group[1:] != group[:-1]]
    before = np.maximum.accumulate(np.where(first, ends - times[sequence], 0.0))
    served = np.empty(len(times))
    served[sequence] = ends - before
    return served
