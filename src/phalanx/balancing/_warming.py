"""Compiling or loading kernels ahead of need, in pieces, so that nobody waits for all of them at once."""

from collections.abc import Callable, Sequence
from functools import partial

Piece = tuple[str, Callable[[], None]]

# Names of the pieces that have been run in this process.
_run: set[str] = set()


def warming() -> Sequence[Piece]:
    """What still has to be run for every kernel to be there: each with its name, the usual way of solving first.

    Twenty seconds of a processor the first time on a machine; after that half a second together.
    """
    from phalanx.balancing._deciding import compile_decider
    from phalanx.balancing._solving import DEFAULT_METHOD, METHODS

    pieces: list[Piece] = [
        ("placing of single operations", compile_decider),
        ("plan of a beat", _plan),
        ("costs and bounds", partial(_few, "earliest")),
        ("prices", partial(_few, DEFAULT_METHOD)),
        ("prices of many operations", _many),
        *((method, partial(_few, method)) for method in METHODS if method not in {DEFAULT_METHOD, "earliest"}),
    ]
    return [(name, partial(_once, name, load)) for name, load in pieces if name not in _run]


def warm() -> None:
    """Compile or load every kernel, once in a process."""
    for _, load in warming():
        load()


def _once(name: str, load: Callable[[], None]) -> None:
    load()
    _run.add(name)


def _plan() -> None:
    import numpy as np

    from phalanx.balancing._fluid import plan_fluid

    plan_fluid(np.ones((1, 2)), np.ones(1), np.ones(2))


def _few(method: str) -> None:
    """A problem that has everything: costs, queues, deadlines, data."""
    from phalanx.balancing._genetic import Genetics
    from phalanx.balancing._model import Operation, OperationKind, Resource
    from phalanx.balancing._problem import Problem
    from phalanx.balancing._solving import solve

    kinds = [OperationKind(name="a", work={"x": 1.0, "y": 2.0}, coherence_us=1.0)]
    resources = [
        Resource(name="x", kind="x", queue_s=1.0, coherence_us=9.0),
        Resource(name="y", kind="y", site="s", default_link_s_per_mib=1.0),
    ]
    few = [Operation(id=str(j), kind="a", size=1.0 + j % 3, data_mib=1.0, deadline_s=99.0) for j in range(8)]
    solve(Problem.of(kinds, resources, few), method=method, genetics=Genetics(population=4, generations=1))


def _many() -> None:
    import numpy as np

    from phalanx.balancing._limits import SMALL_OPERATIONS
    from phalanx.balancing._model import MAKESPAN_ONLY
    from phalanx.balancing._problem import Problem
    from phalanx.balancing._solving import solve

    many = np.random.default_rng(1).random((3, SMALL_OPERATIONS + 1)) + 0.1
    solve(Problem.from_times(many), weights=MAKESPAN_ONLY)
