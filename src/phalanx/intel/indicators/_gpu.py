"""The way to a GPU, which loads what it needs when somebody goes it."""

from typing import TYPE_CHECKING

from phalanx.intel.indicators._table import IndicatorTable

if TYPE_CHECKING:
    from phalanx.intel.indicators._cuda import DeviceTable


def on_gpu(table: IndicatorTable) -> "DeviceTable":
    """``table`` in a GPU's memory. Raises ``Unavailable`` where there is none."""
    from phalanx.intel.indicators._cuda import DeviceTable

    return DeviceTable(table)
