"""Budgets, what was drawn from them, and what each job cost, as they are kept."""

from enum import StrEnum

import msgspec

from phalanx.allocation.money._periods import Period
from phalanx.allocation.money._prices import PriceTable
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
    """A device that a job was sent to, and the prices of then."""

    device: str
    price: PriceTable


class Charge(Record, frozen=True, kw_only=True, tag="charge"):
    """One job's money; ``id`` is the job's. ``estimated`` and ``spent`` are millionths by unit.

    ``price`` is the table it was submitted under, and is settled by. ``ended_at_ns`` is 0 while it is held. ``places``
    are all devices that it was sent to, each with its prices, ``used`` those that money is held or spent for, as often
    as it is: two for a job that runs on two, and one more for each that a vendor charges for without a result.
    """

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
