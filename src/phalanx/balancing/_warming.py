"""Compiling everything ahead of need, so that nobody waits for a compiler."""

_warm = False


def warm_plans() -> None:
    """Compile or load what the beat and the decision of a pool need: ten seconds the first time, then about one."""
    import numpy as np

    from phalanx.balancing._deciding import compile_decider
    from phalanx.balancing._fluid import plan_fluid

    compile_decider()
    plan_fluid(np.ones((1, 2)), np.ones(1), np.ones(2))


def warm() -> None:
    """Compile or load every kernel by solving small problems, once in a process.

    A minute the first time on a machine, then about a second.
    """
    global _warm
    if _warm:
        return
    _warm = True
    import numpy as np

    from phalanx.balancing._deciding import compile_decider
    from phalanx.balancing._genetic import Genetics
    from phalanx.balancing._limits import SMALL_OPERATIONS
    from phalanx.balancing._model import MAKESPAN_ONLY, Operation, OperationKind, Resource
    from phalanx.balancing._problem import Problem
    from phalanx.balancing._solving import METHODS, solve

    compile_decider()
    kinds = [OperationKind(name="a", work={"x": 1.0, "y": 2.0}, coherence_us=1.0)]
    resources = [
        Resource(name="x", kind="x", queue_s=1.0, coherence_us=9.0),
        Resource(name="y", kind="y", site="s", default_link_s_per_mib=1.0),
    ]
    few = [Operation(id=str(j), kind="a", size=1.0 + j % 3, data_mib=1.0, deadline_s=99.0) for j in range(8)]
    problem = Problem.of(kinds, resources, few)
    for method in METHODS:
        solve(problem, method=method, genetics=Genetics(population=4, generations=1))
    many = np.random.default_rng(1).random((3, SMALL_OPERATIONS + 1)) + 0.1
    solve(Problem.from_times(many), weights=MAKESPAN_ONLY)
