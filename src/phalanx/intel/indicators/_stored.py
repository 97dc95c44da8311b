"""Indicators asked of the archive: of every different value once, and of events only where one is on a list."""

from collections.abc import Sequence

from phalanx.core import EventBatch, TenantId
from phalanx.intel.archive import Lookup
from phalanx.intel.indicators._detector import hits_of
from phalanx.intel.indicators._indicators import Indicators
from phalanx.intel.indicators._model import Kind
from phalanx.intel.indicators._observables import FIELD_KINDS, looked_for_in, observed_in


def lookups_of(indicators: Indicators, tenant: TenantId) -> list[Lookup]:
    """What asks the archive for everything that is looked for in a tenant's events.

    One for each kind of field, since what a value may be goes by its field's name; the first judges for all.
    """

    def judge(batch: EventBatch) -> list[tuple[str, int]]:
        return [(hit.rule.name, hit.place) for hit in hits_of(indicators, batch)]

    return [
        Lookup(
            lambda name, kind=kind: kind in looked_for_in(name),  # type: ignore[misc]
            lambda values, kind=kind: _listed(indicators, tenant, values, kind),  # type: ignore[misc]
            judge if at == 0 else lambda _: (),
        )
        for at, kind in enumerate(FIELD_KINDS)
    ]  # fmt: skip


def _listed(indicators: Indicators, tenant: TenantId, values: Sequence[str], kind: str) -> list[bool]:
    wanted = frozenset((kind,))
    asked: list[tuple[Kind, str]] = []
    whose: dict[str, list[int]] = {}
    for at, value in enumerate(values):
        for observed in observed_in(value, wanted):
            asked.append(observed)
            whose.setdefault(observed[1], []).append(at)
    found = [False] * len(values)
    for match in indicators.match(tenant, asked):
        for at in whose.get(match.value, ()):
            found[at] = True
    return found
