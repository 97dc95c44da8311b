"""Price tables: what a device costs here, where that differs from what its provider says.

A table is for one device (``ibm.torino``) or for all of a provider (``ibm.*``), names its source and the date at which
it was true, and holds until it is replaced: what is charged by is written into each charge.
"""

import msgspec

from phalanx.allocation.money._limits import MAX_NAME_CHARS, MAX_PRICE_TABLES
from phalanx.allocation.money._pricing import QUOTAS
from phalanx.core import DEFAULT_TENANT, Delete, InvalidInput, NotFound, Put, Store, Table
from phalanx.devices import DeviceModel, PriceModel, PriceShape

PRICES = Table("money_prices")


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``cost = max(minimum, fixed + shots·(per_shot + Σ n·per_gate) + seconds·per_second)`` in ``currency``."""

    device: str
    shape: PriceShape
    currency: str
    as_of_ns: int
    source: str
    fixed: float = 0.0
    per_shot: float = 0.0
    per_one: float = 0.0
    per_two: float = 0.0
    per_measured: float = 0.0
    per_second: float = 0.0
    minimum: float = 0.0
    per_month: float = 0.0

    @classmethod
    def of(cls, device: str, price: PriceModel) -> "PriceTable":
        """A price, for a device or for ``provider.*``."""
        return cls(device=device, **{name: getattr(price, name) for name in price.__slots__})

    def check(self) -> None:
        """Raises ``InvalidInput``."""
        provider, _, device = self.device.partition(".")
        if not (provider and device) or len(self.device) > MAX_NAME_CHARS:
            raise InvalidInput("device", f"{self.device!r} is neither a device's name nor `provider.*`")
        if not self.currency or self.currency in QUOTAS or not self.currency.isprintable():
            raise InvalidInput("currency", f"{self.currency!r} is no currency")
        if not self.source:
            raise InvalidInput("source", "who says so?")
        model = self.model
        if not all(0.0 <= each < 1e12 for each in (*model.coefficients, model.per_month)):
            raise InvalidInput("price", "prices are not negative, and finite")

    @property
    def model(self) -> PriceModel:
        return PriceModel(**{name: getattr(self, name) for name in self.__struct_fields__ if name != "device"})


class Prices:
    """The price tables of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, table: PriceTable) -> None:
        """From now on; a job is settled by the prices it was submitted under."""
        table.check()
        if len(await self.tables()) >= MAX_PRICE_TABLES:
            raise InvalidInput("device", f"there are {MAX_PRICE_TABLES} price tables already")
        await self._store.commit([Put(PRICES, DEFAULT_TENANT, table.device, msgspec.json.encode(table))])

    async def remove(self, device: str) -> PriceTable:
        """What the provider says holds again; the table that held. Raises ``NotFound``."""
        row = await self._store.get(PRICES, DEFAULT_TENANT, device)
        if row is None:
            raise NotFound("price table", device)
        await self._store.commit([Delete(PRICES, DEFAULT_TENANT, device)])
        return msgspec.json.decode(row.value, type=PriceTable)

    async def tables(self) -> list[PriceTable]:
        """By device."""
        rows = await self._store.scan(PRICES, DEFAULT_TENANT)
        return [msgspec.json.decode(row.value, type=PriceTable) for row in rows]

    async def of(self, model: DeviceModel) -> PriceTable:
        """The table of the device, or that of its provider, or what the provider says."""
        for name in (model.name, f"{model.provider}.*"):
            row = await self._store.get(PRICES, DEFAULT_TENANT, name)
            if row is not None:
                return msgspec.json.decode(row.value, type=PriceTable)
        return PriceTable.of(model.name, model.price)
