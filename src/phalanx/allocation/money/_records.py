"""Budgets, what was drawn from them, and what each job cost, as they are kept."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from phalanx.allocation.money._periods import Period
from phalanx.allocation.money._prices import PriceTable
from phalanx.allocation.money._pricing import Needs
from phalanx.core import Record, Table

BUDGETS = Table("money_budgets", sealed=True)
ACCOUNTS = Table("money_accounts", sealed=True)
CHARGES = Table("money_charges", indexes=("account",), sealed=True)


class Budget(Record, frozen=True, kw_only=True, tag="budget"):
    """What a tenant may use up of one ``unit`` in each period. ``id`` is its name; amounts are in millionths."""

    unit: str
    limit_micros: int
    period: Period


class ChargeState(StrEnum):
    """Where the money of a job is."""

    HELD = "held"
    SETTLED = "settled"
    RELEASED = "released"


class Hold(msgspec.Struct, frozen=True):
    """What a job holds from one account: of which budget, in which period."""

    account: str
    unit: str
    micros: int


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a job was sent to, the prices of then, and what one attempt there was estimated at by them.

    ``estimated`` is in millionths by unit, empty in charges that were written before it was kept.
    """

    device: str
    price: PriceTable
    estimated: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def needs(self) -> Needs:
        return Needs(self.price.currency, self.estimated)


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt on one device was charged, in millionths by unit."""

    device: str
    spent: dict[str, int]


class Charge(Record, frozen=True, kw_only=True, tag="charge"):
    """One job's money; ``id`` is the job's. ``estimated`` and ``spent`` are millionths by unit.

    ``price`` is the table it was submitted under, and is settled by. ``ended_at_ns`` is 0 while it is held. ``places``
    are all devices that it was sent to, each with its prices, ``used`` those that money is held or spent for, as often
    as it is: two for a job that runs on two, and one more for each that a vendor charges for without a result. When it
    has ended, ``shares`` divide ``spent`` among them, and ``ended`` is the state of the job; version 1 had neither.
    """

    VERSION: ClassVar[int] = 2
    UPGRADES: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: dict}

    device: str
    provider: str
    origin: str
    price: PriceTable
    estimated: dict[str, int]
    holds: tuple[Hold, ...]
    state: ChargeState = ChargeState.HELD
    spent: dict[str, int] = msgspec.field(default_factory=dict)
    ended_at_ns: int = 0
    places: tuple[Place, ...] = ()
    used: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()
    ended: str = ""

    @property
    def divided(self) -> tuple[Share, ...]:
        """What each device is due; all of it is the one device's where nobody wrote how it is divided."""
        if self.shares or not self.spent:
            return self.shares
        return (Share(device=self.device, spent=self.spent),)

    def listed(self, device: str) -> PriceTable:
        """The prices that ``device`` was charged by."""
        return next((place.price for place in self.places if place.device == device), self.price)
