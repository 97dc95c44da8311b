"""Which resources of a pool may ever take an operation, and what it costs there besides work."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from phalanx.balancing._limits import MAX_DRIFT, MAX_POOL_KINDS, MAX_SITES
from phalanx.balancing._model import Operation, OperationKind, Resource
from phalanx.balancing._tickets import Seat
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Flags, Sums


class Eligibility:
    """Answers are kept; ``drifted`` forgets them. ``loss`` (kinds, resources) is what decay spoils."""

    def __init__(self, pool: str, kinds: Sequence[OperationKind], seats: Sequence[Seat]) -> None:
        import numpy as np

        self._pool, self._kinds, self._seats = pool, kinds, seats
        self._places = {kind.name: at for at, kind in enumerate(kinds)}
        self._nothing: Sums = np.zeros(len(seats))
        self._links: dict[str, Sums] = {}
        self._allowed: dict[tuple[str, frozenset[str] | None], Flags] = {}
        self._able: Flags | None = None
        self.loss = self._losses()

    def drifted(self) -> None:
        """A device's calibration has changed."""
        self._allowed.clear()
        self._able = None
        self.loss = self._losses()

    def kind_of(self, operation: Operation) -> int:
        """The place of its kind. Raises ``InvalidInput``."""
        if operation.kind not in self._places:
            raise InvalidInput("kind", f"pool {self._pool} knows no kind {operation.kind!r}")
        return self._places[operation.kind]

    def may(self, resource: Resource, kind: OperationKind, eligible: Iterable[str] | None = None) -> bool:
        """Whether the resource could do operations of this kind at all."""
        if resource.kind not in kind.work or resource.speed_for(kind.name) <= 0:
            return False
        if kind.coherence_us > 0 and resource.drift > MAX_DRIFT:
            return False
        return eligible is None or resource.name in eligible

    def able(self) -> "Flags":
        """Which resources could do which kinds at all, (kinds, resources)."""
        if self._able is None:
            import numpy as np

            every = [[self.may(seat.resource, kind) for seat in self._seats] for kind in self._kinds]
            self._able = np.array(every, np.bool_).reshape(len(self._kinds), len(self._seats))
        return self._able

    def allowed(self, operation: Operation) -> "Flags":
        """Which resources may ever take it, whatever they hold."""
        key = (operation.kind, operation.eligible)
        found = self._allowed.get(key)
        if found is None:
            import numpy as np

            kind = self._kinds[self.kind_of(operation)]
            found = np.array([self.may(seat.resource, kind, operation.eligible) for seat in self._seats], np.bool_)
            if len(self._allowed) >= MAX_POOL_KINDS:
                self._allowed.clear()
            self._allowed[key] = found
        return found

    def transfer(self, operation: Operation) -> "Sums":
        """Seconds on each resource besides work: bringing the data."""
        if operation.data_mib == 0.0:
            return self._nothing
        links = self._links.get(operation.site)
        if links is None:
            import numpy as np

            links = np.array([seat.resource.link_from(operation.site) for seat in self._seats])
            if len(self._links) >= MAX_SITES:
                self._links.clear()
            self._links[operation.site] = links
        return links * operation.data_mib

    def _losses(self) -> "Sums":
        """What decay spoils, (kinds, resources)."""
        import numpy as np

        return np.array(
            [[seat.resource.coherence_loss(kind.coherence_us) for seat in self._seats] for kind in self._kinds]
        ).reshape(len(self._kinds), len(self._seats))


def declared_rates(kinds: Sequence[OperationKind], resources: Sequence[Resource]) -> "Sums":
    """Seconds per unit of size before anything was seen, (kinds, resources)."""
    import numpy as np

    rates = np.full((len(kinds), len(resources)), np.inf)
    for at, kind in enumerate(kinds):
        for i, resource in enumerate(resources):
            speed = resource.speed_for(kind.name)
            if resource.kind in kind.work and speed > 0:
                rates[at, i] = kind.work[resource.kind] / speed
    return rates
