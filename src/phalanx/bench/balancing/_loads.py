"""Seeded instances of five families, as columns or as a matrix, for the benchmark of balancing.

- security: kinds of operations that need processors, devices, or either; sites, links, data; coherence and drift;
- consistent, semi-consistent, inconsistent: the families of Braun et al., with high heterogeneity of operations and of
  resources: a resource is faster than the next at everything, so is every second one, or none is;
- bottleneck: half of the operations can only be done by four of the devices.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from phalanx.balancing import Columns, OperationKind, Problem, Resource

if TYPE_CHECKING:
    import numpy as np

N_RESOURCES = 64
# Makes the problem from columns or a matrix that are there already; the time of that is part of an answer's.
Instance = Callable[[], Problem]
Family = Callable[["np.random.Generator", int], Instance]
_SITES = ("fra", "ams", "iad", "sin")


def security(draws: "np.random.Generator", n: int) -> Instance:
    """What a security node has to spread, with everything the cost model knows."""
    import numpy as np

    n_kinds, m = 24, N_RESOURCES
    names = [f"kind-{at}" for at in range(n_kinds)]
    base = draws.lognormal(0.0, 1.0, n_kinds)
    where = draws.integers(0, 4, n_kinds)
    kinds = []
    for at, name in enumerate(names):
        work = {"cpu": float(base[at]), "qpu": float(base[at] * draws.uniform(0.2, 2.0))}
        if where[at] == 1:
            del work["cpu"]
        elif where[at] == 2:
            del work["qpu"]
        kinds.append(OperationKind(name=name, work=work, coherence_us=float(where[at] == 1) * draws.uniform(5, 60)))
    resources = [
        Resource(
            name=f"r{i}",
            kind="qpu" if i < m // 3 else "cpu",
            speed=dict(zip(names, draws.lognormal(0.0, 0.5, n_kinds).tolist(), strict=True)),
            availability=float(draws.uniform(0.8, 1.0)),
            coherence_us=float(draws.uniform(50, 400)),
            drift=float(draws.uniform(0.0, 0.3)),
            site=_SITES[i % len(_SITES)],
            default_link_s_per_mib=float(draws.uniform(0.02, 0.3)),
        )
        for i in range(m)
    ]
    columns = Columns(
        kind=draws.choice(n_kinds, n, p=draws.dirichlet(np.ones(n_kinds))).astype(np.int32),
        size=draws.lognormal(0.0, 0.5, n).astype(np.float32),
        site=draws.integers(0, len(_SITES), n).astype(np.int32),
        data_mib=draws.exponential(0.5, n).astype(np.float32),
        deadline_s=np.full(n, np.inf),
        group=np.zeros(n, np.int32),
        sites=_SITES,
        allowed=np.ones((1, m), np.bool_),
    )
    return lambda: Problem.from_columns(kinds, resources, columns)


def _heterogeneous(kind: str) -> Family:
    def made(draws: "np.random.Generator", n: int) -> Instance:
        import numpy as np

        times = draws.uniform(1, 3000, n)[:, None] * draws.uniform(1, 1000, (n, N_RESOURCES))
        if kind == "consistent":
            times.sort(axis=1)
        elif kind == "semi-consistent":
            times[:, ::2] = np.sort(times[:, ::2], axis=1)
        return _of_matrix(times)

    return made


def bottleneck(draws: "np.random.Generator", n: int) -> Instance:
    """Half of the operations wait for four devices."""
    import numpy as np

    n_kinds, devices = 12, 4
    base = draws.lognormal(0.0, 0.5, (n_kinds, N_RESOURCES))
    base[: n_kinds // 2, devices:] = np.inf
    base[n_kinds // 2 :, :devices] *= 3.0
    times = base[draws.integers(0, n_kinds, n)] * draws.lognormal(0.0, 0.7, n)[:, None]
    return _of_matrix(times * draws.uniform(0.9, 1.1, (n, N_RESOURCES)))


def _of_matrix(times: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> Instance:
    import numpy as np

    matrix = np.ascontiguousarray(times.T, np.float32)
    return lambda: Problem.from_times(matrix)


FAMILIES: Mapping[str, Family] = {
    "security": security,
    "consistent": _heterogeneous("consistent"),
    "semi-consistent": _heterogeneous("semi-consistent"),
    "inconsistent": _heterogeneous("inconsistent"),
    "quantum-bottleneck": bottleneck,
}
