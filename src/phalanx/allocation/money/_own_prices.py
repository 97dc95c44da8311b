"""Devices at this node's own prices, where it has a table that goes before what their providers say."""

from dataclasses import replace

from phalanx.allocation.money._prices import Prices, PriceTable
from phalanx.devices import DeviceModel


class OwnPrices:
    """The tables as they were read last. One device with one table is one object, until either changes."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._tables: dict[str, PriceTable] = {}
        self._made: dict[str, tuple[DeviceModel, DeviceModel]] = {}

    async def refresh(self) -> None:
        """Read the tables anew: another node of the same store may have changed them."""
        tables = {one.device: one for one in await self._prices.tables()}
        if tables != self._tables:
            self._tables, self._made = tables, {}

    def of(self, model: DeviceModel) -> DeviceModel:
        """The device as it is, but for its price."""
        table = self._tables.get(model.name) or self._tables.get(f"{model.provider}.*")
        if table is None:
            return model
        known = self._made.get(model.name)
        if known is None or known[0] is not model:
            known = self._made[model.name] = (model, replace(model, price=table.model))
        return known[1]
