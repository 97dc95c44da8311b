"""What detectors remember, house by house: the part of a detector that is the same for all.

A detector says what it remembers of a tenant, as a struct that is written as it is, and between what its thresholds
follow. Here is the state that is committed with the cursor, which of it changed, and the thresholds on record. What a
house remembers by name is bounded by ``heard``.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from phalanx.core import TenantId
from phalanx.learning import AdaptiveThreshold

AHouse = TypeVar("AHouse", bound=msgspec.Struct)
Known = TypeVar("Known")


class Remembering(Generic[AHouse]):
    """A detector that remembers. Who derives from it names itself and its kind of house, which is made empty."""

    name: ClassVar[str]
    house_type: type[AHouse]

    def __init__(self) -> None:
        self._houses: dict[TenantId, AHouse] = {}
        self._changed: set[TenantId] = set()

    def house(self, tenant: TenantId) -> AHouse:
        """What is remembered of ``tenant``; it is about to change."""
        self._changed.add(tenant)
        house = self._houses.get(tenant)
        if house is None:
            house = self._houses[tenant] = self.completed(self.house_type())
        return house

    def completed(self, house: AHouse) -> AHouse:
        """A house that was made or read, with what it lacks."""
        return house

    def state(self, tenant: TenantId) -> bytes | None:
        """What is remembered, when it changed since it was last asked for or restored."""
        if tenant not in self._changed:
            return None
        self._changed.discard(tenant)
        return msgspec.msgpack.encode(self._houses[tenant])

    def restore(self, tenant: TenantId, state: bytes | None) -> None:
        """Remember exactly ``state``, and nothing when it is None."""
        self._changed.discard(tenant)
        self._houses.pop(tenant, None)
        if state is not None:
            self._houses[tenant] = self.completed(msgspec.msgpack.decode(state, type=self.house_type))


class Bar(NamedTuple):
    """Between what a threshold follows the scores, and the part of them that is wanted beyond it."""

    floor: float
    ceiling: float
    passing: float


class WithThresholds(msgspec.Struct):
    """A house with thresholds, each by the name of the pattern that it holds back."""

    thresholds: dict[str, AdaptiveThreshold] = msgspec.field(default_factory=dict)


AFollowedHouse = TypeVar("AFollowedHouse", bound=WithThresholds)


class Following(Remembering[AFollowedHouse]):
    """A detector whose thresholds follow the house. ``bars`` are by the name of the pattern that each holds back."""

    bars: ClassVar[Mapping[str, Bar]]

    def completed(self, house: AFollowedHouse) -> AFollowedHouse:
        """A state from before a pattern was known lacks its threshold."""
        for name, bar in self.bars.items():
            if name not in house.thresholds:
                house.thresholds[name] = AdaptiveThreshold.between(bar.floor, bar.ceiling, passing=bar.passing)
        return house

    def thresholds(self, tenant: TenantId) -> Mapping[str, AdaptiveThreshold]:
        """By the name of the pattern that each holds back."""
        house = self._houses.get(tenant)
        return {} if house is None else house.thresholds


def heard(known: dict[str, Known], name: str, make: Callable[[], Known], *, most: int) -> Known:
    """What is known of ``name``, now heard last. Of more than ``most`` the one heard longest ago goes."""
    one = known.pop(name, None)
    if one is None:
        one = make()
    known[name] = one
    if len(known) > most:
        del known[next(iter(known))]
    return one
