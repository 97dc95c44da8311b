"""What a kind of operation takes on a resource, learned from what it took.

Every pair starts from what was declared (work over speed). What is observed on one pair also says something of the
others: a kind that was declared too dear is so everywhere, and a resource that is slow at one thing is mostly slow at
all. So a pair is expected to be its declaration times the factors of its kind and of its resource, until it has been
seen often enough to speak for itself. Otherwise the first resource that is tried would look better than its untried
twin for ever.
"""

from typing import TYPE_CHECKING

from phalanx.balancing._limits import LEAST_LEARNING, MAX_SURPRISE, TRUSTED_OBSERVATIONS

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Sums


class Estimates:
    """Seconds per unit of size, ``rates`` (kinds, resources); infinity where a kind cannot go."""

    def __init__(self, declared: "Sums") -> None:
        import numpy as np

        self._declared = declared
        self._seen = np.zeros(declared.shape)
        self._own = declared.copy()
        self._by_kind = np.ones(declared.shape[0])
        self._of_kind = np.zeros(declared.shape[0])
        self._by_resource = np.ones(declared.shape[1])
        self.rates = declared.copy()

    def observe(self, kind: int, resource: int, size: float, seconds: float) -> None:
        """One operation of ``size`` took ``seconds``. What is beyond belief counts only as far as belief goes."""
        if not size > 0.0 or not seconds >= 0.0 or not self._declared[kind, resource] < float("inf"):
            return
        expected, declared = float(self.rates[kind, resource]), float(self._declared[kind, resource])
        seen = seconds / size
        if expected > 0.0:
            seen = min(max(seen, expected / MAX_SURPRISE), expected * MAX_SURPRISE)
        self._seen[kind, resource] += 1.0
        self._of_kind[kind] += 1.0
        own = max(LEAST_LEARNING, 1.0 / float(self._seen[kind, resource]))
        self._own[kind, resource] += own * (seen - float(self._own[kind, resource]))
        if declared > 0.0:
            factor = seen / declared
            common = max(LEAST_LEARNING, 1.0 / float(self._of_kind[kind]))
            self._by_kind[kind] += common * (factor / float(self._by_resource[resource]) - float(self._by_kind[kind]))
            apart = factor / max(float(self._by_kind[kind]), 1e-12)
            self._by_resource[resource] += LEAST_LEARNING * (apart - float(self._by_resource[resource]))
        self._settle(kind, resource)

    def forget(self, resource: int) -> None:
        """Another one has taken the place of this resource: what was learned of the old one is not true of it."""
        self._seen[:, resource] = 0.0
        self._by_resource[resource] = 1.0
        self.rates[:, resource] = self._declared[:, resource] * self._by_kind

    def observations(self, kind: int, resource: int) -> int:
        return int(self._seen[kind, resource])

    def slowness(self, resource: int) -> float:
        """How much longer than others of its declaration things take there, over all kinds."""
        return float(self._by_resource[resource])

    def _settle(self, kind: int, resource: int) -> None:
        """Weigh own observations against what the factors say, for every pair that shares one of them."""
        for at in (slice(kind, kind + 1), slice(None)), (slice(None), slice(resource, resource + 1)):
            said = self._declared[at] * self._by_kind[at[0], None] * self._by_resource[None, at[1]]
            trust = self._seen[at] / (self._seen[at] + TRUSTED_OBSERVATIONS)
            blended = said * (1.0 - trust)
            known = trust > 0.0
            blended[known] += trust[known] * self._own[at][known]
            self.rates[at] = blended
