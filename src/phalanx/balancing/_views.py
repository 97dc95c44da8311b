"""What a pool shows of itself: to the API, the dashboard and the command line. Plain data."""

import msgspec


class ResourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One resource now. ``state`` says in words what may be given to it.

    ``free_in_s`` is when it will have done what it holds, ``utilisation`` the busy share of the last minute, and
    ``target`` the share that the plan gives it. ``price`` is what a second of it is worth; all prices add up to one.
    ``slowness`` is how much longer things take there than declared. ``limit`` is what it may hold at the moment.
    """

    name: str
    kind: str
    state: str
    held: int
    limit: int
    capacity: int
    free_in_s: float
    utilisation: float
    target: float
    price: float
    slowness: float
    drift: float
    done: int
    failed: int


class KindView(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the distribution matrix, in the order of the pool's resources.

    ``planned`` are the shares of the plan, ``placed`` what became of what arrived in the last minutes; each adds up to
    one, or to nought when there was nothing. ``expected_s`` is what one operation of size 1 takes, null where it cannot
    go, ``observations`` how many have been seen there.
    """

    name: str
    arrivals_per_s: float
    planned: tuple[float, ...]
    placed: tuple[float, ...]
    expected_s: tuple[float | None, ...]
    observations: tuple[int, ...]


class PlacementView(msgspec.Struct, frozen=True, kw_only=True):
    """One operation and where it went. ``expected_done_s`` is from when it was placed."""

    at_ns: int
    operation: str
    kind: str
    tenant: str
    resource: str
    expected_wait_s: float
    expected_done_s: float
    reason: str


class PoolView(msgspec.Struct, frozen=True, kw_only=True):
    """A pool: resources that do one another's work, and how it is spread over them.

    ``planned_peak`` is the highest utilisation of the plan and ``bound`` what no plan can be below; above one, more
    arrives than can be done. A bound of nought says that work is split by speed, without a solver. ``planning`` says
    in words how it is split, and why.
    """

    name: str
    title: str
    resources: tuple[ResourceView, ...]
    kinds: tuple[KindView, ...]
    planned_peak: float
    bound: float
    planning: str
    placed: int
    late: int
    refused: int
    moved: int
