"""What an owner has given to one heir, and what to say to it next. Pure except for the future of each end."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from phalanx.agents._limits import MAX_LETTER_BYTES, MAX_LETTER_COPIES, OUTCOME_AGAIN_S
from phalanx.agents._succession_words import Bequest, Copied
from phalanx.core import NS_PER_S

Names = tuple[tuple[str, str], ...]


@dataclass(slots=True, eq=False)
class Bequeathed:
    """One mission that an heir may have.

    ``offer`` is what it is to be told, until it said that it has it. ``ours`` says that the mission may be worked on:
    not before the heir was asked, for one of an earlier life. ``taken`` says that it is the heir's.
    """

    record: Bequest
    offer: Copied | None = None
    durable: bool = True
    ours: bool = True
    kept: bool = False
    taken: bool = False
    released: bool = False
    ending: "asyncio.Future[bool] | None" = None

    @property
    def name(self) -> tuple[str, str]:
        """Tenant and id of the mission."""
        return self.record.tenant, self.record.id

    @property
    def is_unsaid(self) -> bool:
        """Whether there is something of it to say to its heir now."""
        if self.ending is not None:
            return self.durable and not self.ending.done()
        return not self.taken and (not self.ours or self.is_offered)

    @property
    def is_offered(self) -> bool:
        """Whether it is on its way to its heir for the first time."""
        return self.durable and self.offer is not None and not self.kept


@dataclass(slots=True)
class Line:
    """Everything that one heir has, or is about to have."""

    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    missions: dict[str, Bequeathed] = field(default_factory=dict)
    voided: set[int] = field(default_factory=set)
    asked_ns: int = 0
    said_ns: int = 0

    @property
    def has_more(self) -> bool:
        """Whether there is more to say at once."""
        return any(one.is_unsaid for one in self.missions.values())

    def offers(self) -> tuple[Copied, ...]:
        """As many as go into one letter."""
        offers, size = list[Copied](), 0
        for one in self.missions.values():
            if one.offer is not None and one.is_offered and one.ending is None:
                size += len(one.offer.record) + len(one.offer.luggage)
                if offers and (size > MAX_LETTER_BYTES or len(offers) == MAX_LETTER_COPIES):
                    break
                offers.append(one.offer)
        return tuple(offers)

    def releases(self) -> Names:
        """What came to its end here and waits for the heir to give up its copy."""
        found = (one.name for one in self.missions.values() if one.ending is not None and one.is_unsaid)
        return tuple(islice(found, MAX_LETTER_COPIES))

    def asks(self, now_ns: int) -> Names:
        """Those of an earlier life, and now and then those that were taken."""
        is_due = now_ns - self.asked_ns > OUTCOME_AGAIN_S * NS_PER_S
        found = (
            one.name for one in self.missions.values() if (is_due if one.taken else not one.ours) and one.ending is None
        )
        return tuple(islice(found, MAX_LETTER_COPIES))


def heir_and_umpire(mission: str, present: Sequence[str]) -> tuple[str, str]:
    """Of a mission: spread evenly, and the same whoever reckons; no umpire where there are two nodes."""
    ranked = sorted(present, key=lambda one: hashlib.blake2s(f"{mission}/{one}".encode()).digest())
    return ranked[0], ranked[1] if len(ranked) > 1 else ""
