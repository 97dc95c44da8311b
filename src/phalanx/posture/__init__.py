"""Cryptographic inventory: which keys, certificates and endpoints there are, and what a quantum computer does to
them.

``take_stock`` reads files and folders (source code too), ``look_at`` asks endpoints, ``judge`` says of each asset
whether it is vulnerable, until when it may be used and what to replace it with, ``cbom`` writes all of it as
CycloneDX 1.6, ``compare`` compares two of these. ``inventory_duty`` is the duty of specialists.

Raises nothing of its own: ``NotFound`` for a path that does not exist, ``InvalidInput`` for what is not an endpoint
or CBOM.
"""

from phalanx.posture._cbom import cbom
from phalanx.posture._diff import Difference, Entry, compare
from phalanx.posture._duty import StockPlan, inventory_duty
from phalanx.posture._endpoints import look_at, parse_endpoint, ssh_assets, tls_assets
from phalanx.posture._inventory import Stock, take_stock
from phalanx.posture._judging import judge, most_urgent_first
from phalanx.posture._model import INVENTORIES, Asset, Inventory, Judgement, Listed, Use
from phalanx.posture._reading import assets_in
from phalanx.posture._skills import (
    STOCK_RULES,
    VULNERABLE_CRYPTO,
    crypto_in_traffic_skill,
    plan_migration_skill,
)
from phalanx.posture._source import crypto_in, is_source
from phalanx.posture.ports import EndpointProbe, SshOffer, TlsOffer

__all__ = [
    "INVENTORIES",
    "STOCK_RULES",
    "VULNERABLE_CRYPTO",
    "crypto_in_traffic_skill",
    "plan_migration_skill",
    "Asset",
    "Difference",
    "EndpointProbe",
    "Entry",
    "Inventory",
    "Judgement",
    "Listed",
    "SshOffer",
    "Stock",
    "StockPlan",
    "TlsOffer",
    "Use",
    "assets_in",
    "cbom",
    "compare",
    "crypto_in",
    "inventory_duty",
    "is_source",
    "judge",
    "look_at",
    "most_urgent_first",
    "parse_endpoint",
    "ssh_assets",
    "take_stock",
    "tls_assets",
]
