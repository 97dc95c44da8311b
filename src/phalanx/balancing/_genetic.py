"""The genetic solver, with the specified parameters as defaults.

Binary tournaments choose parents; a pair is crossed between two cuts with probability ``crossover``; of the children a
share ``mutation`` has one operation moved to a random eligible resource (the rate is per individual: per gene it would
undo what was learned). The best individual lives on. Loads and costs of an individual are carried along, so a child
costs what differs from its parent.

From a random start it is far behind any list rule after 50 generations; seeded with a good answer it polishes that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.balancing._limits import (
    CROSSOVER_RATE,
    GENERATIONS,
    MAX_GENERATIONS,
    MAX_GENES,
    MAX_POPULATION,
    MUTATION_RATE,
    POPULATION,
)
from phalanx.balancing._problem import Problem
from phalanx.balancing._scoring import Objective
from phalanx.core import InvalidInput, LimitExceeded, Rng

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Genetics:
    """Parameters of the genetic solver."""

    population: int = POPULATION
    generations: int = GENERATIONS
    mutation: float = MUTATION_RATE
    crossover: float = CROSSOVER_RATE

    def __post_init__(self) -> None:
        if not 2 <= self.population <= MAX_POPULATION:
            raise InvalidInput("population", f"{self.population} is not between 2 and {MAX_POPULATION}")
        if not 0 <= self.generations <= MAX_GENERATIONS:
            raise InvalidInput("generations", f"{self.generations} is not between 0 and {MAX_GENERATIONS}")
        for what, rate in (("mutation", self.mutation), ("crossover", self.crossover)):
            if not 0.0 <= rate <= 1.0:
                raise InvalidInput(what, f"{rate} is not a probability")


def evolve(
    problem: Problem,
    objective: Objective,
    rng: Rng,
    genetics: Genetics,
    seeds: "Sequence[npt.NDArray[np.int32]]" = (),
) -> "npt.NDArray[np.int32]":
    """The best individual after the last generation. ``seeds`` are in the first one, repeated to fill it.

    Without seeds every individual is a random eligible assignment.
    """
    import numpy as np

    from phalanx.balancing._kernels_genetic import breed, fitness, measure, mutate

    n, m, size = problem.n_operations, problem.n_resources, genetics.population
    if size * n > MAX_GENES:
        raise LimitExceeded("genes of a population", maximum=MAX_GENES, seen=size * n)
    draws = rng.child("genetic").numpy()
    costs, has_costs = objective.costs, objective.has_costs
    pool = _first(problem, draws, size, seeds)
    loads, extra, fit = np.empty((size, m)), np.empty(size), np.empty(size)
    measure(problem.times, costs, has_costs, problem.queue_s, pool, loads, extra)
    fitness(loads, extra, objective.weight, fit)
    if seeds:
        _vary(problem, objective, draws, pool, loads, extra, first=len(seeds))
        fitness(loads, extra, objective.weight, fit)
    spare = np.empty_like(pool), np.empty_like(loads), np.empty_like(extra)
    for _ in range(genetics.generations):
        rivals = draws.integers(0, size, (size, 2, 2))
        parents = np.where(fit[rivals[..., 0]] <= fit[rivals[..., 1]], rivals[..., 0], rivals[..., 1])
        parents[0] = fit.argmin()
        crossed = draws.random(size) < genetics.crossover
        crossed[0] = False
        cuts = np.sort(draws.integers(0, n + 1, (size, 2)), axis=1)
        breed(problem.times, costs, has_costs, pool, loads, extra, parents, cuts, crossed, *spare)
        (pool, loads, extra), spare = spare, (pool, loads, extra)
        who = 1 + np.flatnonzero(draws.random(size - 1) < genetics.mutation)
        mutate(
            problem.times, costs, has_costs, pool, loads, extra, who, draws.integers(0, n, who.size),
            draws.random(who.size),
        )  # fmt: skip
        fitness(loads, extra, objective.weight, fit)
    best: npt.NDArray[np.int32] = pool[fit.argmin()].astype(np.int32)
    return best


def _first(
    problem: Problem, draws: "np.random.Generator", size: int, seeds: "Sequence[npt.NDArray[np.int32]]"
) -> "npt.NDArray[np.int16]":
    import numpy as np

    from phalanx.balancing._kernels_genetic import scatter

    pool = np.empty((size, problem.n_operations), np.int16)
    for p in range(size):
        if seeds:
            pool[p] = seeds[p % len(seeds)]
        else:
            scatter(problem.times, draws.random(problem.n_operations), pool[p])
    return pool


def _vary(
    problem: Problem,
    objective: Objective,
    draws: "np.random.Generator",
    pool: "npt.NDArray[np.int16]",
    loads: "npt.NDArray[np.float64]",
    extra: "npt.NDArray[np.float64]",
    *,
    first: int,
) -> None:
    """One move in every copy of a seed, so that there is something to select from; the seeds stay as they are."""
    import numpy as np

    from phalanx.balancing._kernels_genetic import mutate

    who = np.arange(first, len(pool))
    gene, draw = draws.integers(0, problem.n_operations, who.size), draws.random(who.size)
    mutate(problem.times, objective.costs, objective.has_costs, pool, loads, extra, who, gene, draw)
