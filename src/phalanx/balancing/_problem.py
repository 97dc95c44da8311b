"""A problem as arrays: what each operation takes on each resource, and what each objective is measured by."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phalanx.balancing._errors import NoEligibleResource
from phalanx.balancing._kernel_sets import kernels
from phalanx.balancing._limits import MAX_KINDS, MAX_OPERATIONS, MAX_PAIRS, MAX_RESOURCES, MAX_SITES
from phalanx.balancing._model import Operation, OperationKind, Resource
from phalanx.core import InvalidInput, LimitExceeded

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int32]

_NAMED_IN_ERRORS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Operations as columns, one entry each; text is an index into a table. Made for a million at once.

    ``kind``, ``site`` and ``group`` (of eligibility) are int32, ``size`` and ``data_mib`` float32, ``deadline_s``
    float64. ``allowed`` (groups, resources) says where a group may go.
    """

    kind: "Ints"
    size: "npt.NDArray[np.float32]"
    site: "Ints"
    data_mib: "npt.NDArray[np.float32]"
    deadline_s: "Floats"
    group: "Ints"
    sites: tuple[str, ...]
    allowed: "npt.NDArray[np.bool_]"

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What the solvers see. ``times`` (resources, operations) in seconds, infinity where not eligible.

    ``queue_s`` is what each resource has already; ``usable`` says which can be given anything, and the others' queue
    counts as nought.
    ``least_s`` is each operation's time where it is fastest, and ``useful_s`` their sum: work that no answer can avoid.
    ``hopeless`` counts operations whose deadline cannot be met anywhere.
    """

    times: "npt.NDArray[np.float32]"
    queue_s: "Floats"
    kind: "Ints"
    site: "Ints"
    data_mib: "npt.NDArray[np.float32]"
    loss: "npt.NDArray[np.float32]"
    links: "npt.NDArray[np.float32]"
    names: tuple[str, ...]
    least_s: "npt.NDArray[np.float32]"
    useful_s: float
    usable: "npt.NDArray[np.bool_]"
    coherent: int
    hopeless: int

    @property
    def n_operations(self) -> int:
        return int(self.times.shape[1])

    @property
    def n_resources(self) -> int:
        return int(self.times.shape[0])

    @property
    def reference_s(self) -> float:
        """The makespan if useful work could be spread evenly: the unit in which completion is scored."""
        usable = int(self.usable.sum())
        return self.useful_s / usable if usable and self.useful_s > 0 else 1.0

    @classmethod
    def of(
        cls, kinds: Sequence[OperationKind], resources: Sequence[Resource], operations: Sequence[Operation]
    ) -> "Problem":
        """From values. Raises ``InvalidInput`` for what makes no sense and ``NoEligibleResource``."""
        return cls.from_columns(kinds, resources, columns_of(kinds, resources, operations), operations=operations)

    @classmethod
    def from_columns(
        cls,
        kinds: Sequence[OperationKind],
        resources: Sequence[Resource],
        columns: Columns,
        *,
        operations: Sequence[Operation] = (),
    ) -> "Problem":
        """The same from columns; ``operations`` lends its ids to an error."""
        import numpy as np

        model = kernels("model")

        n, m = len(columns), len(resources)
        _check_size(n, m)
        _check_columns(columns, len(kinds), m)
        rates, links, loss = _tables(kinds, resources, columns.sites)
        times = np.empty((m, n), np.float32)
        model.fill_times(
            columns.kind, columns.size, columns.site, columns.data_mib, columns.group, rates, links,
            np.ascontiguousarray(columns.allowed), times,
        )  # fmt: skip
        queue = np.array([resource.queue_s for resource in resources], np.float64)
        hopeless = model.apply_deadlines(times, queue, columns.deadline_s, np.empty(n, np.bool_)) if n else 0
        needs = np.array([kind.coherence_us > 0 for kind in kinds], np.bool_)
        return _checked(
            cls, times, queue, tuple(resource.name for resource in resources), operations,
            kind=columns.kind, site=columns.site, data_mib=columns.data_mib, loss=loss, links=links,
            coherent=int(needs[columns.kind].sum()) if n else 0, hopeless=int(hopeless),
        )  # fmt: skip

    @classmethod
    def from_times(cls, times: Any, *, queue_s: Any = None, names: Sequence[str] = ()) -> "Problem":
        """From a matrix (resources, operations) of seconds alone, infinity where not eligible."""
        import numpy as np

        given = np.asarray(times)
        if given.ndim != 2:
            raise InvalidInput("times", f"it has {given.ndim} dimensions, not 2")
        m, n = given.shape
        _check_size(n, m)
        with np.errstate(over="ignore"):
            matrix = np.array(given, np.float32, order="C")
        if kernels("model").faulty(matrix):
            raise InvalidInput("times", "there is one that is negative or not a number")
        if given.dtype != np.float32 and (np.isinf(matrix) & np.isfinite(given)).any():
            raise InvalidInput("times", "there is one too large to be kept")
        np.maximum(matrix, np.float32(1e-30), out=matrix)
        queue = np.zeros(m) if queue_s is None else np.array(queue_s, np.float64)
        if queue.shape != (m,) or not np.isfinite(queue).all() or (queue < 0).any():
            raise InvalidInput("queue_s", f"it must be {m} finite numbers, none negative")
        return _checked(
            cls, matrix, queue, tuple(names) or tuple(f"resource-{i}" for i in range(m)), (),
            kind=np.zeros(n, np.int32), site=np.zeros(n, np.int32), data_mib=np.zeros(n, np.float32),
            loss=np.zeros((1, m), np.float32), links=np.zeros((1, m), np.float32), coherent=0, hopeless=0,
        )  # fmt: skip


def columns_of(
    kinds: Sequence[OperationKind], resources: Sequence[Resource], operations: Sequence[Operation]
) -> Columns:
    """Operations as columns. Raises ``InvalidInput`` for a kind or a resource that is not there."""
    import numpy as np

    if len(operations) > MAX_OPERATIONS:
        raise LimitExceeded("operations of one problem", maximum=MAX_OPERATIONS, seen=len(operations))
    kind_at = _places("kinds", (kind.name for kind in kinds))
    resource_at = _places("resources", (resource.name for resource in resources))
    site_at: dict[str, int] = {"": 0}
    groups: dict[frozenset[str] | None, int] = {None: 0}
    for operation in operations:
        if operation.kind not in kind_at:
            raise InvalidInput("operations", f"{operation.id} is of kind {operation.kind!r}, which is not there")
        site_at.setdefault(operation.site, len(site_at))
        groups.setdefault(operation.eligible, len(groups))
    allowed = np.zeros((len(groups), len(resources)), np.bool_)
    for group, at in groups.items():
        allowed[at] = _row(group, resource_at)
    return Columns(
        kind=np.array([kind_at[operation.kind] for operation in operations], np.int32),
        size=np.array([operation.size for operation in operations], np.float32),
        site=np.array([site_at[operation.site] for operation in operations], np.int32),
        data_mib=np.array([operation.data_mib for operation in operations], np.float32),
        deadline_s=np.array([operation.deadline_s for operation in operations], np.float64),
        group=np.array([groups[operation.eligible] for operation in operations], np.int32),
        sites=tuple(site_at),
        allowed=allowed,
    )


def _row(group: frozenset[str] | None, resource_at: Mapping[str, int]) -> "list[bool]":
    if group is None:
        return [True] * len(resource_at)
    unknown = sorted(group - resource_at.keys())
    if unknown:
        raise InvalidInput("eligible", f"there is no resource {unknown[0]!r}")
    return [name in group for name in resource_at]


def _places(what: str, names: Iterable[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for name in names:
        if name in places:
            raise InvalidInput(what, f"two are called {name!r}")
        places[name] = len(places)
    return places


def _tables(
    kinds: Sequence[OperationKind], resources: Sequence[Resource], sites: Sequence[str]
) -> "tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]":
    """Seconds per unit of size, seconds per MiB and loss of coherence, each by resource."""
    import numpy as np

    for what, count, most in (("kinds of operations", len(kinds), MAX_KINDS), ("sites", len(sites), MAX_SITES)):
        if count > most:
            raise LimitExceeded(what, maximum=most, seen=count)
    rates = np.full((max(1, len(kinds)), len(resources)), np.inf, np.float32)
    loss = np.zeros(rates.shape, np.float32)
    links = np.zeros((max(1, len(sites)), len(resources)), np.float32)
    for i, resource in enumerate(resources):
        for at, site in enumerate(sites):
            links[at, i] = resource.link_from(site)
        for at, kind in enumerate(kinds):
            speed = resource.speed_for(kind.name)
            if resource.kind in kind.work and speed > 0:
                rates[at, i] = kind.work[resource.kind] / speed
            loss[at, i] = resource.coherence_loss(kind.coherence_us)
    return rates, links, loss


def _check_columns(columns: Columns, n_kinds: int, m: int) -> None:
    """Kernels trust places to be inside their tables, and numbers to be numbers."""
    import numpy as np

    n = len(columns)
    tables = {"kind": n_kinds, "site": len(columns.sites), "group": len(columns.allowed)}
    for name, size in tables.items():
        places = getattr(columns, name)
        if places.shape != (n,) or (n and (places.min() < 0 or places.max() >= size)):
            raise InvalidInput(name, f"it must be {n} places in a table of {size}")
    for name in ("size", "data_mib"):
        numbers = getattr(columns, name)
        if numbers.shape != (n,) or not np.isfinite(numbers).all() or (numbers < 0).any():
            raise InvalidInput(name, f"it must be {n} finite numbers, none negative")
    if columns.deadline_s.shape != (n,) or np.isnan(columns.deadline_s).any():
        raise InvalidInput("deadline_s", f"it must be {n} numbers")
    if columns.allowed.shape[1:] != (m,):
        raise InvalidInput("allowed", f"it must have one column for each of {m} resources")


def _check_size(n: int, m: int) -> None:
    if n > MAX_OPERATIONS:
        raise LimitExceeded("operations of one problem", maximum=MAX_OPERATIONS, seen=n)
    if m > MAX_RESOURCES:
        raise LimitExceeded("resources of one problem", maximum=MAX_RESOURCES, seen=m)
    if n * m > MAX_PAIRS:
        raise LimitExceeded("operations times resources of one problem", maximum=MAX_PAIRS, seen=n * m)


def _checked(
    cls: type[Problem],
    times: "npt.NDArray[np.float32]",
    queue: "Floats",
    names: tuple[str, ...],
    operations: Sequence[Operation],
    **others: Any,
) -> Problem:
    """The problem, once every operation has somewhere to go."""
    import numpy as np

    m, n = times.shape
    least, usable = np.empty(n, np.float32), np.ones(m, np.bool_)
    useful = kernels("model").least_times(times, least, usable) if times.size else 0.0
    stranded = np.flatnonzero(~np.isfinite(least)) if times.size else np.arange(n)
    if stranded.size:
        named = [operations[j].id if operations else f"operation {j}" for j in stranded[:_NAMED_IN_ERRORS]]
        reason = "there is no resource" if not names else ""
        raise NoEligibleResource(tuple(named), count=int(stranded.size), reason=reason)
    if not math.isfinite(useful):
        raise InvalidInput("operations", "their work adds up to more than can be reckoned with")
    if n and queue.any():
        usable &= ~_too_busy(times, queue)
        times[~usable] = np.inf
    queue = np.where(usable, queue, 0.0)
    return cls(times=times, queue_s=queue, names=names, usable=usable, least_s=least, useful_s=float(useful), **others)


def _too_busy(times: "npt.NDArray[np.float32]", queue: "Floats") -> "npt.NDArray[np.bool_]":
    """Resources whose queue alone is longer than a plain rule takes for everything: they cannot help.

    They are left out, queue and all; otherwise the longest queue would be the makespan of every answer.
    """
    import numpy as np

    loads, choice = queue.copy(), np.empty(times.shape[1], np.int32)
    kernels("lists").earliest(times, np.arange(times.shape[1]), loads, choice)
    given = np.bincount(choice, minlength=len(queue)) > 0
    busy: npt.NDArray[np.bool_] = queue >= loads[given].max()
    return busy
