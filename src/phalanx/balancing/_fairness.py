"""Who goes first when there is more to do than can be done: tenants by what they have been served so far.

Start-time fair queueing. Each tenant has a virtual time that moves on by the work it is served over its weight; the
tenant with the least goes first. One that comes back after a pause begins at the present, so that silence earns no
credit to flood with.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from phalanx.balancing._limits import MAX_TENANTS

T = TypeVar("T", bound=str)


class FairShares:
    """Virtual times of tenants. ``weights`` gives some a larger share; 1 is everybody's."""

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(weights or {})
        self._served: dict[str, float] = {}
        self._present = 0.0

    def charge(self, tenant: str, work: float) -> None:
        """``tenant`` is being served ``work``."""
        start = max(self._served.pop(tenant, 0.0), self._present)
        self._present = start
        self._served[tenant] = start + work / self._weights.get(tenant, 1.0)
        if len(self._served) > MAX_TENANTS:
            del self._served[next(iter(self._served))]

    def order(self, tenants: Iterable[T]) -> list[T]:
        """The least served first; of equals, as they were given."""
        return sorted(tenants, key=lambda tenant: max(self._served.get(tenant, 0.0), self._present))
