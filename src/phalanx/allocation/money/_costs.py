"""What one job costs, as it is shown: what is held or charged, by which price lists, and all of it in words. Pure."""

from collections.abc import Collection
from datetime import UTC, datetime

import msgspec

from phalanx.allocation.money._prices import PriceTable
from phalanx.allocation.money._pricing import QUOTAS, SECONDS_UNIT, SHOTS_UNIT
from phalanx.allocation.money._records import Charge, ChargeState
from phalanx.core import NS_PER_S, Origin
from phalanx.devices import MICROS

# With their digits: seconds were measured or estimated, and more of theirs say nothing.
_COUNTED = ((SHOTS_UNIT, 9), (SECONDS_UNIT, 3))


class PriceListed(msgspec.Struct, frozen=True, kw_only=True):
    """The list that a device is charged by: how, in what, who says so, of when. ``as_of_ns`` 0: no list is known."""

    device: str
    shape: str
    currency: str
    source: str
    as_of_ns: int


class JobCost(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts by unit: money, and what quotas count. ``held`` until it has ended, ``charged`` since.

    ``lists`` are those of the devices that it was sent to; what runs in simulators and on emulated machines costs
    nothing, and has none. ``told`` says it in words.
    """

    state: str
    held: dict[str, float]
    charged: dict[str, float]
    lists: tuple[PriceListed, ...]
    told: str


def cost_of(charge: Charge, real: Collection[str]) -> JobCost:
    """As it is held or charged now. ``real`` are the devices of it that somebody is paid for, if there is no list."""
    ended = charge.state is not ChargeState.HELD
    amounts = {unit: micros / MICROS for unit, micros in sorted((charge.spent if ended else charge.estimated).items())}
    lists = [place.price for place in charge.places] or [charge.price]
    names = [place.device for place in charge.places] or [charge.device]
    listed = tuple(
        _listed(name, price) for name, price in zip(names, lists, strict=True) if name in real or not _bare(price)
    )
    return JobCost(
        state=charge.state.value, held={} if ended else amounts, charged=amounts if ended else {}, lists=listed,
        told=_told(charge, amounts, listed),
    )  # fmt: skip


def _told(charge: Charge, amounts: dict[str, float], listed: tuple[PriceListed, ...]) -> str:
    money = ", ".join(f"{amount:,.6g} {unit}" for unit, amount in amounts.items() if unit not in QUOTAS and amount)
    counted = ", ".join(f"{amounts[unit]:,.{digits}g} {unit}" for unit, digits in _COUNTED if amounts.get(unit))
    beside = f" ({counted})" if counted else ""
    if charge.state is ChargeState.RELEASED:
        return "nothing: no device was charged for, and what it held is free again"
    if not listed:
        how = "simulated" if charge.origin == Origin.SIMULATED.value else "emulated"
        return f"nothing: what is {how} here costs nothing{beside}"
    by = "; ".join(_by(one) for one in listed)
    if not money and all(not one.as_of_ns for one in listed):
        return f"not known: {by}{beside}"
    what = money or "nothing more"
    again = f", {len(charge.used)} times: without a result it is charged too" if len(charge.used) > 1 else ""
    return f"{what} {'held' if charge.state is ChargeState.HELD else 'charged'}{beside}, by {by}{again}"


def _by(one: PriceListed) -> str:
    if not one.as_of_ns:
        return f"no price list of {one.device} is known here"
    return f"the list of {one.device} ({one.source}, {datetime.fromtimestamp(one.as_of_ns / NS_PER_S, UTC):%Y-%m-%d})"


def _bare(price: PriceTable) -> bool:
    """Of no list."""
    return price.as_of_ns == 0 and not any((*price.model.coefficients, price.model.per_month))


def _listed(device: str, price: PriceTable) -> PriceListed:
    return PriceListed(
        device=device, shape=price.shape.value, currency=price.currency, source=price.source, as_of_ns=price.as_of_ns
    )
