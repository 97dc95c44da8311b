"""Cryptographic inventory: which keys, certificates and endpoints there are, and what a quantum computer does to them.

``take_stock`` reads files and folders, ``judge`` says of each asset whether it is vulnerable, until when it may
be used and what to replace it by, ``cbom`` writes all of it as CycloneDX 1.6. ``inventory_duty`` is the duty
of specialists.

Raises nothing of its own: ``NotFound`` for a path that is not there.
"""

from phalanx.posture._cbom import cbom
from phalanx.posture._duty import StockPlan, inventory_duty
from phalanx.posture._inventory import Stock, take_stock
from phalanx.posture._judging import judge, most_urgent_first
from phalanx.posture._model import INVENTORIES, Asset, Inventory, Judgement, Listed, Use
from phalanx.posture._reading import assets_in

__all__ = [
    "INVENTORIES",
    "Asset",
    "Inventory",
    "Judgement",
    "Listed",
    "Stock",
    "StockPlan",
    "Use",
    "assets_in",
    "cbom",
    "inventory_duty",
    "judge",
    "most_urgent_first",
    "take_stock",
]
