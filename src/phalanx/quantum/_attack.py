"""The security question: how likely is it that an attacker got through?

A **stage** is one step an attack needs (a foothold, stolen credentials, …). Several findings may
speak for it, each with a **risk**: the probability that this finding is what it looks like.
One true finding is enough, so a stage was reached with ``1 − Π(1 − risk)``. A **path** is a set of
stages that together reach the goal; the attacker got through if any path is complete. Paths may
share stages, which is why their probabilities neither add nor multiply: the question is that of
network reliability, #P-hard in general and small enough here to have an exact answer to compare with.

The model's one assumption: given the risks, findings are true independently of each other.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded, Rng
from phalanx.quantum._circuits import n_ancillas
from phalanx.quantum._limits import MAX_PATHS, MAX_RISKS_PER_STAGE, MAX_STAGES

_DRAWS_PER_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of an attack and the risks of the findings that speak for it."""

    name: str
    risks: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.risks) <= MAX_RISKS_PER_STAGE:
            raise LimitExceeded(f"risks of stage {self.name!r}", maximum=MAX_RISKS_PER_STAGE, seen=len(self.risks))
        for risk in self.risks:
            if not 0.0 <= risk <= 1.0:  # also refuses NaN
                raise InvalidInput(f"stage {self.name!r}", f"a risk lies in [0, 1], got {risk}")

    @property
    def probability(self) -> float:
        """That at least one of its findings is true."""
        return 1.0 - math.prod(1.0 - risk for risk in self.risks)


@dataclass(frozen=True, slots=True)
class AttackModel:
    """Stages, and the paths (by stage name) of which any complete one reaches the goal."""

    stages: tuple[Stage, ...]
    paths: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if not 1 <= len(names) <= MAX_STAGES:
            raise LimitExceeded(
                "stages of an attack model",
                maximum=MAX_STAGES,
                seen=len(names),
                hint="give several stages of one phase together, as one stage with all their risks",
            )
        if len(set(names)) != len(names):
            raise InvalidInput("stages", "two stages have one name")
        if not 1 <= len(self.paths) <= MAX_PATHS:
            raise LimitExceeded("paths of an attack model", maximum=MAX_PATHS, seen=len(self.paths))
        for path in self.paths:
            if not path:
                raise InvalidInput("paths", "a path needs at least one stage")
            if unknown := [name for name in path if name not in names]:
                raise InvalidInput("paths", f"there is no stage {unknown[0]!r}")

    @classmethod
    def through(cls, phases: Sequence[Sequence[Stage]]) -> "AttackModel":
        """An attack that must pass every phase, in each by any one of its stages.

        One phase is a noisy-or of its stages; phases of one stage each are a chain.
        """
        stages = tuple(stage for phase in phases for stage in phase)
        paths = itertools.product(*([stage.name for stage in phase] for phase in phases))
        return cls(stages, tuple(itertools.islice(paths, MAX_PATHS + 1)))

    @property
    def n_qubits(self) -> int:
        """Of the circuits that estimate it: one per stage, and clean ones for Z gates under many controls."""
        return len(self.stages) + n_ancillas(len(self.stages))

    def outcomes(self) -> npt.NDArray[np.bool_]:
        """Whether the goal is reached, for each of the ``2^n`` outcomes; stage 0 is the leftmost bit."""
        n = len(self.stages)
        at = {stage.name: 1 << (n - 1 - i) for i, stage in enumerate(self.stages)}
        states = np.arange(1 << n)
        reached = np.zeros(1 << n, dtype=np.bool_)
        for path in self.paths:
            mask = sum(at[name] for name in set(path))
            reached |= (states & mask) == mask
        return reached

    def exact(self) -> float:
        """The answer, by adding up every outcome that reaches the goal."""
        weights = np.ones(1)
        for stage in self.stages:
            p = stage.probability
            weights = np.multiply.outer(weights, [1.0 - p, p]).reshape(-1)
        return float(min(1.0, weights[self.outcomes()].sum()))

    def sample(self, n_samples: int, rng: Rng) -> int:
        """How many of ``n_samples`` attacks drawn at random reach the goal."""
        draw = rng.numpy()
        p = np.array([stage.probability for stage in self.stages])
        place = 1 << np.arange(len(p) - 1, -1, -1)
        reached = self.outcomes()
        hits = 0
        for start in range(0, n_samples, _DRAWS_PER_BLOCK):
            block = draw.random((min(_DRAWS_PER_BLOCK, n_samples - start), len(p))) < p
            hits += int(np.count_nonzero(reached[block @ place]))
        return hits
